// LayerNorm: numbers worked by hand, and errors. Gradients: tests/check/registry_test.cpp; against
// PyTorch: tests/layers/golden_test.cpp.
#include "layers/layer_norm.h"

#include <cmath>
#include <limits>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "layers/linear.h"
#include "layers/sequential.h"

using namespace handgrad;

namespace {

bool near(const Tensor<double>& got, const std::vector<double>& expected) {
    for (Index i = 0; i < got.size(); ++i)
        if (!(std::abs(got.data()[i] - expected[static_cast<std::size_t>(i)]) <= 1e-14))
            return false;
    return got.size() == static_cast<Index>(expected.size());
}

}  // namespace

TEST_CASE("LayerNorm worked by hand", "[layers][norm]") {
    LayerNorm<double> norm({2}, {.eps = 3});
    norm.weight.value.copy_from(Tensor<double>::from({2}, {4, 2}));
    norm.bias.value.copy_from(Tensor<double>::from({2}, {7, 0}));
    // Means 2 and 10, variances 1 and 0, roots 2 and sqrt 3: xn = (-1/2, 1/2), (0, 0)
    const auto x = Tensor<double>::from({2, 2}, {1, 3, 10, 10});
    REQUIRE(near(norm.forward(x), {5, 1, 7, 0}));
    // In the first row g = dy w = (4, 0): mean g = 2, mean g xn = -1,
    // dx = 1/2 (4 - 2 - 1/2, 0 - 2 + 1/2).
    const auto dx = norm.backward(Tensor<double>::from({2, 2}, {1, 0, 0, 0}));
    REQUIRE(near(dx, {0.75, -0.75, 0, 0}));
    REQUIRE(near(norm.weight.grad, {-0.5, 0}));
    REQUIRE(near(norm.bias.grad, {1, 0}));
    norm.backward(Tensor<double>::from({2, 2}, {1, 0, 5, 3}));  // adds
    REQUIRE(near(norm.weight.grad, {-1, 0}));
    REQUIRE(near(norm.bias.grad, {7, 3}));
}

TEST_CASE("LayerNorm treats the last axes as one row, in training and in evaluation",
          "[layers][norm]") {
    Random random(0);
    const auto x = Tensor<double>::empty({2, 3, 4, 5});
    random.uniform(x, -3, 3);
    LayerNorm<double> two({4, 5}), one({20}, {.elementwise_affine = false});
    REQUIRE(one.parameters().empty());
    REQUIRE(two.weight.value.shape() == Shape{4, 5});
    const auto y = two.forward(x);
    REQUIRE(y.shape() == x.shape());
    REQUIRE(y.values() == one.forward(x.reshape({6, 20})).values());
    two.eval();
    REQUIRE(two.forward(x).values() == y.values());
}

TEST_CASE("LayerNorm keeps its digits beside a large mean; NaN stays in its row",
          "[layers][norm]") {
    LayerNorm<float> norm({4});
    const auto x = Tensor<float>::from({2, 4}, {1e6F, 1e6F + 1, 1e6F + 2, 1e6F + 3, 5, 5, 5, 5});
    const auto y = norm.forward(x);
    for (Index c = 0; c < 4; ++c) {
        CHECK(std::abs(y(0, c) - (static_cast<double>(c) - 1.5) / std::sqrt(1.25001)) < 1e-6);
        CHECK(y(1, c) == 0);
    }
    x(0, 2) = std::numeric_limits<float>::quiet_NaN();
    const auto broken = norm.forward(x);
    for (Index c = 0; c < 4; ++c) CHECK((std::isnan(broken(0, c)) && broken(1, c) == 0));
}

TEST_CASE("LayerNorm names what does not fit", "[layers][norm]") {
    LayerNorm<float> norm({3, 4});
    REQUIRE(norm.describe() == "LayerNorm((3, 4))");
    REQUIRE(LayerNorm<float>({3}, {.eps = 0.1, .elementwise_affine = false}).describe() ==
            "LayerNorm((3), eps 0.1, not affine)");
    const auto on = [](const Shape& shape) { return Tensor<float>::zeros(shape); };
    for (const Shape& shape : {Shape{2, 4, 3}, Shape{4}, Shape{}})
        REQUIRE_THROWS_WITH(norm.forward(on(shape)),
                            ContainsSubstring("LayerNorm((3, 4)).forward") &&
                                ContainsSubstring("x of shape " + shape.str()) &&
                                ContainsSubstring("(..., 3, 4)") && ContainsSubstring("hint"));
    REQUIRE_THROWS_WITH(norm.forward({}), ContainsSubstring("undefined"));
    REQUIRE_THROWS_WITH(norm.backward(on({3, 4})), ContainsSubstring("before any forward"));
    REQUIRE(norm.forward(on({3, 4})).shape() == Shape{3, 4});
    REQUIRE_THROWS_WITH(norm.backward(on({1, 3, 4})),
                        ContainsSubstring("(1, 3, 4)") && ContainsSubstring("(3, 4)"));
    REQUIRE(norm.forward(on({0, 3, 4})).size() == 0);
    REQUIRE(norm.backward(on({0, 3, 4})).size() == 0);
    REQUIRE(norm.weight.grad.values() == std::vector<float>(12, 0));
    REQUIRE_THROWS_AS(LayerNorm<float>(Shape{}), Error);
    REQUIRE_THROWS_AS(LayerNorm<float>({3, 0}), Error);
    REQUIRE_THROWS_AS(LayerNorm<float>({3}, {.eps = std::nan("")}), Error);
    Random random(1);
    Sequential<float> model;
    model.add<Linear<float>>(2, 5, random);
    REQUIRE_THROWS_WITH(model.add<LayerNorm<float>>(Shape{6}), ContainsSubstring("LayerNorm((6))"));
}

TEST_CASE("after the first step LayerNorm allocates nothing", "[layers][norm]") {
    LayerNorm<float> norm({7});
    const auto x = Tensor<float>::zeros({4, 7});
    const auto step = [&] { norm.backward(norm.forward(x)); };
    step();
    const std::size_t blocks = system_allocations(), news = operator_new_calls();
    step();
    CHECK(system_allocations() == blocks);
    CHECK(operator_new_calls() == news);
}
