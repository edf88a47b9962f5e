// Pooling: windows over each plane (one channel of one sample), reduced to a number each.
//
// A row of windows is worked on as a whole: for each element of the kernel, over all windows whose
// element lies in the image. So the inner loops have no borders, and are vector code.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/windows.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Calls body(stride), the stride being known to the compiler where it is a usual one.
template <class Body>
[[gnu::always_inline]] inline void for_stride(Index stride, Body&& body) {
    if (stride == 1)
        body(Index{1});
    else if (stride == 2)
        body(Index{2});
    else
        body(stride);
}

/// For each element of the kernel that some window of row i has in the image: run(pixel, inside),
/// where window j of `inside` looks at pixel + j stride.
template <class Run>
[[gnu::always_inline]] inline void each_kernel_element(const Windows& windows, Index i, Run&& run) {
    const WindowAxis &h = windows.h, &w = windows.w;
    for (Index kh = 0; kh < h.kernel; ++kh) {
        const Index y = element_of(h, i, kh);
        if (!contains(h, y)) continue;
        for (Index kw = 0; kw < w.kernel; ++kw)
            run(y * w.in + element_of(w, 0, kw), windows_inside(w, kw));
    }
}

/// body(plane, pixels, out) for each plane: where it starts in the images and in the output.
template <class T, class Body>
void each_plane(Index planes, const Windows& windows, Body&& body) {
    const Index pixels = windows.h.in * windows.w.in, out = windows.h.out * windows.w.out;
    const Index reads = planes * out * windows.h.kernel * windows.w.kernel;
    parallel_ranges(
        planes, {.flops = 20 * reads, .bytes = planes * (pixels + out) * Index{sizeof(T)}},
        [&](Index begin, Index end) {
            for (Index plane = begin; plane < end; ++plane) body(plane * pixels, plane * out);
        },
        1);
}

template <class T>
void max_pool2d_forward(T* y, std::int32_t* chosen, const T* x, Index planes,
                        const Windows& windows) {
    each_plane<T>(planes, windows, [&](Index pixels, Index out) {
        const T* const image = x + pixels;
        const Index width = windows.w.out;
        for (Index i = 0; i < windows.h.out; ++i) {
            T* const best = y + out + i * width;
            std::int32_t* const best_at = chosen + out + i * width;
            for (Index j = 0; j < width; ++j) best_at[j] = -1;
            each_kernel_element(windows, i, [&](Index pixel, Range inside) {
                for_stride(windows.w.stride, [=](Index stride) {
                    for (Index j = inside.begin; j < inside.end; ++j) {
                        const T v = image[pixel + j * stride];
                        const bool better = best_at[j] < 0 || v > best[j] || __builtin_isnan(v);
                        best[j] = better ? v : best[j];
                        best_at[j] =
                            better ? static_cast<std::int32_t>(pixel + j * stride) : best_at[j];
                    }
                });
            });
        }
    });
}

template <class T>
void max_pool2d_backward(T* dx, const T* dy, const std::int32_t* chosen, Index planes,
                         const Windows& windows) {
    each_plane<T>(planes, windows, [&](Index pixels, Index out) {
        for (Index i = 0; i < windows.h.in * windows.w.in; ++i) dx[pixels + i] = 0;
        for (Index i = 0; i < windows.h.out * windows.w.out; ++i)
            dx[pixels + chosen[out + i]] += dy[out + i];
    });
}

/// One over the elements that window i has along an axis.
template <class T>
T share_along(const WindowAxis& axis, Index i, bool count_padding) {
    const Index begin = element_of(axis, i, 0), end = begin + axis.kernel;
    const Index inside = smaller(end, axis.in) - larger(begin, 0);
    return T{1} / static_cast<T>(count_padding ? axis.kernel : inside);
}

template <class T>
void avg_pool2d_forward(T* y, const T* x, Index planes, const Windows& windows,
                        bool count_padding) {
    each_plane<T>(planes, windows, [&](Index pixels, Index out) {
        const T* const image = x + pixels;
        const Index width = windows.w.out;
        for (Index i = 0; i < windows.h.out; ++i) {
            T* const mean = y + out + i * width;
            for (Index j = 0; j < width; ++j) mean[j] = 0;
            each_kernel_element(windows, i, [&](Index pixel, Range inside) {
                for_stride(windows.w.stride, [=](Index stride) {
                    for (Index j = inside.begin; j < inside.end; ++j)
                        mean[j] += image[pixel + j * stride];
                });
            });
            const T share = share_along<T>(windows.h, i, count_padding);
            for (Index j = 0; j < width; ++j)
                mean[j] *= share * share_along<T>(windows.w, j, count_padding);
        }
    });
}

template <class T>
void avg_pool2d_backward(T* dx, const T* dy, Index planes, const Windows& windows,
                         bool count_padding) {
    each_plane<T>(planes, windows, [&](Index pixels, Index out) {
        T* const image = dx + pixels;
        for (Index i = 0; i < windows.h.in * windows.w.in; ++i) image[i] = 0;
        const Index width = windows.w.out;
        T* const shares =
            static_cast<T*>(scratch(Scratch::columns, static_cast<std::size_t>(width) * sizeof(T)));
        for (Index i = 0; i < windows.h.out; ++i) {
            const T* const from = dy + out + i * width;
            const T share = share_along<T>(windows.h, i, count_padding);
            for (Index j = 0; j < width; ++j)
                shares[j] = from[j] * share * share_along<T>(windows.w, j, count_padding);
            each_kernel_element(windows, i, [&](Index pixel, Range inside) {
                for_stride(windows.w.stride, [=](Index stride) {
                    for (Index j = inside.begin; j < inside.end; ++j)
                        image[pixel + j * stride] += shares[j];
                });
            });
        }
    });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
