// How the signal and its gradient grow or fade from layer to layer.
#pragma once

#include <vector>

#include "layers/sequential.h"

namespace handgrad {

/// Root mean squares at the input and behind each layer: model.size() + 1 of them. signal[i] is
/// that of what goes into layer i, gradient[i] that of the loss's gradient with respect to it.
template <class T>
struct SignalFlow {
    std::vector<double> signal, gradient;
    Tensor<T> y;  // what came out
};

/// Sends x through the model, and dy, the gradient at its output, back; without a dy, none comes
/// back and `gradient` is empty. Adds to the parameters' gradients.
template <class T>
SignalFlow<T> signal_flow(Sequential<T>& model, const Tensor<T>& x, const Tensor<T>& dy = {});

}  // namespace handgrad
