// Lesson 1: the same descent in float, where w comes to a halt. A step below half the distance to
// the next float is rounded away, and so is every later one.
//
// This is about the rounding of the host's floats, so it runs there whatever --device says.
#pragma once

#include <algorithm>
#include <cmath>

#include "report/lesson.h"
#include "report/plot.h"

namespace handgrad {

/// Half the distance from w to the next float: a smaller step leaves w where it is.
inline double half_ulp(float w) {
    return static_cast<double>(std::nextafterf(w, 1e9F) - w) / 2;
}

/// Between 2^k and 2^(k+1) half an ulp is 2^(k-24), and lr e^-w = 2^(k-24) at w = ln(lr 2^(24-k)).
/// Where that lies below 2^k the first float of the interval is the last.
inline double predicted_stop(double lr) {
    for (int k = -10;; ++k) {
        const double w = std::log(std::ldexp(lr, 24 - k));
        if (w < std::ldexp(1, k + 1)) return std::max(w, std::ldexp(1, k));
    }
}

inline void where_floats_stop(Lesson& lesson) {
    lesson.section("In float");
    lesson.say(
        "The same descent in single precision. A float near w has a neighbour at a distance of "
        "one ulp, about w 10^-7, and a sum is rounded to the nearest float. A step below half an "
        "ulp is lost, and so is every later one: w does not move, so the gradient does not "
        "change.");
    const std::vector<double> weights = linspace(0.5, 9, 2000);
    Series half{"half an ulp of w", {}, weights, Style::thick, 6};
    for (const double w : weights) half.y.push_back(half_ulp(static_cast<float>(w)));
    std::vector<Series> curves = {half};
    std::vector<Row> rows;
    bool predicted_all = true;
    for (const double lr : {1e-3, 1e-4, 1e-5, 1e-6}) {
        float w = 0;
        Index steps = 0;
        std::string steps_to_goal;
        for (;; ++steps) {
            const float loss = std::exp(-w);
            if (steps_to_goal.empty() && loss < 1e-3F) steps_to_goal = std::to_string(steps);
            const float moved = w + static_cast<float>(lr) * loss;
            if (moved == w) break;
            w = moved;
        }
        const auto stop = static_cast<double>(w);
        predicted_all &= std::abs(stop - predicted_stop(lr)) < 1e-3;
        rows.push_back(cells("%g | %s | %td | %.5f | %.5f | %.2g", lr, steps_to_goal.c_str(), steps,
                             stop, predicted_stop(lr), std::exp(-stop)));
        lesson.result(format("float_halts_at_lr_%g", lr), stop);
        curves.push_back({format("step, lr = %g", lr), {}, weights});
        for (const double at : weights) curves.back().y.push_back(lr * std::exp(-at));
    }
    lesson.table({"lr", "steps to L < 0.001", "last step", "w there", "predicted", "L there"},
                 rows);
    lesson.say(
        "A larger w has a larger ulp: at 4 and at 8 it doubles. With lr = 0.001 the weight is "
        "stopped at 8 exactly, where half an ulp jumps above the step. A smaller rate, which "
        "promises more care, stops sooner: with 0.0001 the loss never gets below 0.001. In double "
        "the same happens, beyond w = 27.");
    lesson.check("every halt is where it was predicted", predicted_all);
    lesson.figure("float.png",
                  "The steps, and half an ulp of the weight. Where they meet, w stands still.",
                  {.title = "In float a step below half an ulp is lost",
                   .x_label = "w",
                   .y_label = "size",
                   .series = curves,
                   .log_y = true});
}

}  // namespace handgrad
