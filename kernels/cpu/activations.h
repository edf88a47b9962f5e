// Activations: their formulas and derivatives stand in src/layers/activations.h.
#pragma once

#include "kernels/cpu/elementwise.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Phi(x) = erfc(-x / sqrt 2) / 2, the normal distribution function. By erf it would lose all
/// digits at x < -4, as 1 + erf(x / sqrt 2) does.
template <class T>
[[gnu::always_inline]] inline T normal_cdf(T x) {
    constexpr T sqrt_half = static_cast<T>(0.70710678118654752440);
    return T(0.5) * erfc(-x * sqrt_half);
}

/// phi(x) = exp(-x^2 / 2) / sqrt(2 pi), its density.
template <class T>
[[gnu::always_inline]] inline T normal_pdf(T x) {
    constexpr T factor = static_cast<T>(0.39894228040143267794);
    return factor * exp(T(-0.5) * x * x);
}

/// Phi(x) by tanh: (1 + tanh u) / 2 with u = c (x + k x^3). It equals sigmoid(2u), which keeps its
/// digits where 1 + tanh u would lose them, at x < -3.
template <class T>
inline constexpr T gelu_c = static_cast<T>(0.79788456080286535588);  // sqrt(2 / pi)
template <class T>
inline constexpr T gelu_k = static_cast<T>(0.044715);
template <class T>
[[gnu::always_inline]] inline T normal_cdf_by_tanh(T x) {
    return sigmoid(2 * gelu_c<T> * (x + gelu_k<T> * x * x * x));
}

// What is read under a condition keeps the compiler from vector code: where a loop is bound by
// memory, both branches are made first.

template <class T>
void activation_forward(Activation f, T* y, const T* x, T a, T b, Index n) {
    switch (f) {
        case Activation::relu:
            // Asking x < 0, not x > 0, lets NaN through: a broken layer must stay visible.
            return each<T>(n, 2, 0, [=](Index i) { y[i] = x[i] < 0 ? 0 : x[i]; });
        case Activation::leaky_relu:
            return each<T>(n, 2, 0, [=](Index i) {
                const T low = a * x[i];
                y[i] = x[i] > 0 ? x[i] : low;
            });
        case Activation::elu:
            return each<T>(n, 2, 1, [=](Index i) { y[i] = x[i] > 0 ? x[i] : a * expm1(x[i]); });
        case Activation::softplus:
            return each<T>(n, 2, 2,
                           [=](Index i) { y[i] = a * x[i] > b ? x[i] : softplus(a * x[i]) / a; });
        case Activation::sigmoid:
            return each<T>(n, 2, 1, [=](Index i) { y[i] = sigmoid(x[i]); });
        case Activation::tanh:
            return each<T>(n, 2, 1, [=](Index i) { y[i] = tanh(x[i]); });
        case Activation::silu:
            return each<T>(n, 2, 1, [=](Index i) { y[i] = x[i] * sigmoid(x[i]); });
        case Activation::gelu:
            return each<T>(n, 2, 1, [=](Index i) { y[i] = x[i] * normal_cdf(x[i]); });
        case Activation::gelu_tanh:
            return each<T>(n, 2, 1, [=](Index i) { y[i] = x[i] * normal_cdf_by_tanh(x[i]); });
    }
}

template <class T>
void activation_backward(Activation f, T* dx, const T* dy, const T* x_or_y, T a, T b, Index n) {
    constexpr T one = 1;
    const T *x = x_or_y, *y = x_or_y;
    switch (f) {
        case Activation::relu:
            return each<T>(n, 3, 0, [=](Index i) {
                const T d = dy[i];
                dx[i] = y[i] > 0 ? d : 0;
            });
        case Activation::leaky_relu:
            return each<T>(n, 3, 0, [=](Index i) {
                const T d = dy[i], low = a * d;
                dx[i] = x[i] > 0 ? d : low;
            });
        case Activation::elu:
            return each<T>(n, 3, 1,
                           [=](Index i) { dx[i] = x[i] > 0 ? dy[i] : dy[i] * a * exp(x[i]); });
        case Activation::softplus:
            return each<T>(n, 3, 1, [=](Index i) {
                dx[i] = a * x[i] > b ? dy[i] : dy[i] * sigmoid(a * x[i]);
            });
        case Activation::sigmoid:
            return each<T>(n, 3, 0, [=](Index i) { dx[i] = dy[i] * y[i] * (one - y[i]); });
        case Activation::tanh:
            return each<T>(n, 3, 0, [=](Index i) { dx[i] = dy[i] * (one - y[i] * y[i]); });
        case Activation::silu:
            return each<T>(n, 3, 1, [=](Index i) {
                const T s = sigmoid(x[i]);
                dx[i] = dy[i] * s * (one + x[i] * (one - s));
            });
        case Activation::gelu:
            return each<T>(n, 3, 2, [=](Index i) {
                dx[i] = dy[i] * (normal_cdf(x[i]) + x[i] * normal_pdf(x[i]));
            });
        case Activation::gelu_tanh:
            return each<T>(n, 3, 1, [=](Index i) {
                const T s = normal_cdf_by_tanh(x[i]);
                const T two_du = 2 * gelu_c<T> * (one + 3 * gelu_k<T> * x[i] * x[i]);
                dx[i] = dy[i] * s * (one + x[i] * (one - s) * two_du);
            });
    }
}

template <class T>
void prelu_forward(T* y, const T* x, const T* slope, Index outer, Index channels, Index inner) {
    const auto body = [=](Index begin, Index end) {
        for (Index row = begin; row < end; ++row) {
            const T s = slope[row % channels];
            for (Index i = row * inner; i < (row + 1) * inner; ++i)
                y[i] = x[i] > T{0} ? x[i] : s * x[i];
        }
    };
    parallel_ranges(outer * channels, streaming<T>(outer * channels * inner, 2), body, 1);
}

template <class T>
void prelu_backward(T* dx, T* dslope, const T* dy, const T* x, const T* slope, Index outer,
                    Index channels, Index inner) {
    // Threads split the channels, so that each sum runs over its elements in order.
    const auto body = [=](Index begin, Index end) {
        for (Index o = 0; o < outer; ++o)
            for (Index c = begin; c < end; ++c) {
                T sum = 0;
                const Index first = (o * channels + c) * inner;
                for (Index i = first; i < first + inner; ++i) {
                    dx[i] = x[i] > T{0} ? dy[i] : slope[c] * dy[i];
                    sum += x[i] > T{0} ? T{0} : x[i] * dy[i];
                }
                dslope[c] += sum;
            }
    };
    parallel_ranges(channels, streaming<T>(outer * channels * inner, 3), body);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
