// MLP: a multilayer perceptron from a list of widths
#pragma once

#include <span>

#include "core/random.h"

#include "layers/sequential.h"

namespace handgrad {

/// Linear layers of these widths, from input to output, with a ReLU after each but the last; after
/// each ReLU a Dropout unless dropout is 0. mlp({784, 128, 10}, random) has 101,770 parameters.
/// Weights are drawn in the order of the layers, as PyTorch would draw them.
/// Throws Error on fewer than two widths.
template <class T>
Sequential<T> mlp(std::span<const Index> widths, Random& random, double dropout = 0,
                  Device device = Device::cpu);

}  // namespace handgrad
