// The tape on a GPU, beside the CPU.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "autograd/functional.h"
#include "catch.h"
#include "core/device_graph.h"
#include "core/random.h"
#include "core/tensor_ops.h"
#include "gpus.h"

using namespace handgrad;
namespace F = handgrad::functional;

namespace {

using Var = Variable<double>;

constexpr Index n = 6, features = 4, classes = 3;

/// What expressions are made of, on one device.
struct Inputs {
    explicit Inputs(Device device) {
        Random random(5);
        for (const Shape& shape :
             {Shape{n, features}, Shape{classes, features}, Shape{classes}, Shape{classes}}) {
            const auto x = Tensor<double>::empty(shape);
            random.uniform(x, 0.2, 2);
            tensors.push_back(x.to(device));
        }
        labels = Labels::from({n}, {2, 0, 1, 1, 2, 0}, device);
        rows = Tensor<Index>::from({4}, {1, 2, 1, 1}, device);
        elements = Tensor<Index>::from({2, 3}, {1, 0, 1, 2, 2, 0}, device);
    }
    [[nodiscard]] Var logits(const Var& w) const {
        return F::linear(Var(tensors[0]), w, Var(tensors[2]));
    }
    std::vector<Tensor<double>> tensors;  // x, w, b, weights of the classes
    Labels labels;
    Tensor<Index> rows, elements;
};

struct Expression {
    std::string name;
    std::function<Var(const Inputs&, const Var& w)> of;
};

std::vector<Expression> expressions() {
    std::vector<Expression> all = {
        {"gather, twice",
         [](const Inputs& in, const Var& w) {
             const Var y = gather(in.logits(w), in.labels);
             return mean(y * y);
         }},
        {"gather along each axis, twice",
         [](const Inputs& in, const Var& w) {
             const Var y = gather(w, 0, in.elements) * gather(w, -1, in.elements);
             return mean(y * y);
         }},
        {"index_select along each axis",
         [](const Inputs& in, const Var& w) {
             const Var y = index_select(index_select(w, 0, in.rows), 1, in.rows);
             return mean(y * y);
         }},
        {"softplus",
         [](const Inputs& in, const Var& w) { return mean(F::softplus(in.logits(w), 2, 3)); }},
        {"smooth_l1",
         [](const Inputs& in, const Var& w) {
             return F::smooth_l1_loss(w, in.tensors[1] * 0.5, Reduction::mean, 0.4);
         }},
        {"conv2d and max_pool2d",
         [](const Inputs& in, const Var& w) {
             const Var image(in.tensors[0].reshape({1, 1, n, features}));
             const Var y = F::conv2d(image, reshape(w, {3, 1, 2, 2}));
             return sum(F::max_pool2d(y, {2, 2}, {}));
         }},
    };
    for (const bool weighted : {false, true})
        for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
            const std::string how = name_of(reduction) + (weighted ? ", weighted" : "");
            const auto weight = [=](const Inputs& in) {
                return weighted ? in.tensors[3] : Tensor<double>();
            };
            all.push_back({"cross_entropy, " + how, [=](const Inputs& in, const Var& w) {
                               return F::cross_entropy(in.logits(w), in.labels, reduction, 0.1,
                                                       weight(in));
                           }});
            all.push_back({"nll_loss, " + how, [=](const Inputs& in, const Var& w) {
                               return F::nll_loss(F::log_softmax(in.logits(w)), in.labels,
                                                  reduction, weight(in));
                           }});
        }
    return all;
}

/// The value and dL/dw.
struct Result {
    Tensor<double> value, gradient;
    [[nodiscard]] std::vector<double> numbers() const {
        std::vector<double> all = value.values();
        for (const double v : gradient.values()) all.push_back(v);
        return all;
    }
};

Result result_of(const Expression& expression, const Inputs& in) {
    const Var w(in.tensors[1], true);
    const Var y = expression.of(in, w);
    y.backward();
    return {y.value(), w.grad()};
}

}  // namespace

TEST_CASE("the tape has the CPU's values and gradients on a GPU, and the host waits for none",
          "[autograd][emulated]") {
    for (const Device device : gpus()) {
        const Inputs here(Device::cpu), there(device);
        for (const Expression& expression : expressions()) {
            INFO(expression.name << " on " << name_of(device));
            const std::vector<double> expected = result_of(expression, here).numbers();
            const std::vector<double> got = result_of(expression, there).numbers();
            REQUIRE(got.size() == 1 + classes * features);
            for (std::size_t i = 0; i < got.size(); ++i)
                CHECK(std::abs(got[i] - expected[i]) <= 1e-14 * (1 + std::abs(expected[i])));
            // A recording refuses whatever the host has a part in.
            Result recorded;
            const DeviceGraph graph(device, [&] { recorded = result_of(expression, there); });
            graph.replay();
            CHECK(recorded.numbers() == got);
        }
    }
}

TEST_CASE("a label out of range makes what is gathered on a GPU NaN, and nothing else",
          "[autograd][emulated]") {
    const double infinity = std::numeric_limits<double>::infinity();
    for (const Device device : gpus()) {
        const Var x(Tensor<double>::from({3, 2}, {1, -infinity, 3, 4, 5, 6}, device), true);
        for (const std::int32_t label : {-1, 2}) {
            const Var y = gather(x, Labels::from({3}, {0, label, 1}, device));
            const std::vector<double> values = y.value().values();
            CHECK(values[0] == 1);
            CHECK(std::isnan(values[1]));
            CHECK(values[2] == 6);
        }
        for (const Index entry : {Index{-1}, Index{3}}) {
            const auto index = Tensor<Index>::from({2}, {entry, 2}, device);
            const std::vector<double> values = index_select(x, 0, index).value().values();
            CHECK((std::isnan(values[0]) && std::isnan(values[1])));
            CHECK(values[2] == 5);
            const std::vector<double> column = gather(x, 0, index.reshape({2, 1})).value().values();
            CHECK(std::isnan(column[0]));
            CHECK(column[1] == 5);
            // An index that the host has is checked, wherever x is.
            CHECK_THROWS_AS(index_select(x, 0, index.to(Device::cpu)), Error);
        }
        const Var y = gather(x, Labels::from({3}, {0, 1, 1}, device));
        sum(y).backward();
        CHECK(x.grad().values() == std::vector<double>{1, 0, 0, 1, 0, 1});
    }
}
