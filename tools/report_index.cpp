// Writes index.html: a page of links to the reports of all lessons that have been run.
//
//   make report [ARGS="--out DIR"]
//
// A lesson counts where its folder in DIR (out unless said otherwise) has results.json and
// report.html. Exit code 1 where there is none.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "report/html.h"

using namespace handgrad;
namespace fs = std::filesystem;

namespace {

/// The folders of lessons, by name, which is the order of teaching.
std::vector<fs::path> lesson_folders(const fs::path& out) {
    std::vector<fs::path> folders;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(out, none))
        if (fs::exists(entry.path() / "results.json") && fs::exists(entry.path() / "report.html"))
            folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    return folders;
}

void add_card(HtmlPage& page, const fs::path& folder) try {
    const auto results = nlohmann::json::parse(read_file(folder / "results.json"));
    const std::string name = folder.filename().string();
    const auto& checks = results.at("checks");
    const auto passed =
        std::count_if(checks.begin(), checks.end(),
                      [](const nlohmann::json& check) { return check.at("passed").get<bool>(); });
    std::string verdict =
        checks.empty() ? "no checks" : format("%td of %zu checks passed", passed, checks.size());
    if (results.at("quick").get<bool>()) verdict += ", in a quick run";
    const auto& figures = results.at("figures");
    page.card(name + "/report.html",
              name.substr(0, name.find('_')) + ". " + results.at("title").get<std::string>(),
              results.at("summary"), verdict, passed == std::ssize(checks),
              figures.empty() ? "" : name + "/" + figures.front().get<std::string>());
} catch (const nlohmann::json::exception& error) {
    throw Error("report_index: cannot use " + (folder / "results.json").string(), error.what(),
                "what a lesson wrote", "run the lesson again");
}

}  // namespace

int main(int argc, char** argv) {
    std::string out = "out";
    CLI::App app("Writes a page of links to the reports of all lessons that have been run.");
    app.add_option("--out", out, "the folder for results")->capture_default_str();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        HtmlPage page;
        const std::vector<fs::path> folders = lesson_folders(out);
        if (folders.empty())
            throw Error("report_index: no lesson's report", "nothing in " + out,
                        "at least one lesson that has been run",
                        "`make lessons` runs all of them, `make lesson N=10` one");
        for (const fs::path& folder : folders) add_card(page, folder);
        const fs::path index = fs::path(out) / "index.html";
        write_file_atomically(
            index, page.page("The lessons of handgrad",
                             "Neural networks by hand: what each lesson said, drew and checked.",
                             "", format("%zu lessons", folders.size())));
        std::cout << index.string() << std::endl;
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
