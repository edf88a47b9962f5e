// Conv2d: numbers worked by hand, how it starts, its errors. Gradients: the registry's tests; all
// shapes: tests/kernels/conv_test.cpp.
#include "layers/conv2d.h"

#include <cmath>
#include <limits>

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "golden.h"
#include "layers/flatten.h"
#include "layers/linear.h"
#include "layers/pool2d.h"
#include "layers/sequential.h"

using namespace handgrad;

TEST_CASE("Conv2d worked by hand", "[layers][conv]") {
    Random random(0);
    Conv2d<double> conv(1, 1, 2, random);
    conv.weight.value.copy_from(Tensor<double>::from({1, 1, 2, 2}, {1, 2, 3, 4}));
    conv.bias.value.fill(10);
    const auto x = Tensor<double>::from({1, 1, 2, 3}, {1, 0, 2, 0, 1, 1});
    // (1 + 4, 4 + 3 + 4) + 10
    REQUIRE(conv.forward(x).values() == std::vector<double>{15, 21});
    const auto dy = Tensor<double>::from({1, 1, 1, 2}, {1, -1});
    REQUIRE(conv.backward(dy).values() == std::vector<double>{1, 1, -2, 3, 1, -4});
    REQUIRE(conv.weight.grad.values() == std::vector<double>{1, -2, -1, 0});
    REQUIRE(conv.bias.grad.values() == std::vector<double>{0});
    conv.backward_parameters(dy);  // adds
    REQUIRE(conv.weight.grad.values() == std::vector<double>{2, -4, -2, 0});
}

TEST_CASE("Conv2d starts as PyTorch's does", "[layers][conv][golden]") {
    const nlohmann::json values = golden("linear_init");
    const nlohmann::json& expected = values["conv"];
    Random random(values["seed"].get<std::uint64_t>());
    const Conv2d<float> conv(4, 6, {3, 2}, random, {.groups = 2});
    REQUIRE(conv.weight.value.shape() == Shape{6, 2, 3, 2});
    REQUIRE(conv.weight.value.values() == expected["weight"].get<std::vector<float>>());
    REQUIRE(conv.bias.value.values() == expected["bias"].get<std::vector<float>>());
}

TEST_CASE("Conv2d without a bias has one parameter and draws no more numbers", "[layers][conv]") {
    Random random(1), same(1);
    Conv2d<float> with(2, 3, 2, random), without(2, 3, 2, same, {.bias = false});
    REQUIRE(with.parameters().size() == 2);
    REQUIRE(without.parameters() == std::vector<Parameter<float>*>{&without.weight});
    REQUIRE(without.weight.value.values() == with.weight.value.values());
    const auto x = Tensor<float>::full({1, 2, 4, 4}, 0.5F);
    const auto y = with.forward(x), z = without.forward(x);
    for (Index o = 0; o < 3; ++o)
        REQUIRE(y(0, o, 1, 1) - z(0, o, 1, 1) == Approx(with.bias.value(o)).epsilon(1e-5));
}

TEST_CASE("an empty batch goes through Conv2d and the pools", "[layers][conv][pool]") {
    Random random(2);
    Conv2d<float> conv(2, 3, 3, random, {.padding = 1});
    REQUIRE(conv.forward(Tensor<float>::zeros({0, 2, 5, 4})).shape() == Shape{0, 3, 5, 4});
    REQUIRE(conv.backward(Tensor<float>::zeros({0, 3, 5, 4})).shape() == Shape{0, 2, 5, 4});
    REQUIRE(conv.weight.grad.values() == std::vector<float>(54, 0));
    MaxPool2d<float> max(2);
    REQUIRE(max.forward(Tensor<float>::zeros({0, 2, 5, 4})).shape() == Shape{0, 2, 2, 2});
    REQUIRE(max.backward(Tensor<float>::zeros({0, 2, 2, 2})).shape() == Shape{0, 2, 5, 4});
    AvgPool2d<float> avg(2);
    REQUIRE(avg.forward(Tensor<float>::zeros({3, 0, 5, 4})).shape() == Shape{3, 0, 2, 2});
    REQUIRE(avg.backward(Tensor<float>::zeros({3, 0, 2, 2})).shape() == Shape{3, 0, 5, 4});
}

TEST_CASE("a NaN in an image reaches the windows that hold it, and no other", "[layers][conv]") {
    Random random(3);
    for (const Index kernel : {1, 3}) {
        Conv2d<float> conv(1, 2, kernel, random, {.padding = kernel / 2});
        const auto x = Tensor<float>::full({2, 1, 5, 5}, 1);
        x(1, 0, 2, 2) = std::numeric_limits<float>::quiet_NaN();
        const auto y = conv.forward(x);
        Index nans = 0;
        for (const float v : y.span()) nans += std::isnan(v);
        REQUIRE(nans == 2 * kernel * kernel);
        REQUIRE(std::isnan(y(1, 1, 2, 2)));
    }
}

TEST_CASE("Conv2d errors name the layer, both shapes and what to change", "[layers][conv]") {
    Random random(4);
    Conv2d<float> conv(3, 8, {5, 3}, random, {.stride = 2, .padding = {0, 1}});
    const std::string name = "Conv2d(3, 8, {5, 3}, {.stride = 2, .padding = {0, 1}}).forward";
    REQUIRE_THROWS_WITH(conv.forward(Tensor<float>::zeros({2, 1, 28, 28})),
                        ContainsSubstring(name) && ContainsSubstring("(2, 1, 28, 28)") &&
                            ContainsSubstring("(N, 3, H, W)") &&
                            ContainsSubstring("Conv2d(1, 8, {5, 3})"));
    REQUIRE_THROWS_WITH(conv.forward(Tensor<float>::zeros({3, 28, 28})),
                        ContainsSubstring(name) && ContainsSubstring("(3, 28, 28)") &&
                            ContainsSubstring("(N, C, H, W)") &&
                            ContainsSubstring("x.reshape({1, C, H, W})"));
    REQUIRE_THROWS_WITH(conv.forward(Tensor<float>::zeros({2, 784})),
                        ContainsSubstring("x.reshape({N, C, H, W})"));
    REQUIRE_THROWS_WITH(conv.forward(Tensor<float>::zeros({2, 3, 4, 28})),
                        ContainsSubstring(name) && ContainsSubstring("(2, 3, 4, 28)") &&
                            ContainsSubstring("(N, C, 5, 1) or larger") &&
                            ContainsSubstring("make the kernel smaller"));
    REQUIRE_THROWS_AS(conv.forward(Tensor<float>::zeros({2, 3, 0, 28})), Error);
    REQUIRE_THROWS_AS(conv.forward(Tensor<float>()), Error);
    REQUIRE_THROWS_WITH(conv.backward(Tensor<float>::zeros({2, 8, 1, 1})),
                        ContainsSubstring("before any forward"));
    conv.forward(Tensor<float>::zeros({2, 3, 5, 5}));
    REQUIRE_THROWS_WITH(conv.backward(Tensor<float>::zeros({2, 8, 1, 1})),
                        ContainsSubstring("(2, 8, 1, 1)") && ContainsSubstring("(2, 8, 1, 3)"));

    using Options = Conv2dOptions;
    const auto make = [&](Index in, Index out, Pair kernel, const Options& options = {}) {
        Conv2d<float>(in, out, kernel, random, options);
    };
    REQUIRE_THROWS_WITH(make(3, 4, 3, {.groups = 2}), ContainsSubstring("groups that divide"));
    REQUIRE_THROWS_AS(make(4, 3, 3, {.groups = 2}), Error);
    REQUIRE_THROWS_AS(make(0, 3, 3), Error);
    REQUIRE_THROWS_AS(make(3, 0, 3), Error);
    REQUIRE_THROWS_AS(make(3, 3, 3, {.groups = 0}), Error);
    REQUIRE_THROWS_WITH(make(3, 4, {3, 0}), ContainsSubstring("kernel_size {3, 0}"));
    REQUIRE_THROWS_WITH(make(3, 4, 3, {.stride = 0}), ContainsSubstring("stride 0"));
    REQUIRE_THROWS_WITH(make(3, 4, 3, {.padding = -1}), ContainsSubstring("padding -1"));
    REQUIRE_THROWS_AS(make(3, 4, 3, {.dilation = {1, 0}}), Error);
    REQUIRE_THROWS_AS(make(1, 1, Index{1} << 40), Error);
}

TEST_CASE("a convolutional network allocates nothing after its first step", "[layers][conv]") {
    Random random(5);
    Sequential<float> model;
    model.add<Conv2d<float>>(1, 4, 5, random);
    model.add<MaxPool2d<float>>(2);
    model.add<Conv2d<float>>(4, 6, 3, random, Conv2dOptions{.stride = 2, .padding = 1});
    model.add<AvgPool2d<float>>(2);
    model.add<Flatten<float>>();
    model.add<Linear<float>>(6 * 3 * 3, 10, random);
    const auto x = Tensor<float>::full({33, 1, 28, 28}, 0.5F);
    const auto step = [&] {
        const auto y = model.forward(x);
        model.backward(y);
    };
    for (int i = 0; i < 3; ++i) step();
    const std::size_t blocks = system_allocations(), calls = operator_new_calls();
    for (int i = 0; i < 3; ++i) step();
    REQUIRE(system_allocations() == blocks);
    REQUIRE(operator_new_calls() == calls);
}
