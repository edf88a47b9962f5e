// Activations: their formulas and derivatives stand in src/layers/activations.h.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// y[i] = f(x[i]); calls: how many functions of math.h one f calls.
template <class T, class F>
void map(T* y, const T* x, Index n, int calls, F f) {
    Cost cost = streaming<T>(n, 2);
    cost.flops = n * calls * function_flops;
    parallel_ranges(n, cost, [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) y[i] = f(x[i]);
    });
}

/// z[i] = f(x[i], y[i])
template <class T, class F>
void map(T* z, const T* x, const T* y, Index n, int calls, F f) {
    Cost cost = streaming<T>(n, 3);
    cost.flops = n * calls * function_flops;
    parallel_ranges(n, cost, [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) z[i] = f(x[i], y[i]);
    });
}

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

// GELU by tanh: u(x) = c (x + k x^3).
template <class T>
inline constexpr T gelu_c = static_cast<T>(0.79788456080286535588);  // sqrt(2 / pi)
template <class T>
inline constexpr T gelu_k = static_cast<T>(0.044715);

template <class T>
void activation_forward(Activation f, T* y, const T* x, T a, T b, Index n) {
    constexpr T zero = 0, one = 1, half = T(0.5);
    switch (f) {
        case Activation::relu:
            // Asking x < 0, not x > 0, lets NaN through: a broken layer must stay visible.
            return map(y, x, n, 0, [](T v) { return v < zero ? zero : v; });
        case Activation::leaky_relu:
            return map(y, x, n, 0, [=](T v) { return v > zero ? v : a * v; });
        case Activation::elu:
            return map(y, x, n, 1, [=](T v) { return v > zero ? v : a * expm1(v); });
        case Activation::softplus:
            return map(y, x, n, 2, [=](T v) { return a * v > b ? v : softplus(a * v) / a; });
        case Activation::sigmoid:
            return map(y, x, n, 1, [](T v) { return sigmoid(v); });
        case Activation::tanh:
            return map(y, x, n, 1, [](T v) { return tanh(v); });
        case Activation::silu:
            return map(y, x, n, 1, [](T v) { return v * sigmoid(v); });
        case Activation::gelu:
            return map(y, x, n, 1, [](T v) { return v * normal_cdf(v); });
        case Activation::gelu_tanh:
            return map(y, x, n, 1, [](T v) {
                const T u = gelu_c<T> * (v + gelu_k<T> * v * v * v);
                return half * v * (one + tanh(u));
            });
    }
}

template <class T>
void activation_backward(Activation f, T* dx, const T* dy, const T* kept, T a, T b, Index n) {
    constexpr T zero = 0, one = 1, half = T(0.5);
    switch (f) {
        case Activation::relu:
            return map(dx, dy, kept, n, 0, [](T d, T y) { return y > zero ? d : zero; });
        case Activation::leaky_relu:
            return map(dx, dy, kept, n, 0, [=](T d, T x) { return x > zero ? d : a * d; });
        case Activation::elu:
            return map(dx, dy, kept, n, 1, [=](T d, T x) { return x > zero ? d : d * a * exp(x); });
        case Activation::softplus:
            return map(dx, dy, kept, n, 1,
                       [=](T d, T x) { return a * x > b ? d : d * sigmoid(a * x); });
        case Activation::sigmoid:
            return map(dx, dy, kept, n, 0, [](T d, T y) { return d * y * (one - y); });
        case Activation::tanh:
            return map(dx, dy, kept, n, 0, [](T d, T y) { return d * (one - y * y); });
        case Activation::silu:
            return map(dx, dy, kept, n, 1, [](T d, T x) {
                const T s = sigmoid(x);
                return d * s * (one + x * (one - s));
            });
        case Activation::gelu:
            return map(dx, dy, kept, n, 2,
                       [](T d, T x) { return d * (normal_cdf(x) + x * normal_pdf(x)); });
        case Activation::gelu_tanh:
            return map(dx, dy, kept, n, 1, [](T d, T x) {
                const T t = tanh(gelu_c<T> * (x + gelu_k<T> * x * x * x));
                const T du = gelu_c<T> * (one + 3 * gelu_k<T> * x * x);
                return d * half * (one + t + x * (one - t * t) * du);
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
