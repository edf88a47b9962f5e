#include "report/training_curves.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "report/lesson.h"
#include "report/plot.h"

namespace handgrad {

void TrainingCurves::add(double at_epoch, const LossAndAccuracy& train,
                         const LossAndAccuracy& val) {
    epoch.push_back(at_epoch);
    train_loss.push_back(train.loss);
    val_loss.push_back(val.loss);
    train_accuracy.push_back(train.accuracy);
    val_accuracy.push_back(val.accuracy);
}

TrainingCurves::operator Drawing() const {
    const Plot losses{.title = "Mean loss",
                      .x_label = "epoch",
                      .series = {{"training", train_loss, epoch}, {"validation", val_loss, epoch}},
                      .log_y = log_loss};
    const Plot accuracies{
        .title = "Accuracy",
        .x_label = "epoch",
        .series = {{"training", train_accuracy, epoch}, {"validation", val_accuracy, epoch}}};
    return panels({losses, accuracies}, {.title = title, .columns = 2});
}

Drawing compared(const std::vector<TrainingCurves>& runs) {
    Plot losses{.title = "Mean loss", .x_label = "epoch"};
    Plot accuracies{.title = "Validation accuracy", .x_label = "epoch"};
    for (int i = 0; i < std::ssize(runs); ++i) {
        const TrainingCurves& run = runs[static_cast<std::size_t>(i)];
        losses.series.push_back({run.title, run.train_loss, run.epoch, Style::thick, i});
        losses.series.push_back({"", run.val_loss, run.epoch, Style::dashed, i});
        accuracies.series.push_back({run.title, run.val_accuracy, run.epoch, Style::thick, i});
        losses.log_y = losses.log_y || run.log_loss;
    }
    return panels({losses, accuracies}, {.columns = 2});
}

void log_curves(Lesson& lesson, const TrainingCurves& curves, Index every) {
    lesson.line("epoch  training loss  accuracy  validation loss  accuracy");
    for (std::size_t i = 0; i < curves.epoch.size(); ++i)
        if (static_cast<Index>(curves.epoch[i]) % every == 0 || i + 1 == curves.epoch.size())
            lesson.line(format("%5.0f  %13.4f  %8.3f  %15.4f  %8.3f", curves.epoch[i],
                               curves.train_loss[i], curves.train_accuracy[i], curves.val_loss[i],
                               curves.val_accuracy[i]));
}

bool check_reached(Lesson& lesson, const TrainingCurves& curves, bool stand_in,
                   const std::vector<Reached>& others, double loss_tolerance) {
    const LessonOptions& options = lesson.options();
    const auto same = [&](const Reached& other) {
        return other.stand_in == stand_in && other.epochs == curves.epoch.back();
    };
    const auto other = std::find_if(others.begin(), others.end(), same);
    if (options.seed != 42 || options.tiny || other == others.end()) return false;
    const LossAndAccuracy fitted = curves.last_train(), validated = curves.last_val();
    lesson.check("numpy reaches the same, within 1 point",
                 std::abs(fitted.accuracy - other->train.accuracy) < 0.01 &&
                     std::abs(validated.accuracy - other->val.accuracy) < 0.01 &&
                     std::abs(fitted.loss - other->train.loss) < loss_tolerance &&
                     std::abs(validated.loss - other->val.loss) < loss_tolerance,
                 format("validation accuracy %.4f and loss %.4f, numpy %.4f and %.4f",
                        validated.accuracy, validated.loss, other->val.accuracy, other->val.loss));
    return true;
}

}  // namespace handgrad
