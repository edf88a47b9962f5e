// The functions of mathematics that kernels share, as kernels/cpu/math.h has them.
#pragma once

#include "kernels/cuda/launch.h"

namespace handgrad::HANDGRAD_GPU {

/// -1, 0 or 1; NaN stays NaN.
template <class T>
__device__ T sign(T x) {
    return x > T(0) ? T(1) : x < T(0) ? T(-1) : x;
}

/// 1 / (1 + exp(-x)). Only exp of a negative number is taken, which cannot overflow.
template <class T>
__device__ T sigmoid(T x) {
    const T e = exp(-fabs(x));
    return (x >= T(0) ? T(1) : e) / (T(1) + e);
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which cannot overflow.
template <class T>
__device__ T softplus(T x) {
    return (x > T(0) ? x : T(0)) + log1p(exp(-fabs(x)));
}

/// Replaces numbers below `least`; NaN stays NaN.
template <class T>
__device__ T at_least(T least, T x) {
    return x < least ? least : x;
}

/// a^b. Squares are most of the powers there are, and pow is slow.
template <class T>
__device__ T power(T a, T b) {
    if (b == T(1)) return a;
    if (b == T(2)) return a * a;
    return pow(a, b);
}

/// Phi(x) = erfc(-x / sqrt 2) / 2, the normal distribution function.
template <class T>
__device__ T normal_cdf(T x) {
    return T(0.5) * erfc(-x * T(0.70710678118654752440));
}

/// phi(x) = exp(-x^2 / 2) / sqrt(2 pi), its density.
template <class T>
__device__ T normal_pdf(T x) {
    return T(0.39894228040143267794) * exp(T(-0.5) * x * x);
}

/// Phi(x) by tanh, as sigmoid(2 c (x + k x^3)), and the derivative of what sigmoid is taken of.
template <class T>
__device__ T normal_cdf_by_tanh(T x) {
    return sigmoid(2 * T(0.79788456080286535588) * (x + T(0.044715) * x * x * x));
}
template <class T>
__device__ T normal_cdf_by_tanh_slope(T x) {
    return 2 * T(0.79788456080286535588) * (T(1) + 3 * T(0.044715) * x * x);
}

}  // namespace handgrad::HANDGRAD_GPU
