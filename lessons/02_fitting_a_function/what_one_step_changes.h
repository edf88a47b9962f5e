// Lesson 2: a step on one sample moves the whole function; a step on all samples is the mean of the
// steps on each.
#pragma once

#include <cmath>

#include "core/tensor_ops.h"
#include "network.h"
#include "report/lesson.h"

namespace handgrad {

inline void what_one_step_changes(Lesson& lesson, const Samples& samples) {
    lesson.section("What one step changes");
    lesson.say(
        "Every step moves the weights, and with them the whole function. A step on one point "
        "pulls the curve towards this point, and all else with it. To first order in the rate, a "
        "step on all samples is the mean of the steps on each, and a pass of single steps adds "
        "them up: it goes N times as far.");
    const std::uint64_t seed = lesson.options().seed;
    const Device device = lesson.options().device;
    const auto on_grid = [&](Sequential<double>& model) {
        return Matrix::from({201}, function_of(model, device));
    };
    Sequential<double> start = new_network(seed, device);
    const Matrix before = on_grid(start);
    // The change of the function by steps on batches of neighbouring rows.
    const auto change = [&](double rate, const Samples& part, Index batch) {
        Sequential<double> model = new_network(seed, device);
        SGD<double> sgd(model.parameters(), rate);
        MSELoss<double> loss;
        for (Index begin = 0; begin < part.size(); begin += batch)
            train_step(model, loss, sgd, part.x.rows(begin, begin + batch),
                       part.y.rows(begin, begin + batch));
        return on_grid(model) - before;
    };
    const double rate = 1e-5;
    const Index n = samples.size();
    const Matrix all = change(rate, samples, n), pass = change(rate, samples, 1);
    const Matrix mean_of_singles = Matrix::zeros({201});
    for (Index i = 0; i < n; ++i)
        mean_of_singles += change(rate, samples.rows(i, i + 1), 1) / static_cast<double>(n);
    const double size = max(abs(all)).item();
    const double far_mean = max(abs(mean_of_singles - all)).item() / size;
    const double far_pass = max(abs(pass / static_cast<double>(n) - all)).item() / size;
    lesson.check("the full step is the mean of the single ones", far_mean < 1e-3,
                 format("to %.1e of its size", far_mean));
    lesson.check("a pass of single steps goes N times as far", far_pass < 0.05,
                 format("to %.1e of its size, at rate %g", far_pass, rate));

    std::vector<Series> curves = {
        {"all samples", change(0.01, samples, n).values(), grid(), Style::thick, 6}};
    for (const int i : {0, 1, 2}) {
        const Samples one = samples.rows(i, i + 1);
        curves.push_back({format("one, at x = %.2f", one.x.item()), change(0.01, one, 1).values(),
                          grid(), Style::thick, i});
        curves.push_back({"", {0}, {one.x.item()}, Style::points, i});
    }
    lesson.figure("one_step.png",
                  "The change of the function by one step at rate 0.01: on all samples, and on "
                  "three of them (their places are marked).",
                  {.title = "What one step changes",
                   .x_label = "x",
                   .y_label = "change of the function",
                   .series = curves,
                   .zero_lines = true});
}

}  // namespace handgrad
