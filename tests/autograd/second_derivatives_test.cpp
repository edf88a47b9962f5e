// Differentiating the tape again: grad with create_graph.
#include <cmath>

#include "autograd/functional.h"
#include "autograd/operations.h"
#include "catch.h"
#include "check/registry.h"
#include "core/error.h"
#include "core/random.h"

using namespace handgrad;

namespace {

using Var = Variable<double>;
using Values = std::vector<double>;

Var leaf(const Shape& shape, std::initializer_list<double> values) {
    return Var(Tensor<double>::from(shape, values), true);
}

/// dy/dx, which can be differentiated again.
Var slope(const Var& y, const Var& x) {
    return grad(y, {x}, {.create_graph = true})[0];
}

}  // namespace

TEST_CASE("the derivatives of x^3, one after the other", "[autograd][second]") {
    const Var x = leaf({}, {3});
    const Var first = slope(pow(x, 3), x), second = slope(first, x), third = slope(second, x);
    CHECK(first.item() == 27);
    CHECK(second.item() == 18);
    CHECK(third.item() == 6);
    CHECK(slope(third, x).item() == 0);
    const Var product = slope(x * x * x, x);
    CHECK(product.item() == 27);
    CHECK(slope(product, x).item() == 18);
    CHECK_FALSE(x.grad().defined());
    (first * 2).backward();  // backward goes through a recorded gradient, too
    CHECK(x.grad().item() == 36);
}

TEST_CASE("derivatives that are known, to the fourth", "[autograd][second]") {
    const Var x = leaf({2}, {0.5, -1.25}), ones(Tensor<double>::full({2}, 1));
    const auto nth = [&](Var y, int n) {
        for (int i = 0; i < n; ++i) y = slope(sum(y), x);
        return y.value();
    };
    for (Index i = 0; i < 2; ++i) {
        const double v = x.value()(i), t = std::tanh(v);
        CHECK(nth(exp(2 * x), 4)(i) == Approx(16 * std::exp(2 * v)));
        CHECK(nth(1 / x, 3)(i) == Approx(-6 / std::pow(v, 4)));
        CHECK(nth(log(x * x), 2)(i) == Approx(-2 / (v * v)));
        CHECK(nth(tanh(x), 2)(i) == Approx(-2 * t * (1 - t * t)));
        CHECK(nth(erf(x), 2)(i) == Approx(-4 * v * std::exp(-v * v) / std::sqrt(std::acos(-1))));
        CHECK(nth(pow(exp(x), 0.5), 3)(i) == Approx(std::exp(v / 2) / 8));
        CHECK(nth(pow(ones + 1, x), 3)(i) == Approx(std::pow(2, v) * std::pow(std::log(2), 3)));
    }
    CHECK(nth(pow(x, 2), 2).values() == Values{2, 2});
    const Var zero = leaf({}, {0});
    CHECK(slope(slope(pow(zero, 2), zero), zero).item() == 2);
    CHECK(slope(slope(pow(zero, 3), zero), zero).item() == 0);
}

TEST_CASE("a penalty on the gradient reaches the weights", "[autograd][second]") {
    // P = mean over samples of (|dy/dx| - 1)^2 for y = a small network on x.
    Random random(5);
    const auto drawn = [&](const Shape& shape) {
        const auto values = Tensor<double>::empty(shape);
        random.uniform(values, -1, 1);
        return values;
    };
    const std::vector<Tensor<double>> weights = {drawn({4, 3}), drawn({4}), drawn({1, 4})};
    const Tensor<double> data = drawn({5, 3});
    std::vector<Var> w;
    const auto penalty = [&] {
        w.clear();
        for (const Tensor<double>& weight : weights) w.emplace_back(weight, true);
        const Var x(data, true);
        const Var y = functional::linear(tanh(functional::linear(x, w[0], w[1])), w[2]);
        const Var dx = slope(sum(y), x);
        return mean(pow(sqrt(sum(dx * dx, {1})) - 1, 2));
    };
    penalty().backward();
    std::vector<Parameter<double>> parameters;
    for (std::size_t i = 0; i < w.size(); ++i) parameters.push_back({"w", weights[i], w[i].grad()});
    const auto rows = check_gradients({&parameters[0], &parameters[1], &parameters[2]},
                                      [&] { return penalty().item(); });
    INFO(table(rows));
    CHECK(all_pass(rows));
}

TEST_CASE("second derivatives by the tape are the differences of gradients by hand",
          "[autograd][second][check]") {
    // With L = sum r y^2 and g = dL/dx: the tape's derivative of v g, for random v, beside
    // differences of v g with g from the layer's own backward.
    int seen = 0;
    for (const GradientCase& one : gradient_cases(6, 2)) {
        if (one.x.size() > 60) continue;
        INFO(one.name);
        Layer<double>& layer = *one.layer;
        const Shape shape = layer.forward(one.x).shape();
        const auto r = Tensor<double>::empty(shape), v = Tensor<double>::empty(one.x.shape());
        Random random(3);
        random.uniform(r, 0.5, 1.5);
        random.uniform(v, 0.5, 1.5);

        std::vector<Var> weights;
        for (const Parameter<double>* weight : layer.parameters())
            weights.emplace_back(weight->value);
        const Var x(one.x, true);
        const Var y = one.tape(x, TapeParameters(weights));
        const Var g = slope(sum(y * y * Var(r)), x);
        const Tensor<double> by_tape = grad(sum(g * Var(v)), {x})[0].value();

        Parameter<double> parameter{"x", one.x, by_tape};
        const auto rows = check_gradients({&parameter}, [&] {
            const Tensor<double> out = layer.forward(one.x), dy = Tensor<double>::empty(shape);
            for (Index i = 0; i < out.size(); ++i) dy.data()[i] = 2 * r.data()[i] * out.data()[i];
            const Tensor<double> dx = layer.backward(dy);
            double total = 0;
            for (Index i = 0; i < dx.size(); ++i) total += v.data()[i] * dx.data()[i];
            return total;
        });
        INFO(table(rows));
        CHECK(all_pass(rows));
        ++seen;
    }
    CHECK(seen > 300);
}

TEST_CASE("what grad refuses, and what it leaves alone", "[autograd][second]") {
    const Var x = leaf({2}, {1, 2}), apart = leaf({3}, {0, 0, 0});
    const Var y = sum(x * x);
    const auto both = grad(y, {x, apart}, {.retain_graph = true});
    CHECK(both[0].value().values() == Values{2, 4});
    CHECK(both[1].value().values() == Values{0, 0, 0});
    CHECK_THROWS_WITH(grad(sum(both[0]), {x}), ContainsSubstring("create_graph"));
    CHECK_THROWS_WITH(grad(x * x, {x}), ContainsSubstring("(2)") && ContainsSubstring("seed"));
    CHECK_THROWS_WITH(grad(y, {y}), ContainsSubstring("leaves"));
    CHECK_THROWS_AS(grad(y, {Var(Tensor<double>::zeros({}))}), Error);
    CHECK_FALSE(x.grad().defined());

    const Var g = slope(y, x);  // keeps the graph of y
    y.backward();
    CHECK(x.grad().values() == Values{2, 4});
    CHECK_THROWS_WITH(grad(y, {x}), ContainsSubstring("second backward"));
    CHECK(grad(sum(g * g), {x})[0].value().values() == Values{8, 16});  // g is 2 x, without y

    const Var e = sum(exp(x)), de = slope(e, x);
    e.backward();
    CHECK_THROWS_WITH(grad(sum(de), {x}), ContainsSubstring("second backward through exp"));
    const Var z = sum(exp(x)), dz = slope(z, x);
    x.value().fill(0);
    CHECK(grad(sum(dz), {x})[0].value()(0) == Approx(std::exp(1)));  // exp keeps its result
    const Var cube = sum(x * x * x), dcube = slope(cube, x);
    x.value().fill(1);
    CHECK_THROWS_WITH(grad(sum(dcube), {x}), ContainsSubstring("of mul"));
}

TEST_CASE("a long chain is differentiated twice without recursion", "[autograd][second]") {
    const Var x = leaf({}, {1});
    Var y = x * x;
    for (int i = 0; i < 100'000; ++i) y = y + x;
    const Var g = slope(y, x);
    CHECK(g.item() == 100'002);
    CHECK(grad(g, {x})[0].item() == 2);
}
