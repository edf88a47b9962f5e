#include "report/training_curves.h"

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

}  // namespace handgrad
