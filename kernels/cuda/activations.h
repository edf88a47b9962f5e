// Activations: their formulas and derivatives stand in src/layers/activations.h. Which one it is,
// is asked in the kernel: all threads go the same way, and memory is what bounds them.
#pragma once

#include "kernels/cuda/math.h"

namespace handgrad::HANDGRAD_GPU {

template <class T>
__device__ T activation(Activation f, T x, T a, T b) {
    switch (f) {
        case Activation::relu:
            return x < T(0) ? T(0) : x;  // lets NaN through: a broken layer must stay visible
        case Activation::leaky_relu:
            return x > T(0) ? x : a * x;
        case Activation::elu:
            return x > T(0) ? x : a * expm1(x);
        case Activation::softplus:
            return a * x > b ? x : softplus(a * x) / a;
        case Activation::sigmoid:
            return sigmoid(x);
        case Activation::tanh:
            return tanh(x);
        case Activation::silu:
            return x * sigmoid(x);
        case Activation::gelu:
            return x * normal_cdf(x);
        case Activation::gelu_tanh:
            return x * normal_cdf_by_tanh(x);
    }
    return x;
}

/// f'(x), from y = f(x) where backend.h says so.
template <class T>
__device__ T activation_slope(Activation f, T x_or_y, T a, T b) {
    constexpr T one = 1;
    const T x = x_or_y, y = x_or_y;
    switch (f) {
        case Activation::relu:
            return y > T(0) ? one : T(0);
        case Activation::leaky_relu:
            return x > T(0) ? one : a;
        case Activation::elu:
            return x > T(0) ? one : a * exp(x);
        case Activation::softplus:
            return a * x > b ? one : sigmoid(a * x);
        case Activation::sigmoid:
            return y * (one - y);
        case Activation::tanh:
            return one - y * y;
        case Activation::silu: {
            const T s = sigmoid(x);
            return s * (one + x * (one - s));
        }
        case Activation::gelu:
            return normal_cdf(x) + x * normal_pdf(x);
        case Activation::gelu_tanh: {
            const T s = normal_cdf_by_tanh(x);
            return s * (one + x * (one - s) * normal_cdf_by_tanh_slope(x));
        }
    }
    return one;
}

template <class T>
void activation_forward(Activation f, T* y, const T* x, T a, T b, Index n) {
    each(n, [=] __device__(Index i) { y[i] = activation(f, x[i], a, b); });
}

template <class T>
void activation_backward(Activation f, T* dx, const T* dy, const T* x_or_y, T a, T b, Index n) {
    if (f == Activation::relu)  // 0, also of a dy that is not finite
        each(n, [=] __device__(Index i) { dx[i] = x_or_y[i] <= T(0) ? T(0) : dy[i]; });
    else
        each(n, [=] __device__(Index i) { dx[i] = dy[i] * activation_slope(f, x_or_y[i], a, b); });
}

template <class T>
void prelu_forward(T* y, const T* x, const T* slope, Index outer, Index channels, Index inner) {
    each(outer * channels * inner, [=] __device__(Index i) {
        y[i] = x[i] > T(0) ? x[i] : slope[i / inner % channels] * x[i];
    });
}

template <class T>
void prelu_backward(T* dx, T* dslope, const T* dy, const T* x, const T* slope, Index outer,
                    Index channels, Index inner) {
    each_block(channels, outer * inner, [=] __device__(Index c) {
        const T s = slope[c];
        T sum = 0;
        for (Index k = threadIdx.x; k < outer * inner; k += blockDim.x) {
            const Index i = (k / inner * channels + c) * inner + k % inner;
            const T d = dy[i];
            dx[i] = x[i] > T(0) ? d : s * d;
            sum += x[i] > T(0) ? T(0) : x[i] * d;
        }
        sum = block_sum(sum);
        if (threadIdx.x == 0) dslope[c] += sum;
    });
}

}  // namespace handgrad::HANDGRAD_GPU
