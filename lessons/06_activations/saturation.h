// What becomes of twenty layers of tanh units when their weights are too small or too large.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "core/tensor_ops.h"
#include "deep_net.h"
#include "report/histogram.h"
#include "report/lesson.h"
#include "train/metrics.h"

namespace handgrad {

/// What each activation of the model gives for 200 normal samples.
inline std::vector<Tensor<double>> outputs(Sequential<double>& model,
                                           const LessonOptions& options) {
    Random random(options.seed + 1);
    Tensor<double> h = Tensor<double>::empty({200, 100}, deep_device(options));
    random.normal(h, 0, 1);
    std::vector<Tensor<double>> all;
    for (std::size_t i = 0; i < model.size(); ++i) {
        h = model[i].forward(h);
        if (i % 2 == 1) all.push_back(h.clone());
    }
    return all;
}

inline void saturation(Lesson& lesson) {
    lesson.section("Saturation");
    lesson.say(
        "Twenty layers of 100 tanh units again. A unit is called saturated where |h| > 0.99: its "
        "slope is below 0.02 there.");
    std::vector<Row> rows;
    std::vector<Drawing> plots;
    std::map<double, double> saturated;  // share, by gain
    for (const double gain : {0.01, 0.25, 1.0, 4.0, 25.0, 100.0}) {
        Sequential<double> model =
            deep_net(unit<Tanh<double>>("tanh"), 100, gain, lesson.options());
        const DeepFlow flow = flow_through(model, 100, lesson.options());
        const std::vector<Tensor<double>> h = outputs(model, lesson.options());
        saturated[gain] = share_beyond(h.back(), 0.99);
        std::vector<double> slopes = (1 - h.back() * h.back()).values();
        std::nth_element(slopes.begin(), slopes.begin() + std::ssize(slopes) / 2, slopes.end());
        rows.push_back(cells("%.2f | %.1f %% | %.1e | %.1e | %.1e", std::sqrt(gain / 100),
                             100 * saturated[gain], slopes[slopes.size() / 2], flow.signal.back(),
                             flow.gradient.front() / flow.gradient.back()));
        if (gain != 0.25 && gain != 1 && gain != 25) continue;
        for (const std::size_t layer : {1, 5, 20}) {
            const double size = root_mean_square(h[layer - 1]);
            plots.push_back(
                Histogram{.title = format("std of w %.2f, layer %zu", std::sqrt(gain / 100), layer),
                          .x_label = "h",
                          .samples = {{"", h[layer - 1].values()}},
                          .bins = 40,
                          .x_range = {-1, 1},
                          .density_curve = size > 0.02 && size < 0.8});  // else all in one place
        }
    }
    lesson.table({"std of w", "saturated", "median slope", "signal", "gradient left"}, rows);
    lesson.say(
        "Small weights lose the signal and with it the gradient. With large ones most units sit "
        "at their ends and learn next to nothing. The gradient as a whole does not vanish then, "
        "as the lecture says: it explodes, since the few units in between have large "
        "weights above them. Both are bad, for different reasons.");
    lesson.figure("histograms.png",
                  "The values of the hidden units behind 1, 5 and 20 layers: with small weights "
                  "they shrink to 0, with Var(w) = 1/fan_in they hold for a while, with large ones "
                  "they sit at the ends.",
                  panels(plots, {.columns = 3, .panel_height = 560}));
    lesson.check("large weights saturate", saturated[100] > 0.7 && saturated[1] < 0.01,
                 format("%.0f %% of units at std 1", 100 * saturated[100]));
}

}  // namespace handgrad
