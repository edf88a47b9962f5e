#include "train/train_step.h"

#include "catch.h"
#include "layers/linear.h"
#include "losses/cross_entropy.h"
#include "losses/pointwise.h"
#include "optim/sgd.h"

using namespace handgrad;

// w x against t with x = 3, t = 1, w = 1, b = 0: a loss of 4, dw = 12, db = 4.
TEST_CASE("train_step gives the loss before its step, from gradients of its own") {
    Random random(0);
    Linear<double> model(1, 1, random);
    model.weight.value.fill(1);
    model.bias.value.fill(0);
    model.weight.grad.fill(1e6);  // of an earlier step
    MSELoss<double> loss;
    SGD<double> sgd(model.parameters(), 0.01);
    const auto x = Tensor<double>::full({1, 1}, 3), t = Tensor<double>::full({1, 1}, 1);
    REQUIRE(train_step(model, loss, sgd, x, t) == 4);
    REQUIRE(model.weight.value.item() == 1 - 0.01 * 12);
    REQUIRE(model.bias.value.item() == -0.01 * 4);
    REQUIRE(train_step(model, loss, sgd, x, t) < 4);
}

TEST_CASE("train_step takes labels as well") {
    Random random(0);
    Linear<float> model(2, 3, random);
    CrossEntropyLoss<float> loss;
    SGD<float> sgd(model.parameters(), 0.5);
    const auto x = Tensor<float>::from({2, 2}, {1, 0, 0, 1});
    const auto y = Labels::from({2}, {2, 0});
    const double first = train_step(model, loss, sgd, x, y);
    REQUIRE(train_step(model, loss, sgd, x, y) < first);
}
