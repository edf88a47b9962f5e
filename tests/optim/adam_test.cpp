#include "optim/adam.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "kernels/cpu/parallel.h"

using namespace handgrad;

namespace {

/// w after two steps from 1 with gradients 2 and 1.
template <class Rule, class Options>
double two_steps(const Options& options) {
    Parameter<double> w{"w", Tensor<double>::from({1}, {1}), Tensor<double>::from({1}, {2})};
    Rule adam({&w}, options);
    adam.step();
    w.grad.fill(1);
    adam.step();
    return w.value.item();
}

bool equal(double got, double expected) {
    return std::abs(got - expected) <= 1e-15;
}

}  // namespace

TEST_CASE("two steps of Adam by hand, in each form", "[optim]") {
    // betas of 1/2: m1 = 1, v1 = 2, corrected by 1/2: m^ = 2, v^ = 4, a step of lr 2 / 2.
    // m2 = 1, v2 = 1.5, corrected by 3/4: m^ = 4/3, v^ = 2.
    using A = Adam<double>;
    const double second = 4.0 / 3 / std::sqrt(2.0);
    CHECK(equal(two_steps<A>(AdamOptions{.lr = 0.1, .betas = {0.5, 0.5}, .eps = 0}),
                1 - 0.1 - 0.1 * second));
    CHECK(equal(two_steps<A>(AdamOptions{.lr = 0.1, .betas = {0.5, 0.5}, .eps = 1}),
                1 - 0.1 * 2 / 3 - 0.1 * 4 / 3 / (std::sqrt(2.0) + 1)));
    // The largest v is v1 = 2, corrected by 3/4.
    CHECK(
        equal(two_steps<A>(AdamOptions{.lr = 0.1, .betas = {0.5, 0.5}, .eps = 0, .amsgrad = true}),
              1 - 0.1 - 0.1 * 4 / 3 / std::sqrt(2 / 0.75)));
    // g1 = 2 + 1 = 3: m1 = 1.5, v1 = 4.5, a step of lr to 0.9.
    // g2 = 1 + 0.9: m2 = 0.75 + 0.95, v2 = 2.25 + 1.9^2 / 2.
    CHECK(equal(
        two_steps<A>(AdamOptions{.lr = 0.1, .betas = {0.5, 0.5}, .eps = 0, .weight_decay = 1}),
        0.9 - 0.1 * (1.7 / 0.75) / std::sqrt((2.25 + 1.9 * 1.9 / 2) / 0.75)));
    // AdamW: the steps of Adam without decay, each after w shrinks by 1 - 0.1 * 0.5.
    using W = AdamW<double>;
    CHECK(equal(
        two_steps<W>(AdamWOptions{.lr = 0.1, .betas = {0.5, 0.5}, .eps = 0, .weight_decay = 0.5}),
        (1 * 0.95 - 0.1) * 0.95 - 0.1 * second));
}

TEST_CASE("Adam's first step is lr, however large the gradient", "[optim]") {
    Parameter<float> w{"w", Tensor<float>::zeros({3}), Tensor<float>::from({3}, {1e-4F, -3, 1e6F})};
    Adam<float> adam({&w});
    adam.step();
    CHECK(std::abs(w.value(0) + 1e-3F) < 1e-6F);
    CHECK(std::abs(w.value(1) - 1e-3F) < 1e-6F);
    CHECK(std::abs(w.value(2) + 1e-3F) < 1e-6F);
}

TEST_CASE("Adam and AdamW refuse options that make no sense", "[optim]") {
    Parameter<float> w{"w", Tensor<float>::zeros({1}), Tensor<float>::zeros({1})};
    CHECK_THROWS_WITH(
        Adam<float>({&w}, {.betas = {1, 0.9}}),
        ContainsSubstring("Adam: no such first beta") && ContainsSubstring("got:   1"));
    CHECK_THROWS_WITH(
        AdamW<float>({&w}, {.betas = {0.9, -0.5}}),
        ContainsSubstring("AdamW: no such second beta") && ContainsSubstring("got:   -0.5"));
    CHECK_THROWS_AS(Adam<float>({&w}, {.betas = {0.9, std::nan("")}}), Error);
    CHECK_THROWS_AS(Adam<float>({&w}, {.eps = -1e-8}), Error);
    CHECK_THROWS_AS(Adam<float>({&w}, {.weight_decay = -1}), Error);
    CHECK_THROWS_AS(AdamW<float>({&w}, {.lr = -1}), Error);
}

TEST_CASE("averages that fade to denormals may be flushed to zero", "[optim]") {
    // One gradient, then none: m and v halve until they leave the normal floats, after 126 steps.
    const auto run = [](bool flush) {
        Parameter<float> w{"w", Tensor<float>::zeros({100}), Tensor<float>::full({100}, 1.0F)};
        Adam<float> adam({&w}, {.lr = 0.1, .betas = {0.5, 0.5}});
        float smallest = 1;
        for (int step = 0; step < 140; ++step) {
            if (flush) {
                const cpu::FlushDenormals flushed;
                adam.step();
            } else {
                adam.step();
            }
            w.grad.fill(0);
            smallest = adam.state().tensors[0].value(99);
        }
        return std::pair(w.value(99), smallest);
    };
    const auto [exact, denormal] = run(false);
    const auto [flushed, zero] = run(true);
    CHECK(denormal > 0);
    CHECK(std::abs(flushed - exact) <= 1e-6F * std::abs(exact));
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK(zero == 0);
#endif
}
