// Lesson 3: the loss that prints NaN while training goes on well. In float the probability q rounds
// to 1 where the score o is above 16.6, and log(1 - q) is then that of 0. Written from o, the same
// loss never meets log 0.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/tensor_ops.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "report/training_curves.h"

namespace handgrad {

/// Both forms of the loss of each sample, from its score and its label.
struct LossForms {
    Tensor<float> (*textbook)(const Tensor<float>& o, const Tensor<float>& y);
    Tensor<float> (*stable)(const Tensor<float>& o, const Tensor<float>& y);
};

/// `curves` are a training at a large rate, `textbook` its training loss in the textbook's form.
inline void loss_that_prints_nan(Lesson& lesson, const LossForms& loss,
                                 const TrainingCurves& curves, const std::vector<double>& textbook,
                                 double rate) {
    lesson.section("A loss that prints NaN");
    lesson.say(
        format("The same at rate %g. The textbook's loss, -y log q - (1 - y) log(1 - q), soon is "
               "NaN or infinite, yet the accuracy climbs on. Nothing is wrong with the training: "
               "the gradient q - y is computed from q, which is fine. What breaks is the print. In "
               "float q = 1 / (1 + e^-o) rounds to 1 for o > 24 ln 2 = 16.6. Then a sample of "
               "class 1 adds 0 log 0 = NaN where it should add 0, and one of class 0 adds "
               "infinity where it should add o.",
               rate));
    const auto o = Tensor<float>::from({5}, {10, 16, 16.7F, 40, 100});
    const auto zero = Tensor<float>::zeros({5}), one = Tensor<float>::full({5}, 1);
    const Tensor<float> columns[] = {o,
                                     1 - logistic(o),
                                     loss.textbook(o, one),
                                     loss.stable(o, one),
                                     loss.textbook(o, zero),
                                     loss.stable(o, zero)};
    std::vector<Row> rows(5);
    for (Index i = 0; i < 5; ++i)
        for (const Tensor<float>& column : columns)
            rows[static_cast<std::size_t>(i)].push_back(
                std::isnan(column(i)) ? "nan" : format("%.4g", static_cast<double>(column(i))));
    lesson.table({"o", "1 - q", "y = 1: textbook", "stable", "y = 0: textbook", "stable"}, rows);

    const auto finite = [](double l) { return std::isfinite(l); };
    const auto broken =
        std::ssize(textbook) - std::count_if(textbook.begin(), textbook.end(), finite);
    lesson.figure("nan.png",
                  "The loss that there is, and the textbook's at the epochs where it is a number.",
                  panels({Plot{.title = format("Training loss at rate %g", rate),
                               .x_label = "epoch",
                               .series = {{"stable", curves.train_loss, curves.epoch},
                                          {"textbook", textbook, curves.epoch, Style::points}},
                               .log_y = true,
                               .x_range = {0, 60}},
                          Plot{.title = "Training accuracy",
                               .x_label = "epoch",
                               .series = {{"", curves.train_accuracy, curves.epoch}},
                               .x_range = {0, 60}}},
                         {.columns = 2}));
    lesson.result("textbook_losses_not_finite", broken);
    lesson.check("the textbook's loss breaks", broken > std::ssize(textbook) / 2,
                 format("%td of %td are not finite", broken, std::ssize(textbook)));
    lesson.check("the stable one does not, and training goes on",
                 std::all_of(curves.train_loss.begin(), curves.train_loss.end(), finite) &&
                     curves.last_train().accuracy > 0.98,
                 format("accuracy %.3f", curves.last_train().accuracy));
}

}  // namespace handgrad
