// What scaling does to the loss: the map of its root over slope and bias for a single input, as it
// is and standardised, with gradient descent's way on it.
#pragma once

#include <algorithm>
#include <cmath>

#include "data/regression.h"
#include "report/grid_plots.h"
#include "report/lesson.h"
#include "report/plot.h"

namespace handgrad {

/// L(s, b) = mean of (s x + b - y)^2: a quadratic, given by five means.
struct Bowl {
    double xx = 0, x = 0, xy = 0, y = 0, yy = 0;

    Bowl(const std::vector<double>& inputs, const std::vector<double>& targets) {
        const auto n = static_cast<double>(inputs.size());
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            xx += inputs[i] * inputs[i] / n;
            x += inputs[i] / n;
            xy += inputs[i] * targets[i] / n;
            y += targets[i] / n;
            yy += targets[i] * targets[i] / n;
        }
    }
    [[nodiscard]] double rmse(double s, double b) const {
        return std::sqrt(s * s * xx + 2 * s * b * x + b * b - 2 * s * xy - 2 * b * y + yy);
    }
    /// Gradient descent from (0, 0) at the rate 1 / lambda_max: where it is after each of `steps`.
    [[nodiscard]] Series descend(const std::vector<Index>& steps) const {
        // The Hessian is 2 [xx x; x 1].
        const double lambda_max = xx + 1 + std::sqrt((xx - 1) * (xx - 1) + 4 * x * x);
        Series path{.y = {0}, .x = {0}};
        double s = 0, b = 0;
        Index done = 0;
        for (const Index shown : steps) {
            for (; done < shown; ++done) {
                const double ds = 2 * (s * xx + b * x - xy), db = 2 * (s * x + b - y);
                s -= ds / lambda_max;
                b -= db / lambda_max;
            }
            path.x.push_back(s);
            path.y.push_back(b);
        }
        return path;
    }
};

inline void two_bowls(Lesson& lesson, const RegressionSet& train) {
    const auto bmi =
        static_cast<Index>(std::ranges::find(train.features, "bmi") - train.features.begin());
    std::vector<double> x, y;
    for (Index i = 0; i < train.size(); ++i) {
        x.push_back(train.x(i, bmi));
        y.push_back(train.y(i, 0));
    }
    const Bowl raw(x, y);
    const double deviation = std::sqrt(raw.xx - raw.x * raw.x);
    for (double& v : x) v = (v - raw.x) / deviation;
    const Bowl scaled(x, y);
    const auto map = [](const char* title, const Bowl& bowl, AxisRange slope, AxisRange bias,
                        const Series& path) {
        return ContourMap{
            .title = title,
            .x_label = "slope",
            .y_label = "bias",
            .grid = sample_grid([&](double s, double b) { return bowl.rmse(s, b); }, slope, bias),
            .paths = {path},
            .log_z = true};
    };
    const Series long_way = raw.descend(log_steps(3000, 4)), short_way = scaled.descend({1});
    lesson.figure(
        "two_bowls.png",
        "The root mean square error over slope and bias, with the body mass index alone: as it is, "
        "a ravine that 3000 steps hardly move along; standardised, a round bowl.",
        panels({map("as it is: 3000 steps", raw, {-2, 14}, {-150, 50}, long_way),
                map("standardised: 1 step", scaled, {-180, 275}, {-30, 330}, short_way)},
               {.columns = 2}));
    const double best = scaled.rmse(scaled.xy, scaled.y);  // where x has mean 0 and variance 1
    const double after = raw.rmse(long_way.x.back(), long_way.y.back());
    const double soon = scaled.rmse(short_way.x.back(), short_way.y.back());
    lesson.say(format(
        "A map of the root mean square error, for one measurement and the bias. The mean of the "
        "body mass index is %.0f, so a little more slope is as good as %.0f times as much bias: a "
        "ravine, whose "
        "walls set the rate and along whose floor little moves. After 3000 steps the root "
        "mean square error is %.2f; standardised it is %.2f after one, and the least there "
        "is %.2f.",
        raw.x, raw.x, after, soon, best));
    lesson.check("one standardised input is solved in a single step",
                 soon - best < 1e-6 && after - best > 0.1,
                 format("%.1e above the best, against %.2f", soon - best, after - best));
}

}  // namespace handgrad
