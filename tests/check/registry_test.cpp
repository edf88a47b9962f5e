#include "check/registry.h"

#include "catch.h"

using namespace handgrad;

TEST_CASE("every layer and loss passes the gradient check, at several seeds", "[check][gradient]") {
    for (const std::uint64_t seed : {0, 1, 2})
        for (const GradientCase& gradient_case : gradient_cases(seed)) {
            const auto rows = gradient_case.check();
            INFO("seed " << seed << ", " << gradient_case.name << "\n" << table(rows));
            REQUIRE(all_pass(rows));
        }
}
