// It is fan_in Var(w) that must be right, not Var(w).
#pragma once

#include <algorithm>
#include <cmath>

#include "core/tensor_ops.h"
#include "deep_net.h"
#include "init/init.h"
#include "report/plot.h"
#include "train/metrics.h"

namespace handgrad {

inline void fan_in_times_variance(Lesson& lesson) {
    lesson.section("fan_in Var(w), not Var(w)");
    lesson.say(
        "The signal after twenty layers of ReLUs, for layers of three widths. Against Var(w) "
        "there are three curves; against fan_in Var(w) there is one, and it crosses 1 at 2. "
        "Each layer multiplies the mean square by fan_in Var(w) / 2.");
    std::vector<Series> by_variance, by_product;
    double worst = 0;
    for (const Index width : {Index{32}, Index{100}, Index{lesson.options().quick ? 160 : 320}}) {
        Series a{.label = format("width %td", width)}, b = a;
        for (const double gain : {0.25, 0.5, 1.0, 2.0, 4.0, 8.0}) {
            Sequential<double> model =
                deep_net(unit<ReLU<double>>("ReLU"), width, gain, lesson.options());
            const double size = flow_through(model, width, lesson.options(), false).signal.back();
            a.x.push_back(gain / static_cast<double>(width));
            b.x.push_back(gain);
            a.y.push_back(size);
            b.y.push_back(size);
            // The prediction is for the mean over weights; one draw of twenty layers strays.
            const double expected = std::pow(gain / 2, depth / 2.0);
            worst = worse(worst, std::abs(std::log(size / expected)) / depth);
        }
        by_variance.push_back(a);
        by_product.push_back(b);
    }
    by_product.push_back({"fan_in Var(w) = 2", {1e-9, 1e6}, {2, 2}, Style::dashed});
    const auto plot = [](const char* x_label, const std::vector<Series>& curves) {
        return Plot{.title = "Size of the signal after 20 layers",
                    .x_label = x_label,
                    .series = curves,
                    .log_y = true,
                    .log_x = true};
    };
    lesson.figure("scale.png", "The signal after twenty layers of ReLUs, for three widths.",
                  panels({plot("Var(w)", by_variance), plot("fan_in Var(w)", by_product)},
                         {.columns = 2, .panel_height = 720}));
    lesson.check("the size is (fan_in Var(w) / 2)^10", worst < 0.2,
                 format("to within a factor of %.3f a layer", std::exp(worst)));

    const Tensor<double> w = Tensor<double>::empty({50, 400});
    Random random(lesson.options().seed);
    init::he_uniform(w, random);
    const double largest = max(abs(w)).item(), bound = std::sqrt(6.0 / 400);
    const double product = 400 * mean(w * w).item();
    lesson.say(
        format("He's rule is Var(w) = 2/fan_in. It can be drawn uniformly, too: on [-a, a] the "
               "variance is a^2 / 3, hence a = "
               "sqrt(6/fan_in). Of 50 x 400 such weights the largest is %.4f, with a = %.4f, and "
               "fan_in Var(w) = %.3f.",
               largest, bound, product));
    lesson.check("He's uniform weights stay within sqrt(6/fan_in), and fan_in Var(w) is 2",
                 largest <= bound && largest > 0.99 * bound && std::abs(product - 2) < 0.05);
}

}  // namespace handgrad
