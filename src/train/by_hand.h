// Training by hand: samples and the numbers of a layer as plain tensors, for gradients that are
// written with core/tensor_ops.h.
#pragma once

#include <functional>

#include "core/random.h"
#include "core/tensor.h"
#include "data/dataset.h"

namespace handgrad {

class Lesson;

/// N samples, where they are computed with.
template <class T>
struct LabelledSamples {
    Tensor<T> x;    // (N, features)
    Tensor<T> y;    // what is to be predicted, a row for each sample
    Labels labels;  // (N), on the CPU
};

/// Of two classes: y (N, 1), 0 or 1. Throws Error where there are not two.
template <class T>
LabelledSamples<T> binary_samples(const Dataset& two, Device device = Device::cpu);

/// Of C classes: y (N, C), one-hot.
template <class T>
LabelledSamples<T> one_hot_samples(const Dataset& set, Device device = Device::cpu);

/// The numbers of a linear layer o = x W' + b, or a gradient with respect to them.
template <class T>
struct OneLayer {
    Tensor<T> W;  // (outputs, inputs)
    Tensor<T> b;  // (outputs)
};

/// All numbers normal around 0, W drawn before b: as floats, so that double starts equally.
template <class T>
OneLayer<T> normal_layer(Index outputs, Index inputs, double std, Random& random,
                         Device device = Device::cpu);

/// The largest distance of a gradient by hand from the one that Linear finds from dL/do, given as a
/// function of the scores o.
double distance_from_linear(
    const OneLayer<double>& layer, const OneLayer<double>& gradient, const Tensor<double>& x,
    const std::function<Tensor<double>(const Tensor<double>& o)>& loss_gradient);

/// Shows and checks that the gradient is the one that Linear finds, as above, and the one that
/// differences of `loss`, evaluated at the layer's numbers as they stand, come to.
void check_one_layer(Lesson& lesson, const OneLayer<double>& layer,
                     const OneLayer<double>& gradient, const Tensor<double>& x,
                     const std::function<Tensor<double>(const Tensor<double>& o)>& loss_gradient,
                     const std::function<double()>& loss);

}  // namespace handgrad
