#include "optim/rmsprop.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

namespace {

/// w after two steps from 1 with gradients 2 and 4.
double two_steps(const RMSpropOptions& options) {
    Parameter<double> w{"w", Tensor<double>::from({1}, {1}), Tensor<double>::from({1}, {2})};
    RMSprop<double> rmsprop({&w}, options);
    rmsprop.step();
    w.grad.fill(4);
    rmsprop.step();
    return w.value.item();
}

bool equal(double got, double expected) {
    return std::abs(got - expected) <= 1e-15;
}

}  // namespace

TEST_CASE("two steps of RMSprop by hand, with each option", "[optim]") {
    // alpha = 1/2: q is 2, then 9; the mean a is 1, then 2.5; the variance 1, then 2.75.
    const double d1 = 2 / std::sqrt(2.0), d2 = 4.0 / 3;
    CHECK(equal(two_steps({.lr = 0.1, .alpha = 0.5, .eps = 0}), 1 - 0.1 * (d1 + d2)));
    CHECK(equal(two_steps({.lr = 0.1, .alpha = 0.5, .eps = 1}),
                1 - 0.1 * (2 / (std::sqrt(2.0) + 1) + 1)));
    CHECK(equal(two_steps({.lr = 0.1, .alpha = 0.5, .eps = 0, .momentum = 0.5}),
                1 - 0.1 * (d1 + 0.5 * d1 + d2)));
    const double c1 = 2, c2 = 4 / std::sqrt(2.75);
    CHECK(equal(two_steps({.lr = 0.1, .alpha = 0.5, .eps = 0, .centered = true}),
                1 - 0.1 * (c1 + c2)));
    CHECK(equal(two_steps({.lr = 0.1, .alpha = 0.5, .eps = 0, .momentum = 0.5, .centered = true}),
                1 - 0.1 * (c1 + 0.5 * c1 + c2)));
    // g1 = 2 + 2 = 4: q = 8
    const double w1 = 1 - 0.1 * 4 / std::sqrt(8.0), g2 = 4 + 2 * w1;
    CHECK(equal(two_steps({.lr = 0.1, .alpha = 0.5, .eps = 0, .weight_decay = 2}),
                w1 - 0.1 * g2 / std::sqrt(4 + g2 * g2 / 2)));
}

TEST_CASE("RMSprop refuses options that make no sense", "[optim]") {
    CHECK_THROWS_WITH(two_steps({.alpha = 1}), ContainsSubstring("RMSprop: no such alpha"));
    CHECK_THROWS_AS(two_steps({.lr = -1}), Error);
    CHECK_THROWS_AS(two_steps({.eps = -1}), Error);
    CHECK_THROWS_AS(two_steps({.weight_decay = -1}), Error);
    CHECK_THROWS_AS(two_steps({.momentum = 1}), Error);
}
