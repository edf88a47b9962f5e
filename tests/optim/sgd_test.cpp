#include "optim/sgd.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

TEST_CASE("SGD moves against the gradient", "[optim]") {
    Parameter<float> w{"w", Tensor<float>::from({3}, {1, 2, 3}),
                       Tensor<float>::from({3}, {1, 0, -4})};
    SGD<float> sgd({&w}, 0.5);
    sgd.step();
    REQUIRE(w.value.values() == std::vector<float>{0.5F, 2, 5});
    sgd.zero_grad();
    REQUIRE(w.grad.values() == std::vector<float>{0, 0, 0});
    sgd.step();
    REQUIRE(w.value.values() == std::vector<float>{0.5F, 2, 5});
}

namespace {

/// w after two steps from 1 with gradients 2 and -4; all numbers are exact in binary.
double two_steps(const SGDOptions& options) {
    Parameter<double> w{"w", Tensor<double>::from({1}, {1}), Tensor<double>::from({1}, {2})};
    SGD<double> sgd({&w}, options);
    sgd.step();
    w.grad.fill(-4);
    sgd.step();
    return w.value.item();
}

}  // namespace

TEST_CASE("two steps of SGD by hand, in each form", "[optim]") {
    REQUIRE(two_steps({.lr = 0.5}) == 1 - 0.5 * 2 + 0.5 * 4);
    // g1 = 2 + 0.5 = 2.5, w = 1 - 1.25 = -0.25; g2 = -4 - 0.125
    REQUIRE(two_steps({.lr = 0.5, .weight_decay = 0.5}) == -0.25 + 0.5 * 4.125);
    // v1 = 2, w = 0; v2 = 0.5 * 2 - 4 = -3
    REQUIRE(two_steps({.lr = 0.5, .momentum = 0.5}) == 1.5);
    // v1 = 2, undampened; v2 = 0.5 * 2 - 0.75 * 4 = -2
    REQUIRE(two_steps({.lr = 0.5, .momentum = 0.5, .dampening = 0.25}) == 1);
    // v1 = 2, w = 1 - 0.5 (0.5 * 2 + 2) = -0.5; v2 = -3, w += 0.5 (0.5 * 3 + 4)
    REQUIRE(two_steps({.lr = 0.5, .momentum = 0.5, .nesterov = true}) == 2.25);
    // v1 = 0.5 * 2 = 1, w = 0.5; v2 = 0.5 * 1 - 0.5 * 4 = -1.5
    REQUIRE(two_steps({.lr = 0.5, .momentum = 0.5, .moving_average = true}) == 1.25);
}

TEMPLATE_TEST_CASE("momentum as a moving average takes PyTorch's path at lr / (1 - momentum)",
                   "[optim]", float, double) {
    using T = TestType;
    const double momentum = 0.9, lr = 0.02;
    for (const bool nesterov : {false, true}) {
        const auto path = [&](double rate, bool moving_average) {
            Parameter<T> w{"w", Tensor<T>::from({2}, {3, -1}), Tensor<T>::zeros({2})};
            SGD<T> sgd({&w}, {.lr = rate,
                              .momentum = momentum,
                              .nesterov = nesterov,
                              .moving_average = moving_average});
            std::vector<T> points;
            for (int step = 0; step < 100; ++step) {
                w.grad(0) = 2 * w.value(0) + w.value(1);  // of w0^2 + w0 w1 + 5 w1^2
                w.grad(1) = w.value(0) + 10 * w.value(1);
                sgd.step();
                points.insert(points.end(), {w.value(0), w.value(1)});
            }
            return points;
        };
        const auto sum = path(lr, false), average = path(lr / (1 - momentum), true);
        for (std::size_t i = 0; i < sum.size(); ++i)
            REQUIRE(std::abs(sum[i] - average[i]) <= 100 * std::numeric_limits<T>::epsilon());
    }
}

TEST_CASE("SGD refuses options that make no sense", "[optim]") {
    Parameter<float> w{"w", Tensor<float>::zeros({1}), Tensor<float>::zeros({1})};
    const auto refused = [&](const SGDOptions& options) {
        try {
            SGD<float>({&w}, options);
        } catch (const Error& error) {
            return std::string(error.what()).starts_with("SGD: ");
        }
        return false;
    };
    CHECK(refused({.lr = -1}));
    CHECK(refused({.lr = std::nan("")}));
    CHECK(refused({.lr = INFINITY}));
    CHECK(refused({.momentum = -0.1}));
    CHECK(refused({.momentum = std::nan("")}));
    CHECK(refused({.momentum = 0.9, .dampening = std::nan("")}));
    CHECK(refused({.weight_decay = -1e-4}));
    CHECK(refused({.nesterov = true}));
    CHECK(refused({.moving_average = true}));
    CHECK(refused({.momentum = 1, .moving_average = true}));
    CHECK(refused({.momentum = 0.9, .dampening = 0.5, .nesterov = true}));
    CHECK(refused({.momentum = 0.9, .dampening = 0.5, .moving_average = true}));
    CHECK_FALSE(refused({.lr = 0}));
    CHECK_FALSE(refused({}));
    CHECK_FALSE(refused({.dampening = 0.5}));
    CHECK_FALSE(refused({.momentum = 1.5, .dampening = 1}));
}
