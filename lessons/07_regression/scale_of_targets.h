// A small network with a linear output learns 150 + 100 sin(3 x) + noise, measured in four units.
#pragma once

#include <cmath>
#include <map>

#include "core/tensor_ops.h"
#include "data/regression.h"
#include "data/scaler.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"
#include "train/train_step.h"

namespace handgrad {

/// 1-30-1, tanh inside and linear at the end.
struct SmallNetwork {
    Sequential<double> model;
    double loss = 0;  // of the last step

    SmallNetwork(const Tensor<double>& x, const Tensor<double>& y, double rate, int epochs) {
        Random random(1);
        model.add<Linear<double>>(1, 30, random, x.device());
        model.add<Tanh<double>>();
        model.add<Linear<double>>(30, 1, random, x.device());
        SGD<double> sgd(model.parameters(), rate);
        MSELoss<double> mse;
        for (int epoch = 0; epoch < epochs && std::isfinite(loss); ++epoch)
            loss = train_step(model, mse, sgd, x, y);
    }
    double saturated(const Tensor<double>& x) {  // the share of hidden values beyond +-0.99
        return share_beyond(model[1].forward(model[0].forward(x)), 0.99);
    }
};

inline void scale_of_targets(Lesson& lesson) {
    lesson.section("The scale of the targets");
    const LessonOptions& options = lesson.options();
    const Index n = options.tiny ? 20 : 200;
    const int epochs = options.tiny ? 15 : options.quick ? 1000 : 10'000;
    lesson.say(
        format("A network 1-30-1, tanh inside and linear at the end, fits %td samples of 150 "
               "+ 100 sin(3 x) with noise of standard deviation 20, in three units and "
               "standardised: %d full-batch steps at each of five rates, the error scaled "
               "back. (A tanh at the end would not do: 250 is beyond it.)",
               n, epochs));
    Random random(options.seed);
    const RegressionSet set = sample_function([](double x) { return 150 + 100 * std::sin(3 * x); },
                                              {.n = n, .low = -2, .high = 2, .noise = 20}, random);
    const auto x = set.x.cast<double>().to(options.device);  // (n, 1)
    const auto y = set.y.cast<double>().to(options.device);
    StandardScaler<double> standard;
    standard.fit(set.y.cast<double>());
    struct Unit {
        std::string name;
        double center = 0, factor = 1;  // the network learns (y - center) * factor
    };
    const Unit units[] = {{"y / 100", 0, 0.01},
                          {"y"},
                          {"100 y", 0, 100},
                          {"standardised", standard.center()[0], standard.factor()[0]}};
    const std::vector<double> at = linspace(-2, 2, 201);
    const auto grid = Tensor<double>::from({std::ssize(at), 1}, at, options.device);
    Plot plot{
        .title = "150 + 100 sin(3 x), and two networks",
        .x_label = "x",
        .y_label = "y",
        .series = {{.label = "samples", .y = y.values(), .x = x.values(), .style = Style::points}}};
    std::vector<Row> rows;
    std::map<std::string, double> best, saturated;
    for (const Unit& unit : units) {
        Row row = {unit.name};
        Series curve;
        best[unit.name] = INFINITY;
        for (const double rate : {0.1, 0.03, 0.01, 0.001, 0.0001}) {
            SmallNetwork network(x, unit.factor * (y - unit.center), rate, epochs);
            const double error = std::sqrt(network.loss) / unit.factor;
            row.push_back(std::isfinite(error) ? format("%.1f", error) : "diverged");
            if (!(error < best[unit.name])) continue;
            best[unit.name] = error;
            saturated[unit.name] = network.saturated(x);
            curve = {.label = unit.name + format(", rate %g", rate),
                     .y = (network.model.forward(grid) / unit.factor + unit.center).values(),
                     .x = at};
        }
        row.push_back(format("%.0f %%", 100 * saturated[unit.name]));
        rows.push_back(row);
        if (unit.name == "100 y" || unit.name == "standardised") plot.series.push_back(curve);
    }
    lesson.table(
        {"targets", "rate 0.1", "0.03", "0.01", "0.001", "0.0001", "saturated at the best"}, rows);
    lesson.figure("fit.png", "The samples, and the best that two of the networks make of them.",
                  plot);
    lesson.say(
        "The output layer must grow to the size of the targets, and the gradient that reaches the "
        "hidden layer is the error times those weights: it grows with the square of the unit. At "
        "100 y the first steps throw the hidden units into saturation, |h| > 0.99, where they have "
        "next to no gradient to come back by. Standardised targets fit at the same rate whatever "
        "the unit was.");
    lesson.result("rmse_by_unit", best);
    lesson.result("saturated_by_unit", saturated);
    lesson.check("standardised targets leave the hidden units alive",
                 saturated["standardised"] < 0.3,
                 format("%.0f %% saturated", 100 * saturated["standardised"]));
    lesson.check("targets a hundred times as large saturate nearly all of them",
                 saturated["100 y"] > 0.8, format("%.0f %%", 100 * saturated["100 y"]));
    if (!options.tiny)
        lesson.check(
            "and are fitted worse", best["100 y"] > best["standardised"],
            format("%.1f against %.1f; the noise has 20", best["100 y"], best["standardised"]));
}

}  // namespace handgrad
