// Without activation, any number of linear layers is one; and what bends buy: the exclusive or.
#pragma once

#include <cmath>

#include "core/tensor_ops.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "train/metrics.h"
#include "train/train_step.h"

namespace handgrad {

/// Three linear layers, and one whose weight is the product of theirs: how far apart they are.
inline double distance_of_product(Random& random, Device device) {
    Sequential<double> three;
    auto& a = three.add<Linear<double>>(5, 7, random, device);
    auto& b = three.add<Linear<double>>(7, 6, random, device);
    auto& c = three.add<Linear<double>>(6, 3, random, device);
    Linear<double> one(5, 3, random, device);
    // W = Wc Wb Wa, and the bias is what an input of zeros comes to.
    one.weight.value.copy_from(matmul(c.weight.value, matmul(b.weight.value, a.weight.value)));
    const auto zeros = Tensor<double>::zeros({1, 5}, device);
    one.bias.value.copy_from(three.forward(zeros).reshape({3}));
    const auto x = Tensor<double>::empty({50, 5}, device);
    random.normal(x, 0, 1);
    return max(abs(three.forward(x) - one.forward(x))).item();
}

/// The share of the points that a network of these widths gets right, fitted to them.
inline double fit(const Tensor<double>& x, const Labels& y, const std::vector<Index>& widths,
                  bool bends, int steps, std::uint64_t seed) {
    Random random(seed);
    Sequential<double> model;
    for (std::size_t i = 1; i < widths.size(); ++i) {
        model.add<Linear<double>>(widths[i - 1], widths[i], random, x.device());
        if (bends && i + 1 < widths.size()) model.add<Tanh<double>>();
    }
    CrossEntropyLoss<double> loss;
    SGD<double> sgd(model.parameters(), {.lr = 0.3, .momentum = 0.9});
    for (int step = 0; step < steps; ++step) train_step(model, loss, sgd, x, y);
    return accuracy(model.forward(x), y);
}

inline void layers_that_collapse(Lesson& lesson) {
    const LessonOptions& options = lesson.options();
    lesson.section("Without activation, layers collapse");
    Random random(options.seed);
    const double far = distance_of_product(random, options.device);
    lesson.say(
        "Three linear layers 5-7-6-3, and one layer 5-3 whose weight is the product of theirs.");
    lesson.check("three linear layers are one", far < 1e-14, format("largest distance %.1e", far));

    lesson.say(
        "So depth buys nothing without a bend. The exclusive or: points (x1, x2) in the square "
        "[-1, 1]^2 belong to class 1 where x1 x2 < 0. No line separates them. Either a fixed "
        "feature, x1 x2, is put before the linear layer, or hidden units learn one of their own.");
    const Index n = options.tiny ? 32 : 400;
    const int steps = options.tiny ? 60 : options.quick ? 500 : 1000;
    const auto points = Tensor<double>::empty({n, 2}), with_product = Tensor<double>::empty({n, 3});
    random.uniform(points, -1, 1);
    const Labels labels = Labels::zeros({n});
    for (Index i = 0; i < n; ++i) {
        with_product(i, 0) = points(i, 0);
        with_product(i, 1) = points(i, 1);
        with_product(i, 2) = points(i, 0) * points(i, 1);
        labels(i) = with_product(i, 2) < 0;
    }
    const Labels y = labels.to(options.device);
    std::vector<Row> rows;
    const auto right = [&](const char* name, const Tensor<double>& x,
                           const std::vector<Index>& widths, bool bends) {
        const double share = fit(x.to(options.device), y, widths, bends, steps, options.seed);
        rows.push_back(cells("%s | %.1f %%", name, 100 * share));
        return share;
    };
    const double linear = right("linear 2-2", points, {2, 2}, false);
    const double three = right("linear 2-16-16-2", points, {2, 16, 16, 2}, false);
    const double fixed = right("x1 x2 added, linear 3-2", with_product, {3, 2}, false);
    const double one = right("tanh 2-1-2", points, {2, 1, 2}, true);
    const double two = right("tanh 2-2-2", points, {2, 2, 2}, true);
    const double four = right("tanh 2-4-2", points, {2, 4, 2}, true);
    const double learned = right("tanh 2-16-2", points, {2, 16, 2}, true);
    const double deeper = right("tanh 2-4-4-2", points, {2, 4, 4, 2}, true);
    lesson.table({"network", "right"}, rows);
    lesson.say(
        "Width: one unit bends the plane along one line, which is not enough, two do for most "
        "points, four for nearly all. Depth: a second layer of four has nothing left to gain "
        "here.");
    lesson.check("linear layers stay near chance, however many", linear < 0.75 && three < 0.75);
    lesson.check("a fixed feature or hidden units solve it", fixed > 0.95 && learned > 0.95);
    if (!options.tiny)
        lesson.check("width helps until it is enough, depth no further",
                     one < two && two < four && std::abs(deeper - four) < 0.02,
                     format("%.3f, %.3f, %.3f, and deeper %.3f", one, two, four, deeper));
}

}  // namespace handgrad
