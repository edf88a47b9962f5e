// BatchNorm1d and BatchNorm2d: numbers worked by hand, the two modes, and errors. Gradients:
// tests/check/registry_test.cpp; against PyTorch: tests/layers/golden_test.cpp.
#include "layers/batch_norm.h"

#include <cmath>
#include <limits>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/sequential.h"

using namespace handgrad;

namespace {

using Values = std::vector<double>;

bool near(const Tensor<double>& got, const Values& expected) {
    for (Index i = 0; i < got.size(); ++i)
        if (!(std::abs(got.data()[i] - expected[static_cast<std::size_t>(i)]) <= 1e-14))
            return false;
    return got.size() == static_cast<Index>(expected.size());
}

}  // namespace

TEST_CASE("BatchNorm1d worked by hand", "[layers][norm]") {
    // Means 2 and 10, variances 1 and 0; with eps = 3 the roots are 2 and sqrt 3.
    BatchNorm1d<double> norm(2, {.eps = 3});
    norm.weight.value(0) = 4;
    norm.bias.value(0) = 7;
    const auto x = Tensor<double>::from({2, 2}, {1, 10, 3, 10});
    REQUIRE(near(norm.forward(x), {5, 0, 9, 0}));  // xn = -1/2, 1/2; a constant channel is 0
    REQUIRE(near(norm.running_mean.value, {0.2, 1}));
    REQUIRE(near(norm.running_var.value, {0.9 + 0.1 * 2, 0.9}));  // 2 = 1 n / (n - 1)
    // With dy = (1, 0): mean dy = 1/2, mean dy xn = -1/4,
    // dx = 4/2 (1 - 1/2 - 1/2 1/4, 0 - 1/2 + 1/2 1/4).
    const auto dx = norm.backward(Tensor<double>::from({2, 2}, {1, 0, 0, 0}));
    REQUIRE(near(dx, {0.75, 0, -0.75, 0}));
    REQUIRE(near(norm.weight.grad, {-0.5, 0}));
    REQUIRE(near(norm.bias.grad, {1, 0}));
    norm.backward(Tensor<double>::from({2, 2}, {1, 0, 0, 0}));  // adds
    REQUIRE(near(norm.weight.grad, {-1, 0}));
    REQUIRE(near(norm.bias.grad, {2, 0}));
}

TEST_CASE("in evaluation mode BatchNorm uses its running statistics and leaves them",
          "[layers][norm]") {
    BatchNorm1d<double> norm(1, {.eps = 0});
    norm.running_mean.value(0) = 3;
    norm.running_var.value(0) = 4;
    norm.weight.value(0) = 6;
    norm.eval();
    const auto x = Tensor<double>::from({3, 1}, {3, 5, 9});
    const auto dy = Tensor<double>::from({3, 1}, {1, 2, 3});
    REQUIRE(near(norm.forward(x), {0, 6, 18}));
    REQUIRE(near(norm.backward(dy), {3, 6, 9}));
    REQUIRE(near(norm.weight.grad, {2 * 1 + 3 * 3}));  // xn = 0, 1, 3
    REQUIRE(near(norm.bias.grad, {6}));
    REQUIRE(near(norm.running_mean.value, {3}));
    REQUIRE(near(norm.running_var.value, {4}));
    // Backward belongs to the last forward, in whatever mode the layer is by then.
    const auto in_evaluation = norm.backward(dy).values();
    norm.train();
    REQUIRE(norm.backward(dy).values() == in_evaluation);
    norm.forward(x);
    const auto in_training = norm.backward(dy).values();
    REQUIRE(in_training != in_evaluation);
    norm.eval();
    REQUIRE(norm.backward(dy).values() == in_training);
}

TEST_CASE("running statistics approach those of the data", "[layers][norm]") {
    BatchNorm2d<double> norm(3, {.momentum = 0.2});
    Random random(1);
    const auto x = Tensor<double>::empty({8, 3, 5, 5});
    for (int step = 0; step < 100; ++step) {
        random.normal(x, 4, 0.5);
        norm.forward(x);
    }
    for (Index c = 0; c < 3; ++c) {
        CHECK(std::abs(norm.running_mean.value(c) - 4) < 0.05);
        CHECK(std::abs(norm.running_var.value(c) - 0.25) < 0.03);
    }
    BatchNorm2d<double> still(3, {.momentum = 0}), latest(3, {.momentum = 1});
    still.forward(x);
    latest.forward(x);
    REQUIRE(still.running_mean.value.values() == Values(3, 0));
    REQUIRE(still.running_var.value.values() == Values(3, 1));
    latest.eval();
    // Normalised by its own statistics, but for n / (n - 1).
    const auto y = latest.forward(x);
    double squares = 0;
    for (const double v : y.span()) squares += v * v;
    CHECK(std::abs(squares / static_cast<double>(y.size()) - 199.0 / 200) < 1e-3);
}

TEST_CASE("a channel is normalised over batch and positions", "[layers][norm]") {
    Random random(2);
    const auto image = Tensor<double>::empty({4, 3, 2, 5});
    random.uniform(image, -3, 3);
    BatchNorm2d<double> two(3);
    BatchNorm1d<double> one(3);
    REQUIRE(two.forward(image).values() == one.forward(image.reshape({4, 3, 10})).values());
    REQUIRE(two.running_var.value.values() == one.running_var.value.values());
}

TEST_CASE("BatchNorm without weights, and without running statistics", "[layers][norm]") {
    BatchNorm1d<double> norm(1, {.eps = 0, .affine = false, .track_running_stats = false});
    REQUIRE(norm.parameters().empty());
    REQUIRE(norm.buffers().empty());
    norm.eval();
    REQUIRE(near(norm.forward(Tensor<double>::from({2, 1}, {1, 3})), {-1, 1}));
    REQUIRE_THROWS_WITH(norm.forward(Tensor<double>::from({1, 1}, {1})),
                        ContainsSubstring("one value per channel"));
}

TEST_CASE("BatchNorm refuses one value per channel in training alone", "[layers][norm]") {
    BatchNorm1d<float> norm(3);
    REQUIRE_THROWS_WITH(norm.forward(Tensor<float>::zeros({1, 3})),
                        ContainsSubstring("BatchNorm1d(3).forward") &&
                            ContainsSubstring("(1, 3)") && ContainsSubstring("at least two") &&
                            ContainsSubstring("hint"));
    REQUIRE(norm.running_var.value.values() == std::vector<float>(3, 1));
    REQUIRE_NOTHROW(norm.forward(Tensor<float>::zeros({1, 3, 2})));
    norm.eval();
    REQUIRE_NOTHROW(norm.forward(Tensor<float>::zeros({1, 3})));
    BatchNorm2d<float> images(3);
    REQUIRE_THROWS_AS(images.forward(Tensor<float>::zeros({1, 3, 1, 1})), Error);
}

TEST_CASE("an empty batch goes through BatchNorm and changes nothing", "[layers][norm]") {
    BatchNorm2d<float> norm(3);
    for (const Shape& shape : {Shape{0, 3, 4, 4}, Shape{2, 3, 0, 4}}) {
        REQUIRE(norm.forward(Tensor<float>::zeros(shape)).shape() == shape);
        REQUIRE(norm.backward(Tensor<float>::zeros(shape)).shape() == shape);
    }
    REQUIRE(norm.running_mean.value.values() == std::vector<float>(3, 0));
    REQUIRE(norm.weight.grad.values() == std::vector<float>(3, 0));
}

TEST_CASE("BatchNorm keeps its digits beside a large mean, and a constant channel is finite",
          "[layers][norm]") {
    BatchNorm1d<float> norm(2);
    const auto x = Tensor<float>::from({4, 2}, {1e6F, 5, 1e6F + 1, 5, 1e6F + 2, 5, 1e6F + 3, 5});
    const auto y = norm.forward(x);
    for (Index n = 0; n < 4; ++n) {
        // mean 1e6 + 1.5, variance 1.25
        CHECK(std::abs(y(n, 0) - (static_cast<double>(n) - 1.5) / std::sqrt(1.25001)) < 1e-6);
        CHECK(y(n, 1) == 0);
    }
    const auto dx = norm.backward(Tensor<float>::full({4, 2}, 1));
    for (const float v : dx.span()) CHECK(std::abs(v) < 1e-6);
    x(1, 1) = std::numeric_limits<float>::quiet_NaN();
    const auto broken = norm.forward(x);
    for (Index n = 0; n < 4; ++n) CHECK((std::isfinite(broken(n, 0)) && std::isnan(broken(n, 1))));
}

TEST_CASE("BatchNorm names what does not fit", "[layers][norm]") {
    BatchNorm1d<float> one(3);
    BatchNorm2d<float> two(3);
    const auto on = [](const Shape& shape) { return Tensor<float>::zeros(shape); };
    REQUIRE_THROWS_WITH(one.forward(on({2, 4})), ContainsSubstring("BatchNorm1d(3).forward") &&
                                                     ContainsSubstring("(2, 4)") &&
                                                     ContainsSubstring("(N, 3) or (N, 3, L)") &&
                                                     ContainsSubstring("BatchNorm1d(4)"));
    REQUIRE_THROWS_WITH(one.forward(on({2, 3, 4, 4})), ContainsSubstring("BatchNorm2d"));
    REQUIRE_THROWS_WITH(two.forward(on({2, 3})),
                        ContainsSubstring("(N, 3, H, W)") && ContainsSubstring("BatchNorm1d"));
    REQUIRE_THROWS_AS(one.forward(on({3})), Error);
    REQUIRE_THROWS_WITH(one.forward({}), ContainsSubstring("undefined"));
    REQUIRE_THROWS_WITH(one.backward(on({2, 3})), ContainsSubstring("before any forward"));
    one.forward(on({2, 3}));
    REQUIRE_THROWS_WITH(one.backward(on({3, 2})),
                        ContainsSubstring("(3, 2)") && ContainsSubstring("(2, 3)"));
    REQUIRE_THROWS_AS(BatchNorm1d<float>(0), Error);
    REQUIRE_THROWS_AS(BatchNorm1d<float>(3, {.eps = -1}), Error);
    REQUIRE_THROWS_AS(BatchNorm2d<float>(3, {.momentum = 1.5}), Error);
    REQUIRE_THROWS_AS(BatchNorm2d<float>(3, {.momentum = std::nan("")}), Error);
    REQUIRE(BatchNorm2d<float>(3, {.momentum = 0.5, .track_running_stats = false}).describe() ==
            "BatchNorm2d(3, momentum 0.5, no running statistics)");
}

TEST_CASE("buffers of nested layers are named by their place, and eval reaches them",
          "[layers][norm]") {
    Random random(3);
    Sequential<float> model;
    model.add<Linear<float>>(2, 3, random);
    auto& inner = model.add<Sequential<float>>();
    inner.add<Dropout<float>>(0.5, 0);
    auto& norm = inner.add<BatchNorm1d<float>>(3);
    Sequential<float> outer;
    auto block = std::make_unique<Sequential<float>>();
    block->add<BatchNorm1d<float>>(3);
    outer.add<Linear<float>>(2, 3, random);
    outer.append(std::move(block));
    REQUIRE(outer.buffers().size() == 2);
    REQUIRE(outer.buffers()[0]->name == "1.0.running_mean");
    REQUIRE(outer.parameters()[2]->name == "1.0.weight");
    model.eval();
    REQUIRE_FALSE(norm.training());
    model.train();
    REQUIRE(norm.training());
}

TEST_CASE("after the first step BatchNorm allocates nothing", "[layers][norm]") {
    BatchNorm2d<float> norm(3);
    const auto x = Tensor<float>::zeros({4, 3, 5, 5});
    const auto step = [&] { norm.backward(norm.forward(x)); };
    step();
    const std::size_t blocks = system_allocations(), news = operator_new_calls();
    step();
    CHECK(system_allocations() == blocks);
    CHECK(operator_new_calls() == news);
}
