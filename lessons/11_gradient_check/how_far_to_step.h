// The error of a central difference against its step, in double and in float.
#pragma once

#include <cmath>

#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"

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
    // The greatest error within half a power of ten of a step: single ones are small by luck.
    const auto near = [&](const std::vector<double>& errors, double exponent) {
        double worst = 0;
        for (std::size_t i = 0; i < errors.size(); ++i)
            if (std::abs(exponents[i] - exponent) < 0.5) worst = worse(worst, errors[i]);
        return worst;
    };
    const double good_double = near(in_double, -5), good_float = near(in_float, -2);
    lesson.say(format(
        "A central difference is wrong by about e^2 h'''/6, and by rounding, about the precision "
        "divided by e. The first falls with the step e, the second rises; in double they meet near "
        "e = 1e-5, where the error is %.0e. In float they meet near 0.01, at %.0e, which a small "
        "slip in a gradient could hide behind: so gradients are checked in double.",
        good_double, good_float));
    lesson.figure("step_size.png",
                  "The error of a central difference against its step: truncation on the right, "
                  "rounding on the left.",
                  {.title = "Relative error of (h(o + e) - h(o - e)) / 2e at o = 1",
                   .x_label = "log10 e",
                   .y_label = "relative error",
                   .series = {{"double", in_double, exponents}, {"float", in_float, exponents}},
                   .log_y = true});
    lesson.check("in double a good step gives eight digits, in float none does",
                 good_double < 1e-8 && good_float > 1e-6,
                 format("%.1e and %.1e", good_double, good_float));
}

}  // namespace handgrad
