// Checks every gradient that handgrad derives by hand against autograd and finite differences.
//
//   make gradcheck [ARGS="--filter Linear --seed 7 --shapes random:20 --json out.json"]
//
// Prints a table for each layer and loss of src/check/registry.cpp. Exit code 1 if any row fails.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "check/registry.h"
#include "core/error.h"
#include "core/file.h"

using namespace handgrad;

namespace {

/// "random:20" -> 20, "listed" -> 0. Throws Error.
int random_shapes(const std::string& text) {
    if (text == "listed") return 0;
    const std::string_view prefix = "random:";
    int count = 0;
    const char *begin = text.data() + prefix.size(), *end = text.data() + text.size();
    if (!text.starts_with(prefix) || std::from_chars(begin, end, count).ptr != end || count < 1)
        throw Error("--shapes: no such shapes", "'" + text + "'",
                    "listed, or random: and a number: random:20");
    return count;
}

/// JSON has no NaN and no infinity: they are texts.
nlohmann::json json_of(double number) {
    if (std::isfinite(number)) return number;
    return std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
}

nlohmann::json json_of(const GradientComparison& comparison) {
    return {{"of", comparison.of},
            {"checked", comparison.checked},
            {"max_relative_error", json_of(comparison.max_relative_error)},
            {"worst", comparison.worst},
            {"by_hand", json_of(comparison.by_hand)},
            {"other", json_of(comparison.other)},
            {"reason", comparison.reason}};
}

nlohmann::json json_of(const GradientCase& gradient_case, const GradientRow& row) {
    nlohmann::json shape = nlohmann::json::array();
    for (int axis = 0; axis < row.shape.rank(); ++axis) shape.push_back(row.shape[axis]);
    return {{"case", gradient_case.name},
            {"name", row.name},
            {"shape", shape},
            {"norm", json_of(row.norm)},
            {"autograd", row.autograd ? json_of(*row.autograd) : nullptr},
            {"differences", json_of(row.differences)},
            {"pass", row.pass()}};
}

}  // namespace

int main(int argc, char** argv) {
    std::string filter, shapes = "listed", json_path;
    std::uint64_t seed = 0;
    GradientCheckOptions options;
    CLI::App app("Checks every gradient derived by hand against autograd and finite differences.");
    app.add_option("--filter", filter, "only names that contain this");
    app.add_option("--seed", seed, "of inputs, weights and random shapes")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--tolerance", options.tolerance,
                   "largest relative error against differences; 1e-6 unless given")
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--shapes", shapes,
                   "listed (the default), or random:N for N random shapes of each besides");
    app.add_option("--json", json_path, "write every row to this file");
    int per_kind = 0;
    try {
        app.parse(argc, argv);
        per_kind = random_shapes(shapes);
        if (const auto folder = std::filesystem::path(json_path).parent_path();
            !folder.empty() && !std::filesystem::is_directory(folder))
            throw Error("--json: no such folder", folder.string(), "a folder that is there");
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
    int checked = 0, failed = 0;
    try {
        nlohmann::json all_rows = nlohmann::json::array();
        for (const GradientCase& gradient_case : gradient_cases(seed, per_kind)) {
            if (gradient_case.name.find(filter) == std::string::npos) continue;
            ++checked;
            std::printf("%s\n", gradient_case.name.c_str());
            try {
                const auto rows =
                    check_layer(*gradient_case.layer, gradient_case.x, gradient_case.tape, options);
                std::printf("%s\n", table(rows).c_str());
                for (const GradientRow& row : rows) all_rows.push_back(json_of(gradient_case, row));
                const bool three_ways =
                    std::all_of(rows.begin(), rows.end(),
                                [](const GradientRow& row) { return row.autograd.has_value(); });
                if (!three_ways) std::printf("FAIL  no tape: autograd has not seen it\n\n");
                failed += !(three_ways && all_pass(rows));
            } catch (const std::exception& error) {  // no rows: a dx that is no dx, say
                std::printf("FAIL  %s\n\n", error.what());
                all_rows.push_back(
                    {{"case", gradient_case.name}, {"pass", false}, {"error", error.what()}});
                ++failed;
            }
        }
        if (!json_path.empty()) {
            const nlohmann::json report = {
                {"seed", seed}, {"checked", checked}, {"failed", failed}, {"rows", all_rows}};
            write_file_atomically(json_path, report.dump(1) + "\n");
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    std::printf("%d checked, %d failed\n", checked, failed);
    if (checked == 0) std::fprintf(stderr, "gradcheck: nothing is called '%s'\n", filter.c_str());
    return checked == 0 || failed > 0 ? 1 : 0;
}
