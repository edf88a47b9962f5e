// MaxPool2d, AvgPool2d and Flatten: numbers worked by hand, and their errors. Gradients: the
// registry's tests; all shapes: tests/kernels/conv_test.cpp.
#include "layers/pool2d.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "core/error.h"
#include "layers/flatten.h"

using namespace handgrad;

namespace {

const auto image = Tensor<double>::from({1, 1, 3, 4}, {1, 5, 2, 0,  //
                                                       5, 3, 8, 4,  //
                                                       7, 6, 9, 9});

}  // namespace

TEST_CASE("MaxPool2d worked by hand", "[layers][pool]") {
    MaxPool2d<double> pool(2);
    REQUIRE(pool.forward(image).values() == std::vector<double>{5, 8});  // the last row is left out
    const auto dy = Tensor<double>::from({1, 1, 1, 2}, {10, 20});
    // Of two that are equal, the first gets all.
    REQUIRE(pool.backward(dy).values() ==
            std::vector<double>{0, 10, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0});

    MaxPool2d<double> overlapping(2, 1);
    REQUIRE(overlapping.forward(image).values() == std::vector<double>{5, 8, 8, 7, 9, 9});
    const auto ones = Tensor<double>::full({1, 1, 2, 3}, 1);
    REQUIRE(overlapping.backward(ones).values() ==
            std::vector<double>{0, 1, 0, 0, 0, 0, 2, 0, 1, 0, 2, 0});
}

TEST_CASE("padding never wins in MaxPool2d, a NaN always does", "[layers][pool]") {
    const double inf = std::numeric_limits<double>::infinity();
    const auto x = Tensor<double>::from({1, 1, 2, 2}, {-3, -inf, -2, -inf});
    MaxPool2d<double> pool(2, 2, 1);
    REQUIRE(pool.forward(x).values() == std::vector<double>{-3, -inf, -2, -inf});
    const auto dy = Tensor<double>::from({1, 1, 2, 2}, {1, 2, 3, 4});
    REQUIRE(pool.backward(dy).values() == std::vector<double>{1, 2, 3, 4});

    MaxPool2d<double> whole(2);
    for (Index i = 0; i < 4; ++i) {
        const auto with_nan = Tensor<double>::from({1, 1, 2, 2}, {1, inf, 3, 4});
        with_nan.data()[i] = std::nan("");
        REQUIRE(std::isnan(whole.forward(with_nan).item()));
        const auto dx = whole.backward(Tensor<double>::full({1, 1, 1, 1}, 6)).values();
        for (Index k = 0; k < 4; ++k) REQUIRE(dx[static_cast<std::size_t>(k)] == (k == i ? 6 : 0));
    }
}

TEST_CASE("AvgPool2d worked by hand", "[layers][pool]") {
    AvgPool2d<double> pool(2);
    REQUIRE(pool.forward(image).values() == std::vector<double>{3.5, 3.5});
    const auto dy = Tensor<double>::from({1, 1, 1, 2}, {4, 8});
    REQUIRE(pool.backward(dy).values() == std::vector<double>{1, 1, 2, 2, 1, 1, 2, 2, 0, 0, 0, 0});

    const auto x = Tensor<double>::from({1, 1, 1, 2}, {4, 8});
    AvgPool2d<double> with(2, 2, 1), without(2, 2, 1, false);
    REQUIRE(with.forward(x).values() == std::vector<double>{1, 2});
    REQUIRE(without.forward(x).values() == std::vector<double>{4, 8});
    REQUIRE(with.backward(x).values() == std::vector<double>{1, 2});
    REQUIRE(without.backward(x).values() == std::vector<double>{4, 8});
}

TEST_CASE("pool errors name the layer, both shapes and what to change", "[layers][pool]") {
    MaxPool2d<float> pool(3, 2, 1);
    REQUIRE_THROWS_WITH(pool.forward(Tensor<float>::zeros({3, 28, 28})),
                        ContainsSubstring("MaxPool2d(3, 2, 1).forward") &&
                            ContainsSubstring("(3, 28, 28)") && ContainsSubstring("(N, C, H, W)") &&
                            ContainsSubstring("x.reshape({1, C, H, W})"));
    AvgPool2d<float> avg(Pair{4, 2});
    REQUIRE_THROWS_WITH(
        avg.forward(Tensor<float>::zeros({2, 1, 3, 3})),
        ContainsSubstring("AvgPool2d({4, 2}).forward") && ContainsSubstring("(2, 1, 3, 3)") &&
            ContainsSubstring("(N, C, 4, 2) or larger") && ContainsSubstring("smaller"));
    REQUIRE_THROWS_WITH(avg.backward(Tensor<float>::zeros({2, 1, 1, 1})),
                        ContainsSubstring("before any forward"));
    avg.forward(Tensor<float>::zeros({2, 1, 4, 4}));
    REQUIRE_THROWS_WITH(avg.backward(Tensor<float>::zeros({2, 1, 1, 1})),
                        ContainsSubstring("(2, 1, 1, 1)") && ContainsSubstring("(2, 1, 1, 2)"));
    REQUIRE_THROWS_AS(pool.forward(Tensor<float>()), Error);
    REQUIRE_THROWS_AS(pool.forward(Tensor<float>::zeros({2, 1, 0, 4})), Error);
    // As empty as it is, it has planes of 2^31 pixels.
    REQUIRE_THROWS_WITH(pool.forward(Tensor<float>::zeros({0, 1, Index{1} << 16, 1 << 15})),
                        ContainsSubstring("2^31"));

    REQUIRE_THROWS_WITH(MaxPool2d<float>(3, 1, 2), ContainsSubstring("at most half"));
    REQUIRE_THROWS_WITH(AvgPool2d<float>(Pair{4, 2}, {}, {2, 2}),
                        ContainsSubstring("{2, 2}") || ContainsSubstring("padding 2"));
    REQUIRE_THROWS_AS(MaxPool2d<float>(0), Error);
    REQUIRE_THROWS_AS(MaxPool2d<float>(2, 0), Error);
    REQUIRE_THROWS_AS(MaxPool2d<float>(2, 2, -1), Error);

    REQUIRE(MaxPool2d<float>(2).describe() == "MaxPool2d(2)");
    REQUIRE(MaxPool2d<float>(2, Pair{2, 1}).describe() == "MaxPool2d(2, {2, 1})");
    REQUIRE(AvgPool2d<float>(2, {}, 0, false).describe() == "AvgPool2d(2, 2, 0, false)");
}

TEST_CASE("Flatten makes rows of images, and images of their gradients", "[layers][flatten]") {
    Flatten<double> flatten;
    const auto x = Tensor<double>::full({2, 3, 4, 5}, 1);
    REQUIRE(flatten.forward(x).shape() == Shape{2, 60});
    REQUIRE(flatten.forward(x).data() == x.data());
    REQUIRE(flatten.backward(Tensor<double>::zeros({2, 60})).shape() == x.shape());
    REQUIRE(flatten.forward(Tensor<double>::zeros({0, 3, 4})).shape() == Shape{0, 12});
    REQUIRE(flatten.forward(Tensor<double>::zeros({7, 5})).shape() == Shape{7, 5});
    REQUIRE(Flatten<double>(0).forward(x).shape() == Shape{120});
    REQUIRE(Flatten<double>(2).forward(x).shape() == Shape{2, 3, 20});
    REQUIRE(Flatten<double>(-1).forward(x).shape() == x.shape());
    REQUIRE(Flatten<double>(1).describe() == "Flatten()");
    REQUIRE(Flatten<double>(1, 2).forward(x).shape() == Shape{2, 12, 5});
    REQUIRE(Flatten<double>(-4, -3).forward(x).shape() == Shape{6, 4, 5});
    REQUIRE(Flatten<double>(2, 2).forward(x).shape() == x.shape());
    REQUIRE(Flatten<double>(1, 2).describe() == "Flatten(1, 2)");
    REQUIRE_THROWS_WITH(Flatten<double>(2, 1).forward(x),
                        ContainsSubstring("axes 2 to 1") && ContainsSubstring("(2, 3, 4, 5)"));
    REQUIRE_THROWS_AS(Flatten<double>(0, 4).forward(x), Error);

    REQUIRE_THROWS_WITH(flatten.forward(Tensor<double>::zeros({7})),
                        ContainsSubstring("Flatten().forward") && ContainsSubstring("(7)") &&
                            ContainsSubstring("x.reshape({1, ...})"));
    REQUIRE_THROWS_AS(Flatten<double>(-3).forward(Tensor<double>::zeros({7, 2})), Error);
    REQUIRE_THROWS_AS(Flatten<double>(0).forward(Tensor<double>::zeros({})), Error);
    flatten.forward(x);
    REQUIRE_THROWS_WITH(flatten.backward(Tensor<double>::zeros({2, 59})),
                        ContainsSubstring("(2, 59)") && ContainsSubstring("(2, 60)"));
}
