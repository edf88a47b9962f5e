// StochasticDepth: what it draws, its two modes, and errors. Gradients:
// tests/check/registry_test.cpp.
#include "layers/stochastic_depth.h"

#include <cmath>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"

using namespace handgrad;

using Mode = StochasticDepth<float>::Mode;

TEST_CASE("StochasticDepth in row mode drops whole samples, as Dropout would drop as many numbers",
          "[layers][stochastic_depth]") {
    StochasticDepth<float> depth(0.25, Mode::row, 3);
    Dropout<float> dropout(0.25, 3);
    const auto x = Tensor<float>::empty({12, 2, 3});
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i + 1);
    const auto y = depth.forward(x), dx = depth.backward(x);
    const auto scale = dropout.forward(Tensor<float>::full({12}, 1)).values();
    CHECK(scale != std::vector<float>(12, 0));
    CHECK(scale != std::vector<float>(12, 1 / 0.75F));
    for (Index i = 0; i < x.size(); ++i) {
        CHECK(y.data()[i] == x.data()[i] * scale[static_cast<std::size_t>(i / 6)]);
        CHECK(dx.data()[i] == y.data()[i]);
    }
}

TEST_CASE("StochasticDepth in batch mode drops all or nothing, and keeps the mean",
          "[layers][stochastic_depth]") {
    StochasticDepth<float> depth(0.2, StochasticDepth<float>::Mode::batch, 0);
    const auto ones = Tensor<float>::full({2, 3}, 1);
    int dropped = 0;
    constexpr int n = 10'000;
    for (int i = 0; i < n; ++i) {
        const auto y = depth.forward(ones).values();
        REQUIRE((y == std::vector<float>(6, 0) || y == std::vector<float>(6, 1.25F)));
        REQUIRE(depth.backward(ones).values() == y);
        dropped += y[0] == 0;
    }
    // Binomial: mean 0.2 n, standard deviation sqrt(0.2 0.8 n) = 40; five of them.
    REQUIRE(std::abs(dropped - n / 5) < 5 * 40);
}

TEST_CASE("StochasticDepth rests in evaluation mode, and at p = 0", "[layers][stochastic_depth]") {
    const auto x = Tensor<float>::from({3}, {1, -2, 3});
    StochasticDepth<float> resting(0.9, Mode::row, 0), never(0, Mode::row, 0);
    resting.eval();
    for (auto* depth : {&resting, &never}) {
        REQUIRE(depth->forward(x).values() == x.values());
        REQUIRE(depth->backward(x).values() == x.values());
    }
}

TEST_CASE("at p = 1 StochasticDepth drops all", "[layers][stochastic_depth]") {
    for (const Mode mode : {Mode::row, Mode::batch}) {
        StochasticDepth<float> always(1, mode, 0);
        const auto x = Tensor<float>::full({3, 2}, 5);
        REQUIRE(always.forward(x).values() == std::vector<float>(6, 0));
        REQUIRE(always.backward(x).values() == std::vector<float>(6, 0));
    }
}

TEST_CASE("StochasticDepth names what does not fit", "[layers][stochastic_depth]") {
    REQUIRE_THROWS_AS(StochasticDepth<float>(1.1, Mode::row, 0), Error);
    REQUIRE_THROWS_AS(StochasticDepth<float>(-0.1, Mode::row, 0), Error);
    REQUIRE_THROWS_AS(StochasticDepth<float>(std::nan(""), Mode::row, 0), Error);
    StochasticDepth<float> depth(0.5, Mode::row, 0);
    REQUIRE(depth.describe() == "StochasticDepth(0.5, row)");
    REQUIRE(StochasticDepth<float>(0.5, Mode::batch, 0).describe() ==
            "StochasticDepth(0.5, batch)");
    REQUIRE_THROWS_WITH(depth.forward({}), ContainsSubstring("undefined"));
    REQUIRE_THROWS_WITH(
        depth.forward(Tensor<float>::zeros({})),
        ContainsSubstring("StochasticDepth(0.5, row).forward") && ContainsSubstring("(N, ...)"));
    REQUIRE_THROWS_WITH(depth.backward(Tensor<float>::zeros({2})),
                        ContainsSubstring("before any forward"));
    depth.forward(Tensor<float>::zeros({2, 3}));
    REQUIRE_THROWS_WITH(depth.backward(Tensor<float>::zeros({3, 2})),
                        ContainsSubstring("(3, 2)") && ContainsSubstring("(2, 3)"));
    for (const Mode mode : {Mode::batch, Mode::row}) {
        StochasticDepth<float> empty(0.5, mode, 0);
        REQUIRE(empty.forward(Tensor<float>::zeros({0, 3})).shape() == Shape{0, 3});
        REQUIRE(empty.backward(Tensor<float>::zeros({0, 3})).shape() == Shape{0, 3});
    }
}

TEST_CASE("after the first step StochasticDepth allocates nothing", "[layers][stochastic_depth]") {
    StochasticDepth<float> depth(0.5, Mode::row, 0);
    const auto x = Tensor<float>::zeros({4, 10});
    const auto step = [&] { depth.backward(depth.forward(x)); };
    step();
    const std::size_t blocks = system_allocations(), news = operator_new_calls();
    step();
    CHECK(system_allocations() == blocks);
    CHECK(operator_new_calls() == news);
}
