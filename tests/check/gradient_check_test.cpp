// The checker itself: it must find what is wrong, or its PASS means nothing.
#include "check/gradient_check.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

namespace {

/// L = sum_i sin(w_i), dL/dw_i = cos(w_i)
struct Sines {
    Parameter<double> w{"w", Tensor<double>::from({5}, {-2, -1, 0.3, 1, 20}),
                        Tensor<double>::empty({5})};
    double loss() const {
        double sum = 0;
        for (const double v : w.value.span()) sum += std::sin(v);
        return sum;
    }
    Sines() {
        for (Index i = 0; i < 5; ++i) w.grad(i) = std::cos(w.value(i));
    }
    GradientRow check(const GradientCheckOptions& options = {}) {
        return check_gradients(
            {&w}, [this] { return loss(); }, options)[0];
    }
};

}  // namespace

TEST_CASE("a right gradient passes and values are restored", "[check]") {
    Sines sines;
    const auto before = sines.w.value.values();
    const GradientRow row = sines.check();
    INFO(table({row}));
    REQUIRE(row.pass);
    REQUIRE(row.checked == 5);
    REQUIRE(row.max_relative_error < 1e-6);
    REQUIRE(sines.w.value.values() == before);
}

TEST_CASE("a wrong gradient fails and is located", "[check]") {
    Sines sines;
    sines.w.grad(3) *= 1.0001;
    const GradientRow row = sines.check();
    REQUIRE_FALSE(row.pass);
    REQUIRE(row.worst == 3);
    REQUIRE_THAT(table({row}), ContainsSubstring("FAIL") && ContainsSubstring("element 3"));
    REQUIRE_FALSE(all_pass({row}));
}

TEST_CASE("NaN, zero against zero and nothing at all fail", "[check]") {
    Sines sines;
    sines.w.grad(2) = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_FALSE(sines.check().pass);
    REQUIRE(sines.check().worst == 2);
    sines.w.grad.fill(0);
    const GradientRow nothing = check_gradients({&sines.w}, [] { return 1.0; })[0];
    REQUIRE_FALSE(nothing.pass);
    REQUIRE_THAT(nothing.reason, ContainsSubstring("zero"));
    REQUIRE_FALSE(check_gradients({&sines.w}, [] { return std::nan(""); })[0].pass);
    REQUIRE_FALSE(all_pass({}));
    Parameter<double> empty{"e", Tensor<double>::empty({0}), Tensor<double>::empty({0})};
    REQUIRE_FALSE(check_gradients({&empty}, [] { return 1.0; })[0].pass);
    Parameter<double> no_grad{"n", Tensor<double>::zeros({2}), {}};
    REQUIRE_THROWS_AS(check_gradients({&no_grad}, [] { return 1.0; }), Error);
    REQUIRE_THROWS_AS(check_gradients({}, [] { return 1.0; }), Error);
}
