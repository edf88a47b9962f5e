// How a training run went: the loss and the accuracy, in training and in validation.
#pragma once

#include <string>
#include <vector>

#include "kernels/backend.h"
#include "report/drawing.h"

namespace handgrad {

class Lesson;

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

/// Runs held against one another, each under its title: their losses, dashed in validation, and
/// their accuracies in validation.
Drawing compared(const std::vector<TrainingCurves>& runs);

/// A line of figures for every so many epochs, the first and the last.
void log_curves(Lesson& lesson, const TrainingCurves& curves, Index every);

/// Where another program ended after so many epochs, from the start that seed 42 gives.
struct Reached {
    bool stand_in;  // on the embedded digits, which stood in for the set
    int epochs;
    LossAndAccuracy train, val;
};

/// Checks that the curves end where the other program did, where one of these is the same run:
/// accuracies within one point, losses within `loss_tolerance`. A tiny run is like none. Returns
/// whether there was one to compare with.
bool check_reached(Lesson& lesson, const TrainingCurves& curves, bool stand_in,
                   const std::vector<Reached>& others, double loss_tolerance = 0.001);

}  // namespace handgrad
