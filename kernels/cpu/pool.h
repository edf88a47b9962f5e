// Pooling: windows over each plane (one channel of one sample), reduced to a number each.
//
// Windows that lie side by side are worked on at once, one in each lane of a vector.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/windows.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// n <= lanes<T> windows from window `first` of an axis on, one in each lane.
template <class T>
class WindowLanes {
  public:
    /// `end` is that of all images.
    WindowLanes(const WindowAxis& axis, Index first, Index n, const T* end)
        : axis_(axis), first_(first), n_(n), end_(end) {}

    /// Element k of each window in a row of the image; `rest` for padding. Lanes beyond n are any
    /// numbers.
    [[gnu::always_inline]] Vector<T> load(const T* row, Index k, T rest) const {
        const Index stride = axis_.stride, begin = element_of(axis_, first_, k);
        const T* const p = row + begin;
        if (stride <= 2 && begin >= 0 && begin + (n_ - 1) * stride < axis_.in &&
            end_ - p >= stride * lanes<T>) {
            const Vector<T> v = HANDGRAD_ISA::load(p);
            if (stride == 1) return v;
            return even_lanes<T>(v, HANDGRAD_ISA::load(p + lanes<T>), LaneNumbers<T>{});
        }
        T elements[lanes<T>] = {};
        for (Index lane = 0; lane < n_; ++lane) {
            const Index at = begin + lane * stride;
            elements[lane] = contains(axis_, at) ? row[at] : rest;
        }
        return HANDGRAD_ISA::load(elements);
    }

  private:
    WindowAxis axis_;
    Index first_, n_;
    const T* end_;
};

/// The first element of window i that lies in the image.
inline Index first_inside(const WindowAxis& axis, Index i) {
    Index element = element_of(axis, i, 0);
    while (element < 0) element += axis.dilation;
    return element;
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

template <class Places>
[[gnu::always_inline]] inline void store_places(std::int32_t* to, Index n, Places places) {
    if constexpr (sizeof(places[0]) == sizeof(float)) {
        store_first(reinterpret_cast<float*>(to), n, reinterpret_cast<Vector<float>>(places));
    } else {
        for (Index lane = 0; lane < n; ++lane) to[lane] = static_cast<std::int32_t>(places[lane]);
    }
}

template <class T>
void max_pool2d_forward(T* y, std::int32_t* chosen, const T* x, Index planes,
                        const Windows& windows) {
    using Places = decltype(Vector<T>{} > Vector<T>{});  // integers as wide as T
    using Place = decltype(+Places{}[0]);
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    const WindowAxis &h = windows.h, &w = windows.w;
    const T* const end = x + planes * h.in * w.in;
    each_plane<T>(planes, windows, [&](Index pixels, Index out) {
        const T* const image = x + pixels;
        for (Index j = 0; j < w.out; j += lanes<T>) {
            const Index n = smaller(lanes<T>, w.out - j);
            const WindowLanes<T> side_by_side(w, j, n, end);
            struct {
                Place of[lanes<T>];
            } columns = {}, starts = {};
            for (Index lane = 0; lane < n; ++lane) {
                columns.of[lane] = static_cast<Place>(lane * w.stride);
                starts.of[lane] = static_cast<Place>(first_inside(w, j + lane));
            }
            const Places column = __builtin_bit_cast(Places, columns);
            const Places start = __builtin_bit_cast(Places, starts);
            for (Index i = 0; i < h.out; ++i) {
                Vector<T> best = Vector<T>{} + lowest;
                Places best_at = start + static_cast<Place>(first_inside(h, i) * w.in);
                for (Index kh = 0; kh < h.kernel; ++kh) {
                    const Index row = element_of(h, i, kh);
                    if (!contains(h, row)) continue;
                    for (Index kw = 0; kw < w.kernel; ++kw) {
                        const Vector<T> v = side_by_side.load(image + row * w.in, kw, lowest);
                        const Index first = row * w.in + element_of(w, j, kw);
                        const auto better =
                            (v > best) | (v != v);  // NOLINT(misc-redundant-expression)
                        best = better ? v : best;
                        best_at = better ? column + static_cast<Place>(first) : best_at;
                    }
                }
                const Index at = out + i * w.out + j;
                store_first(y + at, n, best);
                store_places(chosen + at, n, best_at);
            }
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

/// One over the elements that each window has along an axis, in memory of this thread.
template <class T>
const T* shares_along(Scratch use, const WindowAxis& axis, bool count_padding) {
    T* const shares = static_cast<T*>(scratch(use, static_cast<std::size_t>(axis.out) * sizeof(T)));
    for (Index i = 0; i < axis.out; ++i) {
        Index inside = 0;
        for (Index k = 0; k < axis.kernel; ++k) inside += contains(axis, element_of(axis, i, k));
        shares[i] = T{1} / static_cast<T>(count_padding ? axis.kernel : inside);
    }
    return shares;
}

template <class T>
void avg_pool2d_forward(T* y, const T* x, Index planes, const Windows& windows,
                        bool count_padding) {
    const WindowAxis &h = windows.h, &w = windows.w;
    const T* const of_row = shares_along<T>(Scratch::gathered, h, count_padding);
    const T* const of_column = shares_along<T>(Scratch::packed_a, w, count_padding);
    const T* const end = x + planes * h.in * w.in;
    each_plane<T>(planes, windows, [&](Index pixels, Index out) {
        for (Index j = 0; j < w.out; j += lanes<T>) {
            const Index n = smaller(lanes<T>, w.out - j);
            const WindowLanes<T> side_by_side(w, j, n, end);
            const Vector<T> share = load_padded(of_column + j, n, T{0});
            for (Index i = 0; i < h.out; ++i) {
                Vector<T> sum = {};
                for (Index kh = 0; kh < h.kernel; ++kh) {
                    const Index row = element_of(h, i, kh);
                    if (!contains(h, row)) continue;
                    for (Index kw = 0; kw < w.kernel; ++kw)
                        sum += side_by_side.load(x + pixels + row * w.in, kw, T{0});
                }
                store_first(y + out + i * w.out + j, n, sum * (share * of_row[i]));
            }
        }
    });
}

/// Adds shares[j] to every element of window j in a row of the image.
template <class T>
void add_to_windows(T* __restrict image, Index row, const T* __restrict shares,
                    const WindowAxis& w) {
    T* const to = image + row * w.in;
    if (w.kernel == 2 && w.stride == 2 && w.dilation == 1 && w.padding == 0) {
        for (Index j = 0; j < w.out; ++j) {
            to[2 * j] += shares[j];
            to[2 * j + 1] += shares[j];
        }
        return;
    }
    for (Index k = 0; k < w.kernel; ++k) {
        const Range inside = windows_inside(w, k);
        const Index first = element_of(w, 0, k), stride = w.stride;
        if (stride == 1) {
            for (Index j = inside.begin; j < inside.end; ++j) to[first + j] += shares[j];
        } else {
            for (Index j = inside.begin; j < inside.end; ++j) to[first + j * stride] += shares[j];
        }
    }
}

template <class T>
void avg_pool2d_backward(T* dx, const T* dy, Index planes, const Windows& windows,
                         bool count_padding) {
    const WindowAxis &h = windows.h, &w = windows.w;
    const T* const of_row = shares_along<T>(Scratch::gathered, h, count_padding);
    const T* const of_column = shares_along<T>(Scratch::packed_a, w, count_padding);
    each_plane<T>(planes, windows, [&](Index pixels, Index out) {
        T* const image = dx + pixels;
        for (Index i = 0; i < h.in * w.in; ++i) image[i] = 0;
        T* const shares =
            static_cast<T*>(scratch(Scratch::columns, static_cast<std::size_t>(w.out) * sizeof(T)));
        for (Index i = 0; i < h.out; ++i) {
            const T* const from = dy + out + i * w.out;
            const T share = of_row[i];
            for (Index j = 0; j < w.out; ++j) shares[j] = from[j] * (of_column[j] * share);
            for (Index kh = 0; kh < h.kernel; ++kh) {
                const Index row = element_of(h, i, kh);
                if (contains(h, row)) add_to_windows(image, row, shares, w);
            }
        }
    });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
