// Lesson 3: three ways in which a right training is drawn or measured wrongly, each of them in the
// notebook. Losses are summed over sets of different sizes; they are recorded before the step in
// one loop and after it in another; and the images are scaled before they are split.
#pragma once

#include "data/dataset.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "report/training_curves.h"
#include "train/metrics.h"

namespace handgrad {

inline void sums_and_means(Lesson& lesson, const TrainVal<Dataset>& data,
                           const TrainingCurves& curves, bool real) {
    lesson.section("Sums and means");
    const auto n = static_cast<double>(data.train.size()),
               n_val = static_cast<double>(data.val.size());
    TrainingCurves sums = curves;
    for (double& l : sums.train_loss) l *= n;
    for (double& l : sums.val_loss) l *= n_val;
    const auto [train, val] = std::pair(curves.last_train().loss, curves.last_val().loss);
    lesson.say(
        format("The risk is often written as a sum over samples, while steps take the gradient of "
               "a mean. Drawn as sums, %.0f training and %.0f validation losses on one axis end at "
               "%.1f and %.1f: that of validation is %.2f times that of training. The means are "
               "%.3f and %.3f: %.2f times%s. Sums over sets of different sizes are not to be "
               "compared.",
               n, n_val, train * n, val * n_val, val * n_val / (train * n), train, val, val / train,
               val > train ? ", so that validation does worse and seemed to do far better" : ""));
    const auto plot = [](const std::string& title, const TrainingCurves& c) {
        return Plot{
            .title = title,
            .x_label = "epoch",
            .series = {{"training", c.train_loss, c.epoch}, {"validation", c.val_loss, c.epoch}},
            .log_y = true};
    };
    lesson.figure("sums.png", "One run: its summed losses, and its mean ones.",
                  panels({plot("Summed", sums), plot("Mean", curves)}, {.columns = 2}));
    if (real)
        lesson.check("sums and means disagree on which set does better",
                     val * n_val < train * n && val > train);
}

/// Curves of full batches and of minibatches from the same start: value k is that after k epochs.
inline void before_and_after(Lesson& lesson, const TrainingCurves& full,
                             const TrainingCurves& small) {
    lesson.section("Before the step or after it");
    const std::vector<double>&whole = full.train_loss, &parts = small.train_loss;
    lesson.say(
        "A curve also depends on when it is recorded. The notebook's loop by hand notes the loss "
        "before each step, its later loop over minibatches after the steps of an epoch. So what "
        "both call epoch 1 is the loss before any step in the one, and after a whole epoch in the "
        "other. All images at once and batches of 64, each recorded both ways:");
    // `shift` is how many epochs a recorded loss has behind it when the loop calls it the first.
    const auto recorded = [](const char* name, const std::vector<double>& loss, std::size_t shift) {
        Series curve{name, {}, {}, shift > 0 ? Style::thick : Style::dashed};
        for (std::size_t epoch = 1; epoch <= 10 && epoch < loss.size(); ++epoch) {
            curve.x.push_back(static_cast<double>(epoch));
            curve.y.push_back(loss[epoch - 1 + shift]);
        }
        return curve;
    };
    std::vector<Series> curves = {recorded("all at once, before the step", whole, 0),
                                  recorded("all at once, after it", whole, 1),
                                  recorded("batches of 64, before an epoch", parts, 0),
                                  recorded("batches of 64, after it", parts, 1)};
    std::vector<Row> rows;
    for (std::size_t i = 0; i < curves.size(); ++i) {
        const Series& curve = curves[i];
        rows.push_back(cells("%s | %.4f | %.4f | %.4f", curve.label.c_str(), curve.y[0], curve.y[1],
                             curve.y[4]));
        curves[i].color = static_cast<int>(i / 2);
    }
    lesson.table({"training loss at epoch", "1", "2", "5"}, rows);
    const double seeming = whole[0] - parts[1], real = whole[1] - parts[1];
    lesson.say(
        format("Recorded as the notebook does, one epoch of minibatches is %.3f ahead; recorded "
               "alike, it is %.3f. The rest is a step that one curve shows and the other does not "
               "show yet.",
               seeming, real));
    lesson.figure("before_after.png",
                  "The same two runs, recorded before the steps of an epoch and after them.",
                  {.title = "One epoch apart",
                   .x_label = "epoch, as the loop counts it",
                   .y_label = "mean training loss",
                   .series = curves});
    lesson.result("epoch_1_lead_as_recorded", seeming);
    lesson.result("epoch_1_lead", real);
    lesson.check("before the first step both are one, and the notebook's figures are not",
                 whole[0] == parts[0] && seeming > real && real > 0);
}

/// `curves` and `data` with the scaler fitted to the training rows alone, `leaky` with all rows.
inline void scaler_that_saw_too_much(Lesson& lesson, const TrainVal<Dataset>& data,
                                     const TrainingCurves& curves, const TrainingCurves& leaky) {
    lesson.section("A scaler that has seen too much");
    const double beyond = share_beyond(data.val.x, 0.5);
    lesson.say(
        format("The notebook scales every pixel to [-.5, .5] by its least and greatest value in "
               "all images, and splits afterwards, so that the training set was made with "
               "knowledge of the validation set. Fitted to the training rows alone, %.2f %% of the "
               "validation pixels lie beyond, up to %.1f, as images met later will. Here it hardly "
               "matters: validation loss %.4f against %.4f. But that is a finding, not a "
               "reason: a validation set that helped to make the model measures less than it says.",
               100 * beyond, static_cast<double>(max(abs(data.val.x)).item()),
               curves.last_val().loss, leaky.last_val().loss));
    lesson.result("val_loss_scaled_by_training_rows", curves.last_val().loss);
    lesson.check("the scaler fitted to all rows had seen the validation set", beyond > 0);
}

}  // namespace handgrad
