// Lesson 1: the loss at many weights at once, by broadcasting.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/tensor_ops.h"
#include "report/lesson.h"
#include "report/plot.h"

namespace handgrad {

/// L(w) = e^(wz) by the operations of tensors.
inline void many_weights_at_once(Lesson& lesson, double z) {
    lesson.section("The loss, on many weights at once");
    lesson.say(
        "L(w) = e^(wz) with z = -1 has no minimum: it falls towards 0 for ever. Operations work "
        "on whole arrays, and an array with one element is repeated to fit (broadcasting): one "
        "call evaluates L at a hundred weights, and at infinity.");
    const Device device = lesson.options().device;
    std::vector<double> weights = linspace(0, 10, 100);
    weights.push_back(std::numeric_limits<double>::infinity());
    const auto w = Tensor<double>::from({101}, weights, device);
    const auto one_z = Tensor<double>::from({1}, {z}, device);
    const Tensor<double> all = exp(w * one_z);  // (101)
    lesson.line(format("w %s  z %s  L(w) %s", w.shape().str().c_str(), one_z.shape().str().c_str(),
                       all.shape().str().c_str()));
    std::vector<double> losses = all.values();
    double far = 0;
    for (std::size_t i = 0; i < losses.size(); ++i)
        far = std::max(far, std::abs(losses[i] - std::exp(weights[i] * z)));
    lesson.check("all at once is one by one", far < 1e-15, format("largest distance %.1e", far));
    lesson.check("L(infinity) = 0", losses.back() == 0);
    losses.pop_back();
    weights.pop_back();
    lesson.figure("loss.png", "The loss and its asymptote, which no weight reaches.",
                  {.title = "L(w) = e^-w",
                   .x_label = "w",
                   .y_label = "L",
                   .series = {{"L(w)", losses, weights},
                              {"asymptote: L(infinity) = 0", {0, 0}, {0, 10}, Style::dashed}}});
}

}  // namespace handgrad
