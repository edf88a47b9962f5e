// Of all weights that fit equally well, which does L2 choose, and which L1?
#pragma once

#include <algorithm>
#include <cmath>

#include "core/tensor_ops.h"
#include "report/grid_plots.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"

namespace handgrad {

enum class Norm { l1, l2 };

/// L = (x . w - 1)^2 + lambda R(w), with R = sum w^2 or sum |w|. Each row of x and w, (cases, d),
/// is a problem of its own: a step moves w against
///   dL/dw = 2 (x . w - 1) x + lambda R'(w),   R'(w) = 2 w or sign(w)
inline void descend(const Tensor<double>& w, const Tensor<double>& x, Norm norm, double lambda,
                    double rate, int steps) {
    for (int step = 0; step < steps; ++step) {
        const Tensor<double> error = sum(x * w, {1}, true) - 1;  // (cases, 1)
        const Tensor<double> pull = norm == Norm::l2 ? 2 * w : sign(w);
        w -= rate * (2 * error * x + lambda * pull);
    }
}

/// The map of L over two weights, with the ways that gradient descent takes from two starts.
inline Drawing preference_map(Norm norm) {
    const double lambda = 0.2;
    const auto x = Tensor<double>::from({2, 2}, {1, 2, 1, 2});
    const auto w = Tensor<double>::from({2, 2}, {0.95, -0.35, -0.35, 0.85});
    Series ways[2];
    Index done = 0;
    for (const Index shown : log_steps(1000)) {
        for (Index i = 0; i < 2; ++i) {
            ways[i].x.push_back(w(i, 0));
            ways[i].y.push_back(w(i, 1));
        }
        descend(w, x, norm, lambda, 0.02, static_cast<int>(shown - done));
        done = shown;
    }
    const auto loss = [&](double w1, double w2) {
        const double error = w1 + 2 * w2 - 1;
        return error * error +
               lambda * (norm == Norm::l2 ? w1 * w1 + w2 * w2 : std::abs(w1) + std::abs(w2));
    };
    return ContourMap{.title = norm == Norm::l2 ? "with L2" : "with L1",
                      .x_label = "w_1",
                      .y_label = "w_2",
                      .grid = sample_grid(loss, {-0.5, 1.1}, {-0.5, 1.1}),
                      .paths = {ways[0], ways[1]},
                      .log_z = true};
}

inline std::string list(const std::vector<double>& w) {
    std::string text;
    for (const double v : w)
        text += format("%s%.3f", text.empty() ? "" : ", ", std::abs(v) < 5e-4 ? 0 : v);
    return text;
}

inline void what_penalties_prefer(Lesson& lesson) {
    lesson.section("What each penalty prefers");
    lesson.say("Two weight vectors that give x = (1, 1, 1, 1) the same score, 1:");
    const auto one = Tensor<double>::from({4}, {1, 0, 0, 0}), even = Tensor<double>::full({4}, .25);
    const auto l2 = [](const Tensor<double>& w) { return sum(w * w).item(); };
    const auto l1 = [](const Tensor<double>& w) { return sum(abs(w)).item(); };
    lesson.table({"w", "L2: sum w^2", "L1: sum |w|"},
                 {cells("%s | %g | %g", list(one.values()).c_str(), l2(one), l1(one)),
                  cells("%s | %g | %g", list(even.values()).c_str(), l2(even), l1(even))});
    lesson.check("L2 is 1 against 0.25, L1 a tie",
                 l2(one) == 1 && l2(even) == 0.25 && l1(one) == 1 && l1(even) == 1);
    lesson.say(
        "L2 prefers the one that is spread out, 0.25 against 1. L1 has no preference: a tie. Let "
        "both choose, with (w x - 1)^2 + 0.01 R(w), from two starts; and once more where one "
        "input counts double, x = (1, 1, 1, 2):");
    const Device device = lesson.options().device;
    const double lambda = 0.01;
    const std::vector<double> start = {1, 0, 0, 0, 0.1, 0.3, 0.2, 0.4,
                                       1, 0, 0, 0, 0.1, 0.3, 0.2, 0.4};  // a problem in each row
    const auto x =
        Tensor<double>::from({4, 4}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 2}, device);
    const auto minimise = [&](Norm norm) {
        const auto w = Tensor<double>::from({4, 4}, start, device);
        descend(w, x, norm, lambda, 0.1, 5000);
        descend(w, x, norm, lambda, 0.001, 1000);  // L1 jumps about its kinks by the rate
        return w.to(Device::cpu);
    };
    const Tensor<double> by_l2 = minimise(Norm::l2), by_l1 = minimise(Norm::l1);
    std::vector<Row> rows;
    for (Index i = 0; i < 4; ++i)
        rows.push_back({i < 2 ? "1, 1, 1, 1" : "1, 1, 1, 2",
                        list({start.begin() + 4 * i, start.begin() + 4 * i + 4}),
                        list(by_l2.rows(i, i + 1).values()), list(by_l1.rows(i, i + 1).values())});
    lesson.table({"x", "start", "L2 ends at", "L1 ends at"}, rows);
    lesson.say(
        "On equal inputs L2 always ends spread out, and L1 wherever it started. Where the inputs "
        "differ, L1 puts everything on the largest, (0, 0, 0, 0.5), whose sum |w| of 0.5 is the "
        "least there is; L2 shares in proportion, x / |x|^2 = (1, 1, 1, 2) / 7.");
    // At the minimum the penalty has shrunk w x a little below 1; README.md has both formulas.
    double off_l2 = 0, off_l1 = 0;
    for (Index i = 0; i < 4; ++i)
        for (Index k = 0; k < 4; ++k) {
            const double largest = k == 3 ? 1 : 0;
            const double spread = i < 2 ? 1 / (4 + lambda) : (1 + largest) / (7 + lambda);
            off_l2 = worse(off_l2, std::abs(by_l2(i, k) - spread));
            if (i >= 2)
                off_l1 = worse(off_l1, std::abs(by_l1(i, k) - largest * (1 - lambda / 4) / 2));
        }
    lesson.check("L1 keeps what it started with where inputs are equal",
                 std::abs(by_l1(0, 0) - by_l1(1, 0)) > 0.1);
    lesson.check("L2 spreads out", off_l2 < 1e-4, format("off by %.1e", off_l2));
    lesson.check("L1 chooses (0, 0, 0, 0.5)", off_l1 < 1e-3, format("off by %.1e", off_l1));
    lesson.figure(
        "preferences.png",
        "(w_1 + 2 w_2 - 1)^2 + 0.2 R(w), from two starts. The valley holds all weights that fit. "
        "L2 "
        "stops where it is nearest to 0, with a share for both; L1 in the corner, at w_1 = 0.",
        panels({preference_map(Norm::l2), preference_map(Norm::l1)}, {.columns = 2}));
}

}  // namespace handgrad
