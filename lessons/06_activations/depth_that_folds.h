// What depth can do that width cannot: fold. A network that is set by hand, not trained.
#pragma once

#include "core/tensor_ops.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "report/lesson.h"
#include "report/plot.h"

namespace handgrad {

/// A layer of two ReLUs makes a tent of [0, 1], up to 1 and down again:
///   t(x) = 2 max(x, 0) - 4 max(x - 1/2, 0)
/// Each further layer makes a tent of what the one below it gives, so it folds the line once more.
inline Sequential<double> tents(int layers, Device device) {
    using Values = Tensor<double>;
    Random random(0);
    Sequential<double> model;
    for (int layer = 0; layer < layers; ++layer) {
        auto& fold = model.add<Linear<double>>(layer == 0 ? 1 : 2, 2, random, device);
        fold.weight.value.copy_from(layer == 0 ? Values::full({2, 1}, 1)
                                               : Values::from({2, 2}, {2, -4, 2, -4}));
        fold.bias.value.copy_from(Values::from({2}, {0, -0.5}));
        model.add<ReLU<double>>();
    }
    auto& last = model.add<Linear<double>>(2, 1, random, device);
    last.weight.value.copy_from(Values::from({1, 2}, {2, -4}));
    last.bias.value.fill(0);
    return model;
}

inline void depth_that_folds(Lesson& lesson) {
    lesson.section("Depth that folds");
    lesson.say(
        "What does depth buy, once there is a bend? A ReLU bends a line once, so a layer of k of "
        "them draws at most k + 1 straight pieces: width adds. A second layer bends each of those "
        "again: depth multiplies. Two ReLUs make a tent, a tent of a tent has four slopes, and "
        "so on. These weights are set by hand:");
    const std::vector<double> at = linspace(0, 1, 257);  // holds every fold exactly
    const auto x = Tensor<double>::from({std::ssize(at), 1}, at, lesson.options().device);
    std::vector<Row> rows;
    std::vector<Drawing> plots;
    std::vector<double> pieces;
    bool doubled = true;
    for (const int layers : {1, 2, 3, 4, 5}) {
        Sequential<double> model = tents(layers, lesson.options().device);
        const std::vector<double> y = model.forward(x).values();
        int count = 1;
        for (std::size_t i = 2; i < y.size(); ++i)
            count += y[i] - y[i - 1] != y[i - 1] - y[i - 2];  // exact: all are fractions of 2^n
        Index weights = 0;
        for (const Parameter<double>* p : model.parameters()) weights += p->value.size();
        doubled = doubled && count == 1 << layers;
        pieces.push_back(count);
        rows.push_back(
            cells("%d | %d | %td | %d | %d", layers, 2 * layers, weights, count, 2 * layers + 1));
        if (layers % 2 == 1)
            plots.push_back(
                Plot{.title = format("%d layer%s of two ReLUs", layers, layers == 1 ? "" : "s"),
                     .x_label = "x",
                     .series = {{"", y, at}}});
    }
    lesson.table({"layers of two", "hidden units", "weights", "straight pieces",
                  "at most, in one layer of as many"},
                 rows);
    lesson.figure("folds.png", "One, three and five layers of two ReLUs each.",
                  panels(plots, {.columns = 3, .panel_height = 620}));
    lesson.say(
        "One layer with as many units has as many weights, and would need 31 units for what ten "
        "do here. That a deep network can does not say that gradient descent finds it, nor that "
        "a problem asks for it: the exclusive or does not.");
    lesson.result("straight_pieces", pieces);
    lesson.check(
        "each layer of two doubles the pieces", doubled,
        format("%.0f of five layers, where one of ten units has 11 at most", pieces.back()));
}

}  // namespace handgrad
