// Gradient clipping: between backward and step, for gradients that explode
#pragma once

#include <vector>

#include "layers/layer.h"

namespace handgrad {

/// Scales all gradients by max_norm / (norm + 1e-6) where that is below 1, as PyTorch's
/// clip_grad_norm_: their direction stays. Returns the norm from before, that of all gradients
/// taken as one vector: norm = sqrt(sum_i g_i^2), one number on the gradients' device, which nobody
/// waits for before item(). A norm that is NaN or infinite spoils the gradients; the caller sees it
/// in what is returned. max_norm = infinity only measures. Throws Error unless max_norm is above 0
/// and the parameters are on one device.
template <class T>
Tensor<double> clip_grad_norm(const std::vector<Parameter<T>*>& parameters, double max_norm);

/// Brings every gradient g_i into [-limit, limit]; NaN stays. Throws Error unless limit is above 0
/// and the parameters are on one device.
template <class T>
void clip_grad_value(const std::vector<Parameter<T>*>& parameters, double limit);

}  // namespace handgrad
