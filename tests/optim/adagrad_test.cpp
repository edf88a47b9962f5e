#include "optim/adagrad.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

namespace {

/// w after two steps from 1 with gradients 3 and 4.
double two_steps(const AdagradOptions& options) {
    Parameter<double> w{"w", Tensor<double>::from({1}, {1}), Tensor<double>::from({1}, {3})};
    Adagrad<double> adagrad({&w}, options);
    adagrad.step();
    w.grad.fill(4);
    adagrad.step();
    return w.value.item();
}

bool equal(double got, double expected) {
    return std::abs(got - expected) <= 1e-15;
}

}  // namespace

TEST_CASE("two steps of Adagrad by hand, with each option", "[optim]") {
    // The sum of squares is 9, then 25.
    CHECK(equal(two_steps({.lr = 0.5, .eps = 0}), 1 - 0.5 * 3 / 3 - 0.5 * 4 / 5));
    CHECK(equal(two_steps({.lr = 0.5, .eps = 1}), 1 - 0.5 * 3 / 4 - 0.5 * 4 / 6));
    CHECK(equal(two_steps({.lr = 0.5, .lr_decay = 1, .eps = 0}), 1 - 0.5 - 0.25 * 4 / 5));
    CHECK(equal(two_steps({.lr = 0.5, .initial_accumulator_value = 7, .eps = 0}),
                1 - 0.5 * 3 / 4 - 0.5 * 4 / std::sqrt(32.0)));
    // g1 = 3 + 1, w = 0.5; g2 = 4 + 0.5
    CHECK(equal(two_steps({.lr = 0.5, .weight_decay = 1, .eps = 0}),
                0.5 - 0.5 * 4.5 / std::sqrt(16 + 4.5 * 4.5)));
}

TEST_CASE("Adagrad refuses options that make no sense", "[optim]") {
    CHECK_THROWS_WITH(two_steps({.lr_decay = -1}), ContainsSubstring("Adagrad: no such"));
    CHECK_THROWS_AS(two_steps({.lr = -1}), Error);
    CHECK_THROWS_AS(two_steps({.weight_decay = -1}), Error);
    CHECK_THROWS_AS(two_steps({.initial_accumulator_value = -1}), Error);
    CHECK_THROWS_AS(two_steps({.eps = INFINITY}), Error);
}
