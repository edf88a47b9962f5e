#include "report/lesson.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "kernels/cpu/parallel.h"
#include "report/html.h"
#include "report/plot.h"

namespace handgrad {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t terminal_width = 90;

Json to_json(double value) {
    if (std::isfinite(value)) return value;
    return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

Json to_json(const std::vector<double>& values) {
    Json list = Json::array();
    for (const double value : values) list.push_back(to_json(value));
    return list;
}

Json to_json(const std::map<std::string, double>& values) {
    Json object = Json::object();
    for (const auto& [name, value] : values) object[name] = to_json(value);
    return object;
}

template <class T>
Json to_json(const T& value) {
    return value;
}

void make_folder(const std::filesystem::path& path) {
    std::error_code failure;
    std::filesystem::create_directories(path, failure);
    if (failure)
        throw Error("--out: no folder " + path.string(), failure.message(),
                    "a place where folders can be made");
}

/// What a file holds; it is gone then.
std::string taken(const std::filesystem::path& path) {
    std::string bytes = read_file(path);
    std::filesystem::remove(path);
    return bytes;
}

std::string now() {
    const std::time_t time = std::time(nullptr);
    std::tm local{};
    localtime_r(&time, &local);
    char text[64];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M %Z", &local)};
}

}  // namespace

struct Lesson::State {
    LessonInfo info;
    HtmlPage page;
    Json results;
    Json figures = Json::array();
    Json checks = Json::array();
    std::vector<std::string> failed;    // checks
    std::vector<std::string> left_out;  // pictures
    Clock::time_point start = Clock::now();
};

Lesson::Lesson(const LessonInfo& info, LessonOptions options)
    : options_(std::move(options)), state_(std::make_unique<State>()) {
    state_->info = info;
    state_->results = {{"lesson", info.name},
                       {"title", info.title},
                       {"summary", info.summary},
                       {"seed", options_.seed},
                       {"device", name_of(options_.device)},
                       {"threads", options_.threads},
                       {"quick", options_.quick},
                       {"epochs", options_.epochs},
                       {"data", options_.data}};
    if (info.any_precision) state_->results["precision"] = name_of(cpu::precision());
    std::cout << info.title << '\n'
              << std::string(columns_of(info.title), '=') << "\n\n"
              << wrap(info.summary, terminal_width) << "\n\n"
              << "on " << describe(options_.device) << ", seed " << options_.seed
              << (options_.quick ? ", a quick run: its figures are not those of a full one" : "")
              << std::endl;
}

Lesson::~Lesson() = default;

// Each part of the story starts with an empty line, and is flushed, so that a reader sees it while
// the next part computes.

void Lesson::section(const std::string& title) {
    std::cout << "\n\n" << title << '\n' << std::string(columns_of(title), '-') << std::endl;
    state_->page.section(title);
}

void Lesson::say(const std::string& text) {
    std::cout << '\n' << wrap(text, terminal_width) << std::endl;
    state_->page.paragraph(text);
}

void Lesson::line(const std::string& text) {
    const bool first = state_->page.line(text);
    std::cout << (first ? "\n" : "") << text << std::endl;
}

void Lesson::pre(const std::string& text) {
    std::cout << '\n' << text << (text.ends_with('\n') ? "" : "\n") << std::flush;
    state_->page.preformatted(text);
}

void Lesson::table(const Row& header, const std::vector<Row>& rows) {
    std::cout << '\n' << format_table(header, rows) << std::flush;
    state_->page.table(header, rows);
}

void Lesson::show(const std::string& file, const std::string& caption, bool plot,
                  const std::string& narrow) {
    state_->page.figure(read_file(path(file)), caption,
                        plot ? HtmlPage::Picture::plot : HtmlPage::Picture::photograph, narrow);
    state_->figures.push_back(file);
    std::cout << "\n[" << path(file).string() << "]\n"
              << wrap(caption, terminal_width) << std::endl;
}

void Lesson::figure(const std::string& file, const std::string& caption) {
    show(file, caption, false);
}

void Lesson::figure(const std::string& file, const std::string& caption, const Drawing& drawing) {
    if (!draw(drawing, path(file))) {
        state_->left_out.push_back(file);
        return;
    }
    draw(drawing, path(file).replace_extension(".svg"));
    const std::filesystem::path narrow = path("narrow_" + file);
    show(file, caption, true,
         drawing.narrow && draw(*drawing.narrow, narrow) ? taken(narrow) : std::string());
}

void Lesson::figure(const std::string& file, const std::string& caption, const Plot& plot) {
    figure(file, caption, Drawing(plot));
}

void Lesson::animation(const std::string& name, const std::string& caption,
                       const std::vector<Drawing>& frames, double frame_seconds) {
    const auto drawn = animate(frames, path(name), frame_seconds);
    if (!drawn) {
        state_->left_out.push_back(name + ".gif");
        return;
    }
    std::vector<Drawing> narrow;
    for (const Drawing& frame : frames)
        if (frame.narrow) narrow.push_back(*frame.narrow);
    std::optional<std::filesystem::path> small;
    if (narrow.size() == frames.size())
        small = animate(narrow, path("narrow_" + name), frame_seconds);
    show(drawn->filename().string(), caption, true, small ? taken(*small) : std::string());
}

void Lesson::result(const std::string& name, ResultValue value) {
    if (name == "checks" || name == "figures" || state_->results.contains(name))
        throw Error("Lesson.result: the name is taken", "'" + name + "' a second time",
                    "a name of its own for each result");
    state_->results[name] = std::visit([](const auto& v) { return to_json(v); }, value);
}

bool Lesson::check(const std::string& name, bool ok, const std::string& detail) {
    std::cout << (ok ? "\nPASS  " : "\nFAIL  ") << name << (detail.empty() ? "" : ": ") << detail
              << std::endl;
    state_->page.check(name, ok, detail);
    state_->checks.push_back({{"name", name}, {"passed", ok}, {"detail", detail}});
    if (!ok) state_->failed.push_back(name);
    return ok;
}

bool Lesson::finish() {
    State& state = *state_;
    std::string verdict;
    const std::size_t checks = state.checks.size(), failed = state.failed.size();
    if (failed > 0)
        verdict = format("%zu of %zu checks failed: ", failed, checks) + state.failed.front() +
                  (failed > 1 ? ", ..." : "") + ".";
    else if (checks > 0)
        verdict = format("%zu of %zu checks passed.", checks, checks);
    if (!state.left_out.empty()) {
        verdict += verdict.empty() ? "" : " ";
        verdict += "Left out, since gnuplot did not draw it:";
        for (const std::string& file : state.left_out) verdict += " " + file;
    }

    state.results["figures"] = state.figures;
    state.results["checks"] = state.checks;
    // Text that is not UTF-8 (a path, say) is mended rather than refused.
    write_file_atomically(path("results.json"),
                          state.results.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
    const std::chrono::duration<double> took = Clock::now() - state.start;
    const std::string footer =
        format("handgrad %s, lesson %s, %s, seed %llu, %s%s, in %.1f s", HANDGRAD_VERSION,
               state.info.name.c_str(), describe(options_.device).c_str(),
               static_cast<unsigned long long>(options_.seed), options_.quick ? "quick run, " : "",
               now().c_str(), took.count());
    write_file_atomically(path("report.html"),
                          state.page.page(state.info.title, state.info.summary, verdict, footer));
    std::cout << "\n\n"
              << wrap(verdict, terminal_width) << (verdict.empty() ? "" : "\n")
              << "Report: " << path("report.html").string()
              << format(", after %.1f s", took.count()) << std::endl;
    return failed == 0;
}

int run_lesson(int argc, char** argv, const LessonInfo& info,
               const std::function<void(Lesson&)>& story) {
    LessonOptions options;
    options.data = info.data;
    std::string device = "cpu", precision = "float", out = "out";
    CLI::App app(info.title + ". " + info.summary, "lesson_" + info.name);
    if (!info.data_help.empty())
        app.add_option("--data", options.data,
                       info.data_help + (info.data.empty() ? " [the first that is found]" : ""))
            ->capture_default_str();
    app.add_option("--device", device, "cpu, cuda, or emulated: a GPU played on the CPU")
        ->capture_default_str();
    if (info.any_precision)
        app.add_option(
               "--precision", precision,
               "of products on the CPU: float, bf16 (operands rounded), or bf16x3 (split in "
               "three, about as exact as float); the latter two need AMX")
            ->capture_default_str();
    CLI::Option* epochs =
        app.add_option("--epochs", options.epochs,
                       format("passes over the training data [%d, or %d with --quick]", info.epochs,
                              info.quick_epochs))
            ->check(CLI::Range(1, 1'000'000));
    app.add_option("--seed", options.seed, "of all random numbers")
        ->check([](const std::string& text) {
            const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
            return digits && text.size() <= 19 ? ""
                                               : "not a whole number of at most 19 digits: " + text;
        })
        ->capture_default_str();
    CLI::Option* threads =
        app.add_option("--threads", options.threads, "threads for the kernels [all]")
            ->check(CLI::Range(1, 1024));
    app.add_option("--out", out, "the folder for results")->capture_default_str();
    app.add_flag("--quick", options.quick, "a run of seconds, to see that everything works");
    for (const LessonFlag& flag : info.flags)
        std::visit(
            [&](auto* target) {
                if constexpr (std::is_same_v<decltype(target), bool*>)
                    app.add_flag(flag.name, *target, flag.help);
                else
                    app.add_option(flag.name, *target, flag.help)->capture_default_str();
            },
            flag.target);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error, std::cout, std::cerr) == 0 ? 0 : 2;
    }
    try {
        if (threads->count() > 0) cpu::set_max_threads(options.threads);
        options.threads = cpu::max_threads();
        if (device != "cpu" && !info.any_device)  // first, as no other build would do either
            throw DeviceError("--device " + device + ": not in this lesson",
                              "lesson " + info.name + ", which computes on the CPU alone",
                              "--device cpu", "lesson 10 trains on any device");
        options.device = parse_device(device);
        options.tiny = options.quick && options.device == Device::emulated;
        if (epochs->count() == 0)
            options.epochs = options.tiny && info.tiny_epochs > 0 ? info.tiny_epochs
                             : options.quick                      ? info.quick_epochs
                                                                  : info.epochs;
        if (options.tiny && options.data.empty()) options.data = "embedded";
        if (precision != "float" && options.device != Device::cpu)
            throw DeviceError("--precision " + precision + ": not on this device",
                              "--device " + device, "--device cpu",
                              "products on a GPU are computed in float");
        cpu::set_precision(parse_precision(precision));
        options.out = std::filesystem::path(out) / info.name;
        make_folder(options.out);
        for (const char* file : {"results.json", "report.html"})  // a run that fails leaves none
            std::filesystem::remove(options.out / file);
        Lesson lesson(info, std::move(options));
        story(lesson);
        return lesson.finish() ? 0 : 1;
    } catch (const DeviceError& error) {
        std::cerr << error.what() << '\n';
        return 2;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}

}  // namespace handgrad
