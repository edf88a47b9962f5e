#include "report/lesson.h"

#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "kernels/cpu/parallel.h"
#include "report/fake_gnuplot.h"
#include "report/grid_plots.h"
#include "report/image_grid.h"
#include "report/plot.h"
#include "temp_dir.h"

using namespace handgrad;
using Json = nlohmann::ordered_json;

namespace {

/// One run of a lesson: its exit code and what it wrote.
struct Run {
    int code;
    std::string out, err;
};

const LessonInfo plain = {.name = "99_test",
                          .title = "A test",
                          .summary = "Says & does.",
                          .epochs = 20,
                          .quick_epochs = 2,
                          .data = "mnist",
                          .data_help = "mnist or a folder"};

Run run(std::vector<std::string> arguments, const std::function<void(Lesson&)>& story,
        const LessonInfo& info = plain) {
    arguments.insert(arguments.begin(), "lesson");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::ostringstream out, err;
    std::streambuf* const old_out = std::cout.rdbuf(out.rdbuf());
    std::streambuf* const old_err = std::cerr.rdbuf(err.rdbuf());
    const int threads = cpu::max_threads();
    const int code = run_lesson(static_cast<int>(arguments.size()), argv.data(), info, story);
    cpu::set_max_threads(threads);
    std::cout.rdbuf(old_out);
    std::cerr.rdbuf(old_err);
    return {code, out.str(), err.str()};
}

void nothing(Lesson& /*lesson*/) {}

}  // namespace

TEST_CASE("a lesson without flags gets its defaults") {
    const TempDir dir;
    LessonOptions seen;
    const int threads = cpu::max_threads();
    const auto look = [&](Lesson& lesson) { seen = lesson.options(); };
    REQUIRE(run({"--out", dir.path()}, look).code == 0);
    REQUIRE(seen.data == "mnist");
    REQUIRE(seen.device == Device::cpu);
    REQUIRE(seen.epochs == 20);
    REQUIRE(seen.seed == 42);
    REQUIRE(seen.threads == threads);
    REQUIRE_FALSE(seen.quick);
    REQUIRE(seen.out == dir / "99_test");
    REQUIRE(run({"--out", dir.path(), "--quick"}, look).code == 0);
    REQUIRE(seen.epochs == 2);
    REQUIRE(seen.quick);
}

TEST_CASE("a lesson reads its flags, and those of its own") {
    const TempDir dir;
    double lr = 0.1;
    int width = 8;
    bool deep = false;
    std::string activation = "relu";
    LessonInfo info = plain;
    info.flags = {{"--lr", "learning rate", &lr},
                  {"--width", "units", &width},
                  {"--deep", "more layers", &deep},
                  {"--activation", "its name", &activation}};
    LessonOptions seen;
    int threads = 0;
    const auto look = [&](Lesson& lesson) {
        seen = lesson.options();
        threads = cpu::max_threads();
    };
    const Run help = run({"--help"}, look, info);
    REQUIRE(help.code == 0);
    for (const char* flag : {"--data", "--device", "--epochs", "--seed", "--threads", "--out",
                             "--quick", "--lr", "0.1", "--deep", "relu", "Says & does."})
        REQUIRE_THAT(help.out, ContainsSubstring(flag));
    REQUIRE_THAT(help.out, ContainsSubstring("mnist or a folder"));
    REQUIRE(seen.epochs == 1);  // the story was not told

    REQUIRE(run({"--out",   dir.path(),     "--data", "d",         "--epochs",
                 "3",       "--seed",       "7",      "--threads", "1",
                 "--quick", "--lr",         "0.5",    "--width",   "16",
                 "--deep",  "--activation", "tanh",   "--device",  "cpu"},
                look, info)
                .code == 0);
    REQUIRE(seen.data == "d");
    REQUIRE(seen.epochs == 3);
    REQUIRE(seen.seed == 7);
    REQUIRE(seen.threads == 1);
    REQUIRE(threads == 1);
    REQUIRE(lr == 0.5);
    REQUIRE(width == 16);
    REQUIRE(deep);
    REQUIRE(activation == "tanh");
}

TEST_CASE("a wrong flag or device ends a lesson with code 2, before it starts") {
    const TempDir dir;
    bool told = false;
    const auto story = [&](Lesson&) { told = true; };
    const std::vector<std::vector<std::string>> wrong = {
        {"--bogus"},        {"--epochs", "0"}, {"--epochs", "x"},      {"--seed", "-1"},
        {"--threads", "0"}, {"--epochs"},      {"--device", "abacus"}, {"stray"}};
    for (std::vector<std::string> arguments : wrong) {
        INFO(arguments[0]);
        const std::string flag = arguments[0];
        arguments.insert(arguments.end(), {"--out", dir.path()});
        const Run result = run(arguments, story);
        REQUIRE(result.code == 2);
        REQUIRE_THAT(result.err, ContainsSubstring(flag == "--seed" ? "seed" : flag));
    }
    REQUIRE_FALSE(told);
}

TEST_CASE("a lesson without data refuses --data") {
    const TempDir dir;
    LessonInfo info = plain;
    info.data_help = "";
    const Run result = run({"--data", "mnist", "--out", dir.path()}, nothing, info);
    REQUIRE(result.code == 2);
    REQUIRE_THAT(result.err, ContainsSubstring("--data"));
    REQUIRE(run({"--help"}, nothing, info).out.find("--data") == std::string::npos);
}

TEST_CASE(
    "an exception ends a lesson with code 1, a missing device with 2, its message on stderr") {
    const TempDir dir;
    const std::vector<std::string> out = {"--out", dir.path()};
    Run result = run(out, [](Lesson&) { throw Error("reading x", "nothing", "x", "find x"); });
    REQUIRE(result.code == 1);
    REQUIRE(result.err == "reading x\n  got:   nothing\n  needs: x\n  hint:  find x\n");
    result = run(out, [](Lesson&) { throw std::runtime_error("plain"); });
    REQUIRE(result.code == 1);
    REQUIRE(result.err == "plain\n");
    std::vector<std::string> elsewhere = out;
    for (const char* device : {"cuda", "emulated"}) {  // also where this build has no CUDA
        elsewhere = out;
        elsewhere.insert(elsewhere.end(), {"--device", device});
        const Run refused = run(elsewhere, nothing);
        REQUIRE(refused.code == 2);
        REQUIRE_THAT(refused.err, ContainsSubstring("computes on the CPU alone"));
    }
    LessonInfo anywhere = plain;
    anywhere.any_device = true;
    REQUIRE(run(elsewhere, nothing, anywhere).code == 0);
    REQUIRE(run(out, [](Lesson&) { throw DeviceError("no device", "", ""); }).code == 2);
    REQUIRE_FALSE(std::filesystem::exists(dir / "99_test/results.json"));

    result = run({"--out", dir.write("file", "x")}, nothing);
    REQUIRE(result.code == 1);
    REQUIRE_THAT(result.err, ContainsSubstring((dir / "file/99_test").string()));
}

TEST_CASE("results.json holds the run, the results in order, and the checks") {
    const TempDir dir;
    const double inf = std::numeric_limits<double>::infinity();
    const Run result = run({"--out", dir.path(), "--quick", "--threads", "1"}, [&](Lesson& lesson) {
        lesson.result("zeta", 0.1);
        lesson.result("alpha", 5);
        lesson.result("text", "a \"b\" \xff");
        lesson.result("yes", true);
        lesson.result("count", Index{1} << 40);
        lesson.result("losses", std::vector<double>{1.5, std::nan(""), inf, -inf});
        lesson.result("names", std::vector<std::string>{"a", "b"});
        lesson.result("errors", std::map<std::string, double>{{"w", 1e-9}, {"b", std::nan("")}});
        REQUIRE(lesson.check("first", true, "detail"));
        REQUIRE_THROWS_AS(lesson.result("alpha", 6), Error);
        REQUIRE_THROWS_AS(lesson.result("seed", 6), Error);
        REQUIRE_THROWS_AS(lesson.result("checks", 6), Error);
    });
    REQUIRE(result.code == 0);
    const Json expected = Json::parse(R"({
        "lesson": "99_test", "title": "A test", "summary": "Says & does.", "seed": 42, "device": "cpu", "threads": 1,
        "quick": true, "epochs": 2, "data": "mnist",
        "zeta": 0.1, "alpha": 5, "text": "a \"b\" �", "yes": true, "count": 1099511627776,
        "losses": [1.5, "NaN", "Infinity", "-Infinity"], "names": ["a", "b"],
        "errors": {"b": "NaN", "w": 1e-9},
        "figures": [],
        "checks": [{"name": "first", "passed": true, "detail": "detail"}]})");
    REQUIRE(read_file(dir / "99_test/results.json") == expected.dump(2) + "\n");
}

TEST_CASE("a check that fails is printed, kept, and makes the lesson fail") {
    const TempDir dir;
    const Run result = run({"--out", dir.path()}, [](Lesson& lesson) {
        lesson.check("good", true);
        REQUIRE_FALSE(lesson.check("bad", false, "1 is not 2"));
        lesson.say("and on it goes");
    });
    REQUIRE(result.code == 1);
    REQUIRE_THAT(result.out, ContainsSubstring("PASS  good\n") &&
                                 ContainsSubstring("FAIL  bad: 1 is not 2\n") &&
                                 ContainsSubstring("on it goes") &&
                                 ContainsSubstring("1 of 2 checks failed: bad."));
    const Json results = Json::parse(read_file(dir / "99_test/results.json"));
    REQUIRE(results["checks"][0]["passed"] == true);
    REQUIRE(results["checks"][1]["passed"] == false);
    REQUIRE_THAT(read_file(dir / "99_test/report.html"), ContainsSubstring("1 of 2 checks failed"));
}

TEST_CASE("everything told is printed and stands in the report") {
    const TempDir dir;
    const std::string words =
        "one two three four five six seven eight nine ten eleven twelve "
        "thirteen fourteen fifteen sixteen";
    const Run result = run({"--out", dir.path(), "--seed", "11"}, [&](Lesson& lesson) {
        lesson.section("Part <1>");
        lesson.say(words);
        lesson.line("epoch 1");
        lesson.line("epoch 2");
        lesson.pre("a  b");
        lesson.table({"k", "v"}, {{"x", "1"}});
        write_image_grid(lesson.path("grid.png"), Tensor<float>::full({1, 4}, 0.5F),
                         {.height = 2, .width = 2});
        lesson.figure("grid.png", "A grid");
        REQUIRE_THROWS_AS(lesson.figure("none.png", "missing"), Error);
        REQUIRE_THROWS_AS(lesson.table({"k"}, {{"x", "1"}}), Error);
    });
    REQUIRE(result.code == 0);
    REQUIRE_THAT(result.out,
                 ContainsSubstring("A test\n======\n\nSays & does.") &&
                     ContainsSubstring("\n\nPart <1>\n--------\n") &&
                     ContainsSubstring("fourteen fifteen\nsixteen") &&
                     ContainsSubstring("\n\nepoch 1\nepoch 2\n\na  b\n\nk  v\n-  -\nx  1\n") &&
                     ContainsSubstring("99_test/grid.png]\nA grid\n"));
    const std::string html = read_file(dir / "99_test/report.html");
    REQUIRE_THAT(html, ContainsSubstring("Part &lt;1&gt;") && ContainsSubstring(words) &&
                           ContainsSubstring("data:image/png;base64,iVBORw0KGgo") &&
                           ContainsSubstring("seed 11") && ContainsSubstring("cpu (") &&
                           ContainsSubstring("handgrad 0."));
}

TEST_CASE("without gnuplot a lesson runs on, and says at the end which pictures are missing") {
    const TempDir dir;
    const std::string path = std::getenv("PATH");
    ::setenv("PATH", "/nonexistent", 1);
    const Run result = run({"--out", dir.path()}, [](Lesson& lesson) {
        lesson.figure("a.png", "A", {.series = {{.y = {1, 2}}}});
        lesson.figure("b.png", "B", HeatMap{.grid = {{}, {}, 1, 1, {1}}});
        lesson.animation("c", "C", {Plot{.series = {{.y = {1, 2}}}}});
        lesson.check("still here", true);
    });
    ::setenv("PATH", path.c_str(), 1);
    REQUIRE(result.code == 0);
    REQUIRE_THAT(result.out, ContainsSubstring("1 of 1 checks passed. Left out, since gnuplot did "
                                               "not draw it: a.png b.png c.gif"));
    REQUIRE(std::filesystem::exists(dir / "99_test/report.html"));
}

TEST_CASE("a plot stands in the report as a PNG, and beside it as an SVG") {
    if (!has_gnuplot()) {
        WARN("no gnuplot here: nothing was drawn");
        return;
    }
    const TempDir dir;
    const Run result = run({"--out", dir.path()}, [](Lesson& lesson) {
        lesson.figure("a.png", "A", HeatMap{.grid = {{}, {}, 1, 2, {1, 2}}});
        lesson.animation("c", "C", {Plot{.series = {{.y = {1, 2}}}}});
    });
    REQUIRE(result.code == 0);
    const std::filesystem::path folder = dir / "99_test";
    REQUIRE(read_file(folder / "a.svg").starts_with("<?xml"));
    const std::string html = read_file(folder / "report.html");
    REQUIRE_THAT(
        html, ContainsSubstring("<figure class=\"plot\">") && ContainsSubstring("data:image/png"));
    const Json results = Json::parse(read_file(folder / "results.json"));
    REQUIRE(results["figures"][0] == "a.png");
    REQUIRE(results["figures"].size() == 2);
    // Plots have a form for phones, in the report alone; a heat map has but one.
    const std::size_t narrow = html.find("<source media");
    REQUIRE(narrow != std::string::npos);
    REQUIRE(narrow == html.rfind("<source media"));
    for (const auto& file : std::filesystem::directory_iterator(folder))
        REQUIRE(file.path().filename().string().find("narrow") == std::string::npos);
}

TEST_CASE("a quick run on the emulated device is a tiny one, on the embedded data") {
    const TempDir dir;
    LessonInfo info = plain;
    info.any_device = true;
    info.data = "";
    info.epochs = 100, info.quick_epochs = 10, info.tiny_epochs = 2;
    LessonOptions seen;
    const auto run_with = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.end(), {"--out", dir.path()});
        REQUIRE(run(
                    arguments, [&](Lesson& lesson) { seen = lesson.options(); }, info)
                    .code == 0);
        return seen;
    };
    const LessonOptions tiny = run_with({"--quick", "--device", "emulated"});
    CHECK((tiny.tiny && tiny.epochs == 2 && tiny.data == "embedded"));
    const LessonOptions told =
        run_with({"--quick", "--device", "emulated", "--epochs", "3", "--data", "d"});
    CHECK((told.tiny && told.epochs == 3 && told.data == "d"));
    const LessonOptions quick = run_with({"--quick"});
    CHECK((!quick.tiny && quick.epochs == 10 && quick.data.empty()));
    const LessonOptions slow = run_with({"--device", "emulated"});
    CHECK((!slow.tiny && slow.epochs == 100 && slow.data.empty()));
    info.tiny_epochs = 0;
    CHECK(run_with({"--quick", "--device", "emulated"}).epochs == 10);
}
