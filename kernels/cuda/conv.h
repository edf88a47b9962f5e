// Convolution as three products, whose operands are read from where they lie: the columns of
// unfolded windows that kernels/cpu/conv.h makes are never made here. With K = (channels of a
// group) kernel_h kernel_w, P windows in a sample and O outputs of a group,
//
//   y       (O, N P)       = weight (O, K)    windows (K, N P)
//   dweight (O, K)         = dy (O, N P)      windows' (N P, K)
//   dx      (C, N pixels)  = weight' (C, O kernel)  dy of the windows that hold a pixel (O kernel,
//   N pixels)
//
// Each number of a result is one thread's sum in a fixed order. The groups are as many products,
// found by one launch, or by two where sums are found in parts.
#pragma once

#include "kernels/cuda/gemm.h"
#include "kernels/cuda/windows.h"

namespace handgrad::HANDGRAD_GPU {

/// What follows from the sizes. Samples, channels and outputs are those of this thread's group.
struct ConvGroups {
    Windows windows;
    Index n;
    Index first_group, groups;  // of this launch: all, but for very many
    Index C, O;                 // channels of a group, in and out
    Index all_C, all_O;         // of all groups
    Index kernel, P, pixels;    // elements of a window, of y and of x in one channel

    ConvGroups(const Conv2dSizes& s, Index first_group_)
        : windows(s.windows),
          n(s.n),
          first_group(first_group_),
          groups(s.groups - first_group_ < most_products ? s.groups - first_group_ : most_products),
          C(s.in_channels / s.groups),
          O(s.out_channels / s.groups),
          all_C(s.in_channels),
          all_O(s.out_channels),
          kernel(s.windows.h.kernel * s.windows.w.kernel),
          P(s.windows.h.out * s.windows.w.out),
          pixels(s.windows.h.in * s.windows.w.in) {}

    __device__ Index group() const { return first_group + product_number(); }
    /// Where channel c of a sample starts in x, and channel o in y.
    __device__ Index x_at(Index sample, Index c) const {
        return (sample * all_C + group() * C + c) * pixels;
    }
    __device__ Index y_at(Index sample, Index o) const {
        return (sample * all_O + group() * O + o) * P;
    }
    /// Element (c, kernel element) of output o's weight.
    __device__ Index weight_at(Index o, Index c_and_kernel) const {
        return (group() * O + o) * C * kernel + c_and_kernel;
    }
};

/// Number (window of all samples, k): x under element k = (channel, kh, kw) of the window.
template <class T>
struct WindowElements {
    ConvGroups v;
    const T* x;
    bool window_first;  // (window, k); else (k, window)

    __device__ T at(Index i, Index j) const {
        const Index window = window_first ? i : j, k = window_first ? j : i;
        const WindowAxis &h = v.windows.h, &w = v.windows.w;
        const Index sample = window / v.P, p = window % v.P;
        const Index c = k / v.kernel, kh = k / w.kernel % h.kernel, kw = k % w.kernel;
        const Index row = element_of(h, p / w.out, kh), col = element_of(w, p % w.out, kw);
        if (!contains(h, row) || !contains(w, col)) return T(0);
        return x[v.x_at(sample, c) + row * w.in + col];
    }
    /// Neighbouring windows are near each other in x.
    __device__ bool k_is_fast() const { return !window_first; }
};

/// Number (o, window of all samples): dy.
template <class T>
struct WindowGradients {
    ConvGroups v;
    const T* dy;

    __device__ T at(Index o, Index window) const {
        return dy[v.y_at(window / v.P, o) + window % v.P];
    }
    __device__ bool k_is_fast() const { return true; }
};

/// Number (o, k): the weight.
template <class T>
struct WeightOfOutput {
    ConvGroups v;
    const T* weight;

    __device__ T at(Index o, Index k) const { return weight[v.weight_at(o, k)]; }
    __device__ bool k_is_fast() const { return true; }
};

/// Number (c, (o, kh, kw)): the weight.
template <class T>
struct WeightOfInput {
    ConvGroups v;
    const T* weight;

    __device__ T at(Index c, Index k) const {
        return weight[v.weight_at(k / v.kernel, c * v.kernel + k % v.kernel)];
    }
    __device__ bool k_is_fast() const { return true; }
};

/// Number (pixel of all samples, (o, kh, kw)): dy of the window whose element (kh, kw) the pixel
/// is.
template <class T>
struct GradientsOfPixel {
    ConvGroups v;
    const T* dy;

    __device__ T at(Index pixel, Index k) const {
        const WindowAxis &h = v.windows.h, &w = v.windows.w;
        const Index sample = pixel / v.pixels, i = pixel % v.pixels;
        const Index o = k / v.kernel, kh = k / w.kernel % h.kernel, kw = k % w.kernel;
        const Index row = window_of(h, i / w.in, kh), col = window_of(w, i % w.in, kw);
        if (row < 0 || col < 0) return T(0);
        return dy[v.y_at(sample, o) + row * w.out + col];
    }
    __device__ bool k_is_fast() const { return false; }
};

template <class T>
void conv2d_forward(T* y, const T* x, const T* weight, const T* bias, const Conv2dSizes& s) {
    for (Index first = 0; first < s.groups; first += most_products) {
        const ConvGroups v(s, first);
        const Index K = v.C * v.kernel;
        product<T>(
            v.O, v.n * v.P, K, WeightOfOutput<T>{v, weight}, WindowElements<T>{v, x, true},
            [=] __device__(Index o, Index window, T sum) {
                if (bias != nullptr) sum += bias[v.group() * v.O + o];
                y[v.y_at(window / v.P, o) + window % v.P] = sum;
            },
            v.groups);
    }
}

template <class T>
void conv2d_backward_input(T* dx, const T* dy, const T* weight, const Conv2dSizes& s) {
    for (Index first = 0; first < s.groups; first += most_products) {
        const ConvGroups v(s, first);
        product<T>(
            v.C, v.n * v.pixels, v.O * v.kernel, WeightOfInput<T>{v, weight},
            GradientsOfPixel<T>{v, dy},
            [=] __device__(Index c, Index pixel, T sum) {
                dx[v.x_at(pixel / v.pixels, c) + pixel % v.pixels] = sum;
            },
            v.groups);
    }
}

template <class T>
void conv2d_backward_weight(T* dweight, T* dbias, const T* dy, const T* x, const Conv2dSizes& s) {
    for (Index first = 0; first < s.groups; first += most_products) {
        const ConvGroups v(s, first);
        product<T>(
            v.O, v.C * v.kernel, v.n * v.P, WindowGradients<T>{v, dy},
            WindowElements<T>{v, x, false},
            [=] __device__(Index o, Index k, T sum) { dweight[v.weight_at(o, k)] += sum; },
            v.groups);
    }
    if (dbias == nullptr) return;
    const Index planes = s.out_channels, P = s.windows.h.out * s.windows.w.out, n = s.n;
    each_block(planes, n * P, [=] __device__(Index o) {
        T sum = 0;
        for (Index i = threadIdx.x; i < n * P; i += blockDim.x)
            sum += dy[(i / P * planes + o) * P + i % P];
        sum = block_sum(sum);
        if (threadIdx.x == 0) dbias[o] += sum;
    });
}

}  // namespace handgrad::HANDGRAD_GPU
