// How a layer starts, and symmetry: hidden units with equal weights stay one unit.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "core/tensor_ops.h"
#include "data/image_set.h"
#include "init/init.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"
#include "train/train_step.h"

namespace handgrad {

/// How a linear layer can start: weight (out, in). The first six are the lecture's.
inline void initialise(const std::string& rule, const Tensor<double>& weight, Random& random) {
    if (rule == "xavier") init::xavier_normal(weight, random);
    if (rule == "he") init::he_normal(weight, random);
    if (rule == "normal") random.normal(weight, 0, 1);
    if (rule == "uniform") random.uniform(weight, -1, 1);
    if (rule == "zeros") weight.fill(0);
    if (rule == "ones") weight.fill(1);
    if (rule == "all 0.01" || rule == "equal units") weight.fill(0.01);
}

inline void units_that_stay_equal(Lesson& lesson) {
    lesson.section("How a layer starts, and symmetry");
    const LessonOptions& options = lesson.options();
    const Dataset images = load_image_set(options.data).train;
    const Dataset set = images.rows(0, std::min<Index>(images.size(), options.tiny ? 32 : 1500));
    const Tensor<double> x = set.x.cast<double>().to(options.device);  // (N, pixels)
    const Labels y = set.y.to(options.device);
    const auto classes = std::ssize(set.classes);
    const double rate = 0.5;
    lesson.say(
        format("A network %td-16-%td with tanh units on %td images of %s, %d full-batch "
               "steps at rate %g, from eight starts. Are the hidden units still equal?",
               x.dim(1), classes, set.size(), set.name.c_str(), options.epochs, rate));
    std::vector<Row> rows;
    std::vector<Series> curves;
    std::map<std::string, double> spread, first, moved, right;  // by start
    for (const std::string rule :
         {"xavier", "he", "normal", "uniform", "zeros", "ones", "all 0.01", "equal units"}) {
        Random random(options.seed);
        Sequential<double> model;
        auto& hidden = model.add<Linear<double>>(x.dim(1), 16, random, options.device);
        model.add<Tanh<double>>();
        auto& output = model.add<Linear<double>>(16, classes, random, options.device);
        for (Linear<double>* layer : {&hidden, &output}) {
            initialise(rule, layer->weight.value, random);
            layer->bias.value.fill(0);
        }
        if (rule == "equal units")  // the classes may differ, as long as the units do not
            for (Index c = 0; c < classes; ++c)
                output.weight.value.rows(c, c + 1).fill(0.1 * std::sin(static_cast<double>(c)));
        const Tensor<double>& w = hidden.weight.value;  // (16, pixels)
        const Tensor<double> start = w.clone();
        CrossEntropyLoss<double> loss;
        SGD<double> sgd(model.parameters(), rate);
        Series curve{.label = rule};
        for (int step = 0; step < options.epochs; ++step) {
            curve.y.push_back(train_step(model, loss, sgd, x, y));
            if (step == 0) first[rule] = max(abs(w - start)).item();
        }
        curves.push_back(curve);
        spread[rule] = max(abs(w - w.rows(0, 1))).item();
        moved[rule] = max(abs(w - start)).item();
        right[rule] = accuracy(model.forward(x), y);
        rows.push_back(cells("%s | %.4f | %.4f | %.1f %% | %.1e | %.1e | %.1e", rule.c_str(),
                             curve.y.front(), curve.y.back(), 100 * right[rule], first[rule],
                             moved[rule], spread[rule]));
    }
    lesson.table({"start", "first loss", "last loss", "accuracy", "hidden weights moved by step 1",
                  "by the end", "units differ by"},
                 rows);
    lesson.result("accuracy_by_start", right);
    lesson.say(
        "Units that start equal get equal gradients: they stay equal for ever, and sixteen of them "
        "are worth one. Where all weights are equal the first step does not move them at all: dh = "
        "sum over classes of (q - y) w, and q - y sums to zero. That step makes the classes' "
        "weights differ, so \"all 0.01\" then learns what \"equal units\", whose classes differ "
        "from the start, can learn: one unit. Zeros never come so far, since h = 0 leaves the "
        "output weights at zero. Nor do ones: the units are saturated, tanh of a sum of all "
        "pixels, and next to no gradient passes a slope of 1 - tanh^2.");
    curves.erase(curves.begin() + 5);  // ones, which lie on zeros
    curves[4].label = "zeros, ones";
    lesson.figure("symmetry.png", "Training from eight starts.",
                  {.title = "Training loss",
                   .x_label = "step",
                   .y_label = "cross entropy",
                   .series = curves});
    lesson.check("equal units stay equal", spread["zeros"] == 0 && spread["ones"] < 1e-9 &&
                                               spread["all 0.01"] < 1e-9 &&
                                               spread["equal units"] < 1e-9);
    lesson.check("random ones do not", spread["xavier"] > 0.1 && spread["he"] > 0.1);
    lesson.check("where all weights are equal step 1 does not move the hidden layer",
                 first["zeros"] == 0 && first["ones"] < 1e-12 && first["all 0.01"] < 1e-12 &&
                     first["equal units"] > 1e-6);
    lesson.check("later steps do, but not from zeros or from ones, which saturate",
                 moved["zeros"] == 0 && moved["ones"] < 1e-9 && moved["all 0.01"] > 0.01,
                 format("from 0.01 by %.2f", moved["all 0.01"]));
    lesson.check("equal units learn less", right["equal units"] < right["xavier"] - 0.2 &&
                                               right["all 0.01"] < right["xavier"] - 0.2 &&
                                               right["zeros"] < 0.3);
}

}  // namespace handgrad
