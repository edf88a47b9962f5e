// How a training run went: the loss and the accuracy, in training and in validation.
#pragma once

#include <string>
#include <vector>

#include "report/drawing.h"

namespace handgrad {

struct LossAndAccuracy {
    double loss = 0, accuracy = 0;
};

/// Two panels, drawn by gnuplot: the losses, and the accuracies. A list may be empty.
struct TrainingCurves {
    std::string title = {};
    std::vector<double> epoch = {};  // of each value
    std::vector<double> train_loss = {}, val_loss = {}, train_accuracy = {}, val_accuracy = {};
    bool log_loss = false;

    void add(double at_epoch, const LossAndAccuracy& train, const LossAndAccuracy& val);
    [[nodiscard]] LossAndAccuracy last_train() const {
        return {train_loss.back(), train_accuracy.back()};
    }
    [[nodiscard]] LossAndAccuracy last_val() const {
        return {val_loss.back(), val_accuracy.back()};
    }

    operator Drawing() const;  // NOLINT(google-explicit-constructor)
};

}  // namespace handgrad
