// Two formulas of the lecture that do not always hold: max(a t, t) for PReLU, log(1 + e^t) for
// softplus. On the CPU, whose floats they are about.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "layers/activations.h"
#include "layers/prelu.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"

namespace handgrad {

inline void formulas_that_fail(Lesson& lesson) {
    lesson.section("Two formulas that do not always hold");
    lesson.say(
        "PReLU is t above zero and a t below. The lecture writes max(a t, t), which is the same "
        "for a <= 1 only: beyond, the greater of the two is the wrong one on both sides.");
    const std::vector<double> at = linspace(-2, 2, 401);
    const auto t = Tensor<double>::from({std::ssize(at)}, at);
    std::vector<Row> rows;
    std::map<double, double> far;  // by a
    std::vector<Series> curves;
    for (const double a : {-0.5, 0.25, 1.0, 2.0}) {
        PReLU<double> layer(1, a);
        const std::vector<double> y = layer.forward(t.reshape({t.size(), 1})).values();
        std::vector<double> greater;
        for (std::size_t i = 0; i < at.size(); ++i) {
            greater.push_back(std::max(a * at[i], at[i]));
            far[a] = worse(far[a], std::abs(y[i] - greater[i]));
        }
        rows.push_back(cells("%g | %.3g", a, far[a]));
        if (a == 2) curves = {{"PReLU, a = 2", y, at}, {"max(2 t, t)", greater, at}};
    }
    lesson.table({"a", "largest distance for |t| <= 2"}, rows);
    lesson.figure(
        "prelu.png", "PReLU with a = 2, and what max(a t, t) makes of it.",
        {.title = "PReLU is max(a t, t) only for a <= 1", .x_label = "t", .series = curves});
    lesson.check("PReLU = max(a t, t) for a <= 1", far[-0.5] == 0 && far[0.25] == 0 && far[1] == 0);
    lesson.check("and not for a = 2", far[2] == 2);

    lesson.say(
        "Softplus is log(1 + e^t). In float e^t overflows above 88.7, and below -17 the sum "
        "1 + e^t is rounded to 1. max(t, 0) + log1p(e^-|t|) is the same function and does "
        "neither.");
    rows.clear();
    Softplus<float> softplus;
    bool naive_fails = false, layer_holds = true;
    for (const float x : {-100.F, -20.F, -1.F, 1.F, 20.F, 88.F, 89.F, 1000.F}) {
        const float naive = std::log(1 + std::exp(x));
        const float slope = std::exp(x) / (1 + std::exp(x));
        const float y = softplus.forward(Tensor<float>::from({1}, {x})).item();
        const float dy = softplus.backward(Tensor<float>::full({1}, 1)).item();
        naive_fails |= x > 0 && !std::isfinite(naive) && std::isnan(slope);
        const double exact = std::max<double>(x, 0) + std::log1p(std::exp(-std::abs(double{x})));
        layer_holds &= std::abs(y - exact) <= 1e-6 * exact + 1e-44 && std::isfinite(dy);
        rows.push_back(cells("%g | %g | %g | %s | %g", x, naive, y,
                             std::isnan(slope) ? "nan" : format("%g", slope).c_str(),  // no "-nan"
                             dy));
    }
    lesson.table({"t", "log(1 + e^t)", "Softplus", "e^t / (1 + e^t)", "its backward"}, rows);
    lesson.check("log(1 + e^t) overflows in float", naive_fails);
    lesson.check("Softplus does not", layer_holds);
}

}  // namespace handgrad
