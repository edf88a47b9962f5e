// The error of a central difference against its step, in double and in float.
#pragma once

#include <algorithm>
#include <cmath>

#include "report/lesson.h"
#include "report/plot.h"

namespace handgrad {

/// The relative error of central differences of h at o = 1, by step, in precision T.
template <class T>
std::vector<double> errors_by_step(const std::vector<double>& exponents) {
    const T o = 1, exact = [&] {
        const T h = 2 / (1 + std::exp(-o)) - 1;
        return (1 - h * h) / 2;
    }();
    std::vector<double> errors;
    for (const double exponent : exponents) {
        const T e = static_cast<T>(std::pow(10.0, exponent));
        const T above = o + e, below = o - e;
        const T difference =
            (2 / (1 + std::exp(-above)) - 2 / (1 + std::exp(-below))) / (above - below);
        errors.push_back(static_cast<double>(std::abs(difference - exact) / exact));
    }
    return errors;
}

inline void how_far_to_step(Lesson& lesson) {
    lesson.section("How far to step");
    std::vector<double> exponents;
    for (double exponent = -12; exponent <= 0; exponent += 0.1) exponents.push_back(exponent);
    const auto in_double = errors_by_step<double>(exponents);
    const auto in_float = errors_by_step<float>(exponents);
    const double best_double = *std::min_element(in_double.begin(), in_double.end() - 20);
    lesson.say(
        "A central difference is wrong by about e^2 h'''/6, and by rounding, about the precision "
        "divided by e. The first falls with the step e, the second rises; in double they meet near "
        "e = 1e-5, where ten digits are right. In float hardly four ever are, so that gradients "
        "are checked in double.");
    lesson.figure("step_size.png",
                  "The error of a central difference against its step: truncation on the right, "
                  "rounding on the left.",
                  {.title = "Relative error of (h(o + e) - h(o - e)) / 2e at o = 1",
                   .x_label = "log10 e",
                   .y_label = "relative error",
                   .series = {{"double", in_double, exponents}, {"float", in_float, exponents}},
                   .log_y = true});
    lesson.check("in double a good step gives eight digits", best_double < 1e-8,
                 format("%.1e", best_double));
}

}  // namespace handgrad
