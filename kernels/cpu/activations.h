// Activations: their formulas and derivatives stand in src/layers/activations.h.
#pragma once

#include "kernels/cpu/elementwise.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Phi(x) by tanh: (1 + tanh u) / 2 with u = c (x + k x^3). It equals sigmoid(2u), which keeps its
/// digits where 1 + tanh u would lose them, at x < -3.
template <class T>
inline constexpr T gelu_c = static_cast<T>(0.79788456080286535588);  // sqrt(2 / pi)
template <class T>
inline constexpr T gelu_k = static_cast<T>(0.044715);
template <class T>
[[gnu::always_inline]] inline Vector<T> normal_cdf_by_tanh(Vector<T> x) {
    return sigmoid<T>(2 * gelu_c<T> * (x + gelu_k<T> * x * x * x));
}

template <class T>
void activation_forward(Activation f, T* y, const T* x, T a, T b, Index n) {
    using V = Vector<T>;
    const auto map = [=](int functions, auto formula) { map_vectors(n, functions, formula, y, x); };
    switch (f) {
        case Activation::relu:
            // Asking v < 0, not v > 0, lets NaN through: a broken layer must stay visible.
            return map(0, [](V v) { return v < T{0} ? V{} : v; });
        case Activation::leaky_relu:
            return map(0, [=](V v) { return v > T{0} ? v : a * v; });
        case Activation::elu:
            return map(1, [=](V v) { return v > T{0} ? v : a * expm1_of_negative<T>(v); });
        case Activation::softplus: {
            const T inverse = T{1} / a;
            return map(2, [=](V v) { return a * v > b ? v : softplus<T>(a * v) * inverse; });
        }
        case Activation::sigmoid:
            return map(1, [](V v) { return sigmoid<T>(v); });
        case Activation::tanh:
            return map(1, [](V v) { return tanh<T>(v); });
        case Activation::silu:
            return map(1, [](V v) { return v * sigmoid<T>(v); });
        case Activation::gelu:
            return map(2, [](V v) { return v * normal<T>(v).distribution; });
        case Activation::gelu_tanh:
            return map(1, [](V v) { return v * normal_cdf_by_tanh<T>(v); });
    }
}

template <class T>
void activation_backward(Activation f, T* dx, const T* dy, const T* x_or_y, T a, T b, Index n) {
    using V = Vector<T>;
    constexpr T one = 1;
    const auto map = [=](int functions, auto formula) {
        map_vectors(n, functions, formula, dx, dy, x_or_y);
    };
    switch (f) {
        case Activation::relu:
            return map(0, [](V d, V y) { return y <= T{0} ? V{} : d; });  // NaN lets dy through
        case Activation::leaky_relu:
            return map(0, [=](V d, V x) { return x > T{0} ? d : a * d; });
        case Activation::elu:
            return map(1, [=](V d, V x) { return x > T{0} ? d : d * a * exp<T>(x); });
        case Activation::softplus:
            return map(1, [=](V d, V x) { return a * x > b ? d : d * sigmoid<T>(a * x); });
        case Activation::sigmoid:
            return map(0, [](V d, V y) { return d * y * (one - y); });
        case Activation::tanh:
            return map(0, [](V d, V y) { return d * (one - y * y); });
        case Activation::silu:
            return map(1, [](V d, V x) {
                const V s = sigmoid<T>(x);
                return d * s * (one + x * (one - s));
            });
        case Activation::gelu:
            return map(2, [](V d, V x) {
                const Normal<T> at = normal<T>(x);
                return d * (at.distribution + x * at.density);
            });
        case Activation::gelu_tanh:
            return map(1, [](V d, V x) {
                const V s = normal_cdf_by_tanh<T>(x);
                const V two_du = 2 * gelu_c<T> * (one + 3 * gelu_k<T> * x * x);
                return d * s * (one + x * (one - s) * two_du);
            });
    }
}

template <class T>
void prelu_forward(T* y, const T* x, const T* slope, Index outer, Index channels, Index inner) {
    const auto body = [=](T* to, Index begin, Index end) {
        for (Index row = begin; row < end; ++row, to += inner) {
            const T s = slope[row % channels];
            const T* from = x + row * inner;
            for (Index i = 0; i < inner; ++i) to[i] = from[i] > T{0} ? from[i] : s * from[i];
        }
    };
    const Index rows = outer * channels;
    each_result(rows, inner, y, y == x, streaming<T>(rows * inner, 2), 1, body);
}

template <class T>
void prelu_backward(T* dx, T* dslope, const T* dy, const T* x, const T* slope, Index outer,
                    Index channels, Index inner) {
    using V = Vector<T>;
    // The gradient of a vector of x, and what it adds to that of the slope.
    const auto step = [](T* to, const T* d, const T* v, Index n, V s) {
        const V dv = load_padded(d, n, T{0}), xv = load_padded(v, n, T{0});
        store_first(to, n, xv > T{0} ? dv : s * dv);
        return xv > T{0} ? V{} : xv * dv;
    };
    // Threads split the channels, so that each sum runs over its elements in order.
    const auto body = [=](Index begin, Index end) {
        for (Index o = 0; o < outer; ++o) {
            const Index first = o * channels * inner;
            if (inner == 1) {
                for (Index c = begin; c < end; c += lanes<T>) {
                    const Index i = first + c, n = end - c;
                    const V sum = step(dx + i, dy + i, x + i, n, load_padded(slope + c, n, T{0}));
                    store_first(dslope + c, n, load_padded(dslope + c, n, T{0}) + sum);
                }
                continue;
            }
            for (Index c = begin; c < end; ++c) {
                V sum = {};
                for (Index i = 0; i < inner; i += lanes<T>) {
                    const Index at = first + c * inner + i;
                    sum += step(dx + at, dy + at, x + at, inner - i, V{} + slope[c]);
                }
                dslope[c] += sum_of_lanes<T>(sum);
            }
        }
    };
    parallel_ranges(channels, streaming<T>(outer * channels * inner, 3), body,
                    larger(16, wide_share<T> / larger(1, inner)));
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
