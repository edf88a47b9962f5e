// Pooling: a thread for each window forwards, for each pixel backwards. A pixel asks all windows
// that may hold it, so that no two threads add to one number.
#pragma once

#include "kernels/cuda/windows.h"

namespace handgrad::HANDGRAD_GPU {

/// visit(pixel) for each element of window (i, j) that lies in the image, row by row.
template <class Visit>
__device__ void each_element(const Windows& windows, Index i, Index j, Visit visit) {
    const WindowAxis &h = windows.h, &w = windows.w;
    for (Index kh = 0; kh < h.kernel; ++kh) {
        const Index row = element_of(h, i, kh);
        if (!contains(h, row)) continue;
        for (Index kw = 0; kw < w.kernel; ++kw) {
            const Index col = element_of(w, j, kw);
            if (contains(w, col)) visit(row * w.in + col);
        }
    }
}

/// visit(i, j) for each window (i, j) that holds a pixel.
template <class Visit>
__device__ void each_window(const Windows& windows, Index pixel, Visit visit) {
    const WindowAxis &h = windows.h, &w = windows.w;
    for (Index kh = h.kernel - 1; kh >= 0; --kh) {
        const Index i = window_of(h, pixel / w.in, kh);
        if (i < 0) continue;
        for (Index kw = w.kernel - 1; kw >= 0; --kw) {
            const Index j = window_of(w, pixel % w.in, kw);
            if (j >= 0) visit(i, j);
        }
    }
}

template <class T>
void max_pool2d_forward(T* y, std::int32_t* chosen, const T* x, Index planes,
                        const Windows& sizes) {
    const Windows windows = sizes;
    const Index P = windows.h.out * windows.w.out, pixels = windows.h.in * windows.w.in;
    each(planes * P, [=] __device__(Index out) {
        const T* const image = x + out / P * pixels;
        const Index p = out % P;
        Index best = -1;
        each_element(windows, p / windows.w.out, p % windows.w.out, [&](Index pixel) {
            const T v = image[pixel];
            if (best < 0 || v > image[best] || isnan(v)) best = pixel;
        });
        y[out] = image[best];
        chosen[out] = static_cast<std::int32_t>(best);
    });
}

template <class T>
void max_pool2d_backward(T* dx, const T* dy, const std::int32_t* chosen, Index planes,
                         const Windows& sizes) {
    const Windows windows = sizes;
    const Index P = windows.h.out * windows.w.out, pixels = windows.h.in * windows.w.in;
    each(planes * pixels, [=] __device__(Index in) {
        const Index out = in / pixels * P, pixel = in % pixels;
        T sum = 0;
        each_window(windows, pixel, [&](Index i, Index j) {
            const Index at = out + i * windows.w.out + j;
            if (chosen[at] == pixel) sum += dy[at];
        });
        dx[in] = sum;
    });
}

/// One over the elements that window i has along an axis.
template <class T>
__device__ T share_along(const WindowAxis& axis, Index i, bool count_padding) {
    if (count_padding) return T(1) / static_cast<T>(axis.kernel);
    Index inside = 0;
    for (Index k = 0; k < axis.kernel; ++k) inside += contains(axis, element_of(axis, i, k));
    return T(1) / static_cast<T>(inside);
}

template <class T>
__device__ T share_of(const Windows& windows, Index i, Index j, bool count_padding) {
    return share_along<T>(windows.h, i, count_padding) *
           share_along<T>(windows.w, j, count_padding);
}

template <class T>
void avg_pool2d_forward(T* y, const T* x, Index planes, const Windows& sizes, bool count_padding) {
    const Windows windows = sizes;
    const Index P = windows.h.out * windows.w.out, pixels = windows.h.in * windows.w.in;
    each(planes * P, [=] __device__(Index out) {
        const Index i = out % P / windows.w.out, j = out % windows.w.out;
        T sum = 0;
        each_element(windows, i, j, [&](Index pixel) { sum += x[out / P * pixels + pixel]; });
        y[out] = sum * share_of<T>(windows, i, j, count_padding);
    });
}

template <class T>
void avg_pool2d_backward(T* dx, const T* dy, Index planes, const Windows& sizes,
                         bool count_padding) {
    const Windows windows = sizes;
    const Index P = windows.h.out * windows.w.out, pixels = windows.h.in * windows.w.in;
    each(planes * pixels, [=] __device__(Index in) {
        T sum = 0;
        each_window(windows, in % pixels, [&](Index i, Index j) {
            sum += dy[in / pixels * P + i * windows.w.out + j] *
                   share_of<T>(windows, i, j, count_padding);
        });
        dx[in] = sum;
    });
}

}  // namespace handgrad::HANDGRAD_GPU
