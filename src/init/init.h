// How weights start.
//
// For y = x W' with fan_in inputs, Var(y) = fan_in Var(W) E[x^2]: the signal keeps its size from
// layer to layer when fan_in Var(W) is near 1. The rules below differ in what they ask for besides.
#pragma once

#include "core/random.h"
#include "core/tensor.h"

namespace handgrad::init {

/// Inputs and outputs of a weight (out, in) or (out, in, kernel sizes ...): the first two sizes
/// times the kernel's. Throws Error on rank below 2.
struct Fans {
    Index in, out;
};
Fans fans_of(const Shape& weight);

/// What torch.nn.Linear does: weight and bias uniform in +-1/sqrt(fan_in), weight first.
/// (It calls kaiming_uniform_ with a = sqrt(5): gain sqrt(2 / (1 + 5)), bound gain sqrt(3/fan_in).)
template <class T>
void linear_default(const Tensor<T>& weight, const Tensor<T>& bias, Random& random);

/// Xavier: Var(W) = 2 / (fan_in + fan_out), so that neither the signal nor the gradient grows.
/// Glorot and Bengio 2010. The uniform form has the bound sqrt(6 / (fan_in + fan_out)).
template <class T>
void xavier_uniform(const Tensor<T>& weight, Random& random);
template <class T>
void xavier_normal(const Tensor<T>& weight, Random& random);

/// He (Kaiming), for layers before a ReLU, which halves E[x^2]: Var(W) = 2 / fan_in.
/// He et al. 2015. The uniform form has the bound sqrt(6 / fan_in).
template <class T>
void he_uniform(const Tensor<T>& weight, Random& random);
template <class T>
void he_normal(const Tensor<T>& weight, Random& random);

}  // namespace handgrad::init
