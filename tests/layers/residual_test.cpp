// Residual: numbers worked by hand, what it passes on, and errors. Gradients:
// tests/check/registry_test.cpp.
#include "layers/residual.h"

#include "allocation_count.h"
#include "catch.h"
#include "core/error.h"
#include "layers/activations.h"
#include "layers/batch_norm.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "layers/stochastic_depth.h"

using namespace handgrad;

TEST_CASE("Residual adds its branch to its input", "[layers][residual]") {
    Residual<double> block(std::make_unique<ReLU<double>>());
    const auto x = Tensor<double>::from({1, 3}, {-1, 2, 3});
    REQUIRE(block.forward(x).values() == std::vector<double>{-1, 4, 6});
    const auto dy = Tensor<double>::from({1, 3}, {1, 10, 100});
    REQUIRE(block.backward(dy).values() == std::vector<double>{1, 20, 200});
    REQUIRE(dy.values() == std::vector<double>{1, 10, 100});  // untouched
    // A branch that gives back the very tensor that came in, as Dropout does in evaluation mode.
    Residual<double> twice(std::make_unique<Dropout<double>>(0.5, 0));
    twice.eval();
    REQUIRE(twice.forward(x).values() == std::vector<double>{-2, 4, 6});
    REQUIRE(twice.backward(dy).values() == std::vector<double>{2, 20, 200});
    REQUIRE(x.values() == std::vector<double>{-1, 2, 3});
}

TEST_CASE("Residual with a projection", "[layers][residual]") {
    Random random(0);
    auto shortcut = std::make_unique<Linear<double>>(2, 1, random);
    auto inner = std::make_unique<Linear<double>>(2, 1, random);
    shortcut->weight.value.copy_from(Tensor<double>::from({1, 2}, {1, 2}));
    shortcut->bias.value.fill(100);
    inner->weight.value.copy_from(Tensor<double>::from({1, 2}, {10, 20}));
    inner->bias.value.fill(1000);
    Residual<double> block(std::move(inner), std::move(shortcut));
    REQUIRE(block.forward(Tensor<double>::from({1, 2}, {3, 4})).item() == 1100 + 110 + 11);
    REQUIRE(block.backward(Tensor<double>::full({1, 1}, 1)).values() ==
            std::vector<double>{11, 22});
    std::string names;
    for (const Parameter<double>* parameter : block.parameters()) names += parameter->name + " ";
    REQUIRE(names == "inner.weight inner.bias shortcut.weight shortcut.bias ");
    REQUIRE(block.features().in == 2);
    REQUIRE(block.features().out == 1);
}

TEST_CASE("prepack keeps the weights of all that is nested, until train or eval", "[layers]") {
    Random random(0);
    Sequential<float> model;
    auto branch = std::make_unique<Linear<float>>(96, 96, random);
    auto way = std::make_unique<Linear<float>>(96, 96, random, LinearOptions{.bias = false});
    Linear<float>&inner = *branch, &shortcut = *way;
    model.add<Residual<float>>(std::move(branch), std::move(way));
    Linear<float>& middle = model.add<Linear<float>>(96, 48, random);
    model.add<ReLU<float>>();
    Linear<float>& last = model.add<Linear<float>>(48, 64, random);
    for (Parameter<float>* parameter : model.parameters())  // of any order the sums are exact
        for (Index i = 0; i < parameter->value.size(); ++i)
            parameter->value.data()[i] = static_cast<float>(i * 7 % 5 - 2);
    const auto x = Tensor<float>::full({3, 96}, 2), dy = Tensor<float>::full({3, 64}, 1);
    const std::vector<float> y = model.forward(x).values();
    model.prepack();
    REQUIRE(model.forward(x).values() == y);
    REQUIRE_THROWS_WITH(model.backward(dy), ContainsSubstring("Linear(48, 64).backward") &&
                                                ContainsSubstring("call train()"));
    for (Linear<float>* layer : {&inner, &shortcut, &middle, &last}) {
        layer->weight.value.fill(1);
        REQUIRE(model.forward(x).values() == y);
    }
    for (const bool training : {false, true}) {
        model.prepack();
        model.train(training);
        inner.weight.value.fill(training ? 2.0F : 1.0F);
        const std::vector<float> changed = model.forward(x).values();
        REQUIRE(changed != y);
        model.backward(dy);
        model.prepack();
        REQUIRE(model.forward(x).values() == changed);
    }
}

TEST_CASE("train and eval reach what is nested in a Residual", "[layers][residual]") {
    auto branch = std::make_unique<Sequential<float>>();
    auto& norm = branch->add<BatchNorm1d<float>>(3);
    auto& dropout = branch->add<Dropout<float>>(0.5, 0);
    auto& depth = branch->add<StochasticDepth<float>>(0.5, StochasticDepth<float>::Mode::batch, 0);
    auto way = std::make_unique<Sequential<float>>();
    auto& other = way->add<BatchNorm1d<float>>(3);
    Sequential<float> model;
    model.add<Residual<float>>(std::move(branch), std::move(way));
    for (const bool training : {false, true, false}) {
        model.train(training);
        REQUIRE(norm.training() == training);
        REQUIRE(dropout.training() == training);
        REQUIRE(depth.training() == training);
        REQUIRE(other.training() == training);
    }
    REQUIRE(model.buffers().size() == 4);
    REQUIRE(model.buffers()[1]->name == "0.inner.0.running_var");
    REQUIRE(model.buffers()[2]->name == "0.shortcut.0.running_mean");
}

TEST_CASE("Residual names what does not fit", "[layers][residual]") {
    Random random(1);
    REQUIRE_THROWS_WITH(Residual<float>(nullptr), ContainsSubstring("Residual"));
    REQUIRE_THROWS_WITH(
        Residual<float>(std::make_unique<Linear<float>>(5, 7, random)),
        ContainsSubstring("Residual(Linear(5, 7))") && ContainsSubstring("pass a shortcut"));
    REQUIRE_THROWS_AS(Residual<float>(std::make_unique<Linear<float>>(5, 7, random),
                                      std::make_unique<Linear<float>>(5, 6, random)),
                      Error);
    REQUIRE_THROWS_AS(Residual<float>(std::make_unique<Linear<float>>(5, 7, random),
                                      std::make_unique<Linear<float>>(6, 7, random)),
                      Error);

    /// A layer that does not say how many features it gives.
    class Half final : public Layer<float> {
      public:
        Tensor<float> forward(const Tensor<float>& x) override {
            return Tensor<float>::zeros({x.dim(0), x.dim(1) / 2});
        }
        Tensor<float> backward(const Tensor<float>& dy) override { return dy; }
        [[nodiscard]] std::string describe() const override { return "Half()"; }
    };
    Residual<float> block(std::make_unique<Half>());
    REQUIRE_THROWS_WITH(block.forward(Tensor<float>::zeros({3, 4})),
                        ContainsSubstring("Residual(Half()).forward") &&
                            ContainsSubstring("inner(x) of shape (3, 2)") &&
                            ContainsSubstring("x of shape (3, 4)") && ContainsSubstring("hint"));
    Residual<float> good(std::make_unique<ReLU<float>>());
    REQUIRE_THROWS_WITH(good.forward({}), ContainsSubstring("undefined"));
    REQUIRE_THROWS_WITH(good.backward(Tensor<float>::zeros({3, 4})),
                        ContainsSubstring("before any forward"));
    good.forward(Tensor<float>::zeros({3, 4}));
    REQUIRE_THROWS_WITH(good.backward(Tensor<float>::zeros({4, 3})),
                        ContainsSubstring("(4, 3)") && ContainsSubstring("(3, 4)"));
    REQUIRE(good.forward(Tensor<float>::zeros({0, 4})).shape() == Shape{0, 4});
}

TEST_CASE("after the first step Residual allocates nothing", "[layers][residual]") {
    Residual<float> block(std::make_unique<ReLU<float>>(), std::make_unique<Tanh<float>>());
    const auto x = Tensor<float>::zeros({4, 10});
    const auto step = [&] { block.backward(block.forward(x)); };
    step();
    const std::size_t blocks = system_allocations(), news = operator_new_calls();
    step();
    CHECK(system_allocations() == blocks);
    CHECK(operator_new_calls() == news);
}
