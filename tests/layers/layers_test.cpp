// Each layer: numbers worked by hand, and its errors. Gradients: tests/check/registry_test.cpp.
#include <cmath>

#include "catch.h"
#include "core/device_graph.h"
#include "core/error.h"
#include "gpus.h"
#include "layers/activations.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/sequential.h"

using namespace handgrad;

TEST_CASE("Linear worked by hand", "[layers]") {
    Random random(0);
    Linear<double> linear(3, 2, random);
    linear.weight.value.copy_from(Tensor<double>::from({2, 3}, {1, 2, 3, -1, 0, 1}));
    linear.bias.value.copy_from(Tensor<double>::from({2}, {10, 20}));
    const auto x = Tensor<double>::from({2, 3}, {1, 1, 1, 0, 2, 1});
    REQUIRE(linear.forward(x).values() == std::vector<double>{16, 20, 17, 21});
    const auto dy = Tensor<double>::from({2, 2}, {1, 0, 2, 3});
    REQUIRE(linear.backward(dy).values() == std::vector<double>{1, 2, 3, -1, 4, 9});
    REQUIRE(linear.weight.grad.values() == std::vector<double>{1, 5, 3, 0, 6, 3});
    REQUIRE(linear.bias.grad.values() == std::vector<double>{3, 3});
    // A second backward adds to the gradients.
    linear.backward_parameters(dy);
    REQUIRE(linear.weight.grad.values() == std::vector<double>{2, 10, 6, 0, 12, 6});
    REQUIRE(linear.bias.grad.values() == std::vector<double>{6, 6});
}

TEST_CASE("parameters of a Sequential are named by the place of their layer", "[layers]") {
    Random random(4);
    Sequential<double> model;
    model.add<Linear<double>>(13, 11, random);
    model.add<ReLU<double>>();
    model.add<Linear<double>>(11, 5, random);
    const auto parameters = model.parameters();
    REQUIRE(parameters.size() == 4);
    REQUIRE(parameters[0]->name == "0.weight");
    REQUIRE(parameters[3]->name == "2.bias");
}

TEST_CASE("an empty batch goes through and adds nothing", "[layers]") {
    Random random(6);
    Linear<float> linear(4, 3, random);
    REQUIRE(linear.forward(Tensor<float>::zeros({0, 4})).shape() == Shape{0, 3});
    REQUIRE(linear.backward(Tensor<float>::zeros({0, 3})).shape() == Shape{0, 4});
    REQUIRE(linear.weight.grad.values() == std::vector<float>(12, 0));
}

TEST_CASE("Dropout keeps the mean, repeats its mask in backward and rests in evaluation",
          "[layers]") {
    constexpr Index n = 200'000;
    Dropout<float> dropout(0.2, 7);
    const auto ones = Tensor<float>::full({n}, 1);
    const auto y = dropout.forward(ones);
    Index dropped = 0, kept = 0;
    for (const float v : y.span()) {
        dropped += v == 0;
        kept += v == 1.25F;
    }
    REQUIRE(dropped + kept == n);
    // Binomial: mean 0.2 n, standard deviation sqrt(0.2 0.8 n) = 179; five of them.
    REQUIRE(std::abs(static_cast<double>(dropped) - 0.2 * n) < 5 * 179);
    REQUIRE(dropout.backward(ones).values() == y.values());
    REQUIRE(dropout.forward(ones).values() != y.values());
    dropout.eval();
    REQUIRE(dropout.forward(ones).values() == ones.values());
    REQUIRE(dropout.backward(ones).values() == ones.values());
    REQUIRE_THROWS_AS(Dropout<float>(1.1, 0), Error);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<Dropout<float>, int>);  // 1: p, or a seed?
    STATIC_REQUIRE_FALSE(std::is_constructible_v<Dropout<float>, double>);
    REQUIRE(Dropout<float>(1, 0).forward(Tensor<float>::full({3}, 2)).values() ==
            std::vector<float>{0, 0, 0});
    REQUIRE_THROWS_AS(Dropout<float>(std::nan(""), 0), Error);
    REQUIRE(dropout.describe() == "Dropout(0.2)");
}

TEST_CASE("Dropout drops the same on every device, and other inputs in each replay of a graph",
          "[layers][emulated]") {
    const auto x = Tensor<float>::full({203}, 1);
    Dropout<float> on_cpu(0.3, 11);
    for (const Device device : gpus()) {
        Dropout<float> dropout(0.3, 11), recorded(0.3, 11);
        const Tensor<float> there = x.to(device), y = x.to(device), dx = x.to(device);
        std::vector<std::vector<float>> drawn;
        for (int call = 0; call < 3; ++call) {
            drawn.push_back(dropout.forward(there).values());
            CHECK(dropout.backward(there).values() == drawn.back());
            if (device == Device::emulated) CHECK(on_cpu.forward(x).values() == drawn.back());
        }
        CHECK(drawn[0] != drawn[1]);
        recorded.forward(there);
        const DeviceGraph graph(device, [&] {
            y.copy_from(recorded.forward(there));
            dx.copy_from(recorded.backward(there));
        });
        for (const int call : {1, 2}) {
            graph.replay();
            CHECK(y.values() == drawn[static_cast<std::size_t>(call)]);
            CHECK(dx.values() == drawn[static_cast<std::size_t>(call)]);
        }
    }
}

TEST_CASE("train and eval reach nested layers", "[layers]") {
    Sequential<float> outer;
    auto& inner = outer.add<Sequential<float>>();
    auto& dropout = inner.add<Dropout<float>>(0.5, 0);
    outer.eval();
    REQUIRE_FALSE(dropout.training());
    outer.train();
    REQUIRE(dropout.training());
}

TEST_CASE("layer errors name the layer and both shapes", "[layers]") {
    Random random(8);
    Linear<float> linear(784, 128, random);
    REQUIRE_THROWS_WITH(linear.forward(Tensor<float>::zeros({16, 783})),
                        ContainsSubstring("Linear(784, 128).forward") &&
                            ContainsSubstring("(16, 783)") && ContainsSubstring("(N, 784)"));
    REQUIRE_THROWS_WITH(linear.forward(Tensor<float>::zeros({16, 28, 28})),
                        ContainsSubstring("flatten"));
    REQUIRE_THROWS_WITH(linear.backward(Tensor<float>::zeros({16, 128})),
                        ContainsSubstring("before any forward"));
    linear.forward(Tensor<float>::zeros({16, 784}));
    REQUIRE_THROWS_WITH(linear.backward(Tensor<float>::zeros({15, 128})),
                        ContainsSubstring("(15, 128)") && ContainsSubstring("(16, 128)"));
    REQUIRE_THROWS_AS(Linear<float>(0, 3, random), Error);
    ReLU<float> relu;
    REQUIRE_THROWS_AS(relu.backward(Tensor<float>::zeros({1})), Error);
}

TEST_CASE("a Linear without a bias has a weight alone, the same as with one", "[layers]") {
    Random one(3), another(3);
    Linear<float> with(3, 2, one), without(3, 2, another, {.bias = false});
    REQUIRE(without.weight.value.values() == with.weight.value.values());
    REQUIRE(without.parameters() == std::vector<Parameter<float>*>{&without.weight});
    REQUIRE(without.describe() == "Linear(3, 2, {.bias = false})");
    const auto x = Tensor<float>::from({1, 3}, {1, 2, 4});
    without.weight.value.copy_from(Tensor<float>::from({2, 3}, {1, 0, 1, 0, 1, 0}));
    REQUIRE(without.forward(x).values() == std::vector<float>{5, 2});
    const auto dx = without.backward(Tensor<float>::from({1, 2}, {1, 10}));
    REQUIRE(dx.values() == std::vector<float>{1, 10, 1});
    REQUIRE(without.weight.grad.values() == std::vector<float>{1, 2, 4, 10, 20, 40});
}

TEST_CASE("Sequential refuses widths that do not fit, naming both layers", "[layers]") {
    Random random(9);
    Sequential<float> model;
    model.add<Linear<float>>(784, 128, random);
    model.add<ReLU<float>>();
    REQUIRE_THROWS_WITH(model.add<Linear<float>>(100, 10, random),
                        ContainsSubstring("layer 0 Linear(784, 128) gives 128") &&
                            ContainsSubstring("layer 2 Linear(100, 10) takes 100"));
    REQUIRE(model.size() == 2);
    model.add<Linear<float>>(128, 10, random);
    REQUIRE(model.features().in == 784);
    REQUIRE(model.features().out == 10);
    REQUIRE(count_parameters(model) == 101'770);
    REQUIRE_THROWS_AS(model[3], Error);
    REQUIRE_THROWS_WITH(model.append(nullptr), ContainsSubstring("Sequential.append") &&
                                                   ContainsSubstring("null pointer"));
    REQUIRE(model.size() == 3);
    REQUIRE_THAT(model.summary({16, 784}),
                 ContainsSubstring("Linear(784, 128)") && ContainsSubstring("(16, 128)") &&
                     ContainsSubstring("100480") && ContainsSubstring("101770"));
    REQUIRE(model.training());
}
