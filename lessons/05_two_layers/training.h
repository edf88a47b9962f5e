// How a training of this lesson is set up, and what is kept of it.
#pragma once

#include <cmath>
#include <functional>

#include "data/dataset.h"
#include "report/training_curves.h"

namespace handgrad {

/// The slope dh/do of a hidden unit h = 2 logistic(o) - 1 that backward multiplies by.
enum class Slope { true_one /* (1 - h^2) / 2 */, notebooks /* (1 - h)^2 */ };

struct Settings {
    int epochs = 1;
    double lr = 0;
    double hidden_lr = 0;  // 0: a tenth of lr, as in the notebook
    double init = 0.01;    // standard deviation of all weights and biases
    Slope slope = Slope::true_one;
};

struct Training {
    TrainingCurves curves;
    std::vector<double> hidden[2];  // the values h of either class of the training set at the end
    double saturated = 0;           // the share of them beyond +-0.99
};

/// How main.cpp trains: full-batch gradient descent, in float or in double.
using Train = std::function<Training(const TrainVal<Dataset>& data, const Settings& settings)>;

/// Images of fewer pixels than 64x64 have smaller gradients, and need larger rates.
inline double rate_unit(const Dataset& set) {
    return std::sqrt(4096 / static_cast<double>(set.features()));
}

}  // namespace handgrad
