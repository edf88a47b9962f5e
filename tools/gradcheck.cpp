// Checks every gradient that handgrad derives by hand against finite differences.
//
//   make gradcheck [ARGS="--filter Linear --seed 7"]
//
// Prints a table for each layer and loss of src/check/registry.cpp. Exit code 1 if any row fails.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "check/registry.h"

int main(int argc, char** argv) {
    std::string filter;
    std::uint64_t seed = 0;
    CLI::App app("Checks every gradient derived by hand against finite differences.");
    app.add_option("--filter", filter, "only names that contain this");
    app.add_option("--seed", seed, "of inputs and weights");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    int checked = 0, failed = 0;
    try {
        for (const handgrad::GradientCase& gradient_case : handgrad::gradient_cases(seed)) {
            if (gradient_case.name.find(filter) == std::string::npos) continue;
            const auto rows = gradient_case.check();
            std::printf("%s\n%s\n", gradient_case.name.c_str(), handgrad::table(rows).c_str());
            ++checked;
            failed += !handgrad::all_pass(rows);
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    std::printf("%d checked, %d failed\n", checked, failed);
    if (checked == 0) std::fprintf(stderr, "gradcheck: nothing is called '%s'\n", filter.c_str());
    return checked == 0 || failed > 0 ? 1 : 0;
}
