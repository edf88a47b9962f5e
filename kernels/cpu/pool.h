// Pooling: windows over each plane (one channel of one sample), reduced to a number each.
//
// Windows that lie side by side are worked on at once, one in each lane of a vector; where planes
// have few pixels, the same window of several planes.
#pragma once

#include "kernels/cpu/columns.h"
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

    /// f(k, v) for each element k of the windows in a row of the image: v has that of each window,
    /// `rest` for padding. Lanes beyond n are any numbers.
    template <class F>
    [[gnu::always_inline]] void each_element(const T* row, T rest, F f) const {
        const bool dense = axis_.dilation == 1;
        for (Index k = 0; k < axis_.kernel; ++k) {
            const T* const p = row + element_of(axis_, first_, k);
            if (axis_.stride == 1 && lies_inside(k, k) && end_ - p >= lanes<T>) {
                f(k, load(p));
            } else if (axis_.stride == 2 && dense && lies_inside(k, k + 1) &&
                       end_ - p >= 2 * lanes<T>) {
                prefetch_ahead(p);
                prefetch_ahead(p + lanes<T>);
                const Vector<T> v = load(p), w = load(p + lanes<T>);
                f(k, even_lanes<T>(v, w, LaneNumbers<T>{}));
                if (++k < axis_.kernel) f(k, odd_lanes<T>(v, w, LaneNumbers<T>{}));
            } else {
                f(k, one_by_one(row, k, rest));
            }
        }
    }

  private:
    /// Do elements k to last of all n windows?
    [[gnu::always_inline]] bool lies_inside(Index k, Index last) const {
        return element_of(axis_, first_, k) >= 0 &&
               element_of(axis_, first_ + n_ - 1, last) < axis_.in;
    }
    Vector<T> one_by_one(const T* row, Index k, T rest) const {
        T elements[lanes<T>] = {};
        for (Index lane = 0; lane < n_; ++lane) {
            const Index at = element_of(axis_, first_ + lane, k);
            elements[lane] = contains(axis_, at) ? row[at] : rest;
        }
        return load(elements);
    }

    WindowAxis axis_;
    Index first_, n_;
    const T* end_;
};

/// Are the windows pairs that lie side by side?
inline bool pairs(const WindowAxis& axis) {
    return axis.kernel == 2 && axis.stride == 2 && axis.dilation == 1 && axis.padding == 0;
}

/// body(windows), where the compiler knows those of 2x2, which are the commonest.
template <class Body>
[[gnu::flatten]] void with_known_windows(const Windows& windows, Body body) {
    const WindowAxis &h = windows.h, &w = windows.w;
    if (pairs(h) && pairs(w))
        body(Windows{{.in = h.in, .out = h.out, .kernel = 2, .stride = 2},
                     {.in = w.in, .out = w.out, .kernel = 2, .stride = 2}});
    else
        body(windows);
}

/// The first element of window i that lies in the image.
inline Index first_inside(const WindowAxis& axis, Index i) {
    Index element = element_of(axis, i, 0);
    while (element < 0) element += axis.dilation;
    return element;
}

inline Index pixels_of(const Windows& windows) {
    return windows.h.in * windows.w.in;
}
inline Index windows_of(const Windows& windows) {
    return windows.h.out * windows.w.out;
}

/// Planes that are worked on like rows of few columns, see columns.h.
inline bool few_pixels(const Windows& windows) {
    return pixels_of(windows) <= few_cols && windows_of(windows) <= few_cols;
}

/// On threads: body(windows, pixels, out) for each plane, where it starts in the images and in the
/// output. Where planes have few pixels, of_few(windows, pixels, out, planes) for lanes<T> planes
/// or the last ones.
template <class T, class Few, class Body>
void each_plane(Index planes, const Windows& windows, Few of_few, Body body) {
    const Index pixels = pixels_of(windows), out = windows_of(windows);
    const Index reads = planes * out * windows.h.kernel * windows.w.kernel;
    const bool few = few_pixels(windows);
    parallel_ranges(
        planes, {.flops = 20 * reads, .bytes = planes * (pixels + out) * Index{sizeof(T)}},
        [&](Index begin, Index end) {
            with_known_windows(windows, [&](const Windows& known) {
                for (Index plane = begin; plane < end; plane += few ? lanes<T> : 1)
                    if (few)
                        of_few(known, plane * pixels, plane * out, end - plane);
                    else
                        body(known, plane * pixels, plane * out);
            });
        },
        few ? lanes<T> : 1);
}

/// body(window, pixel) for each element of each window of a plane that lies in the image, window by
/// window.
template <class Body>
[[gnu::always_inline]] inline void each_window_element(const Windows& windows, Body body) {
    const WindowAxis &h = windows.h, &w = windows.w;
    for (Index i = 0; i < h.out; ++i)
        for (Index j = 0; j < w.out; ++j)
            for (Index kh = 0; kh < h.kernel; ++kh) {
                const Index row = element_of(h, i, kh);
                if (!contains(h, row)) continue;
                for (Index kw = 0; kw < w.kernel; ++kw) {
                    const Index column = element_of(w, j, kw);
                    if (contains(w, column)) body(i * w.out + j, row * w.in + column);
                }
            }
}

template <class T>
using Places = decltype(Vector<T>{} > Vector<T>{});  // integers as wide as T
template <class T>
using Place = decltype(+Places<T>{}[0]);

/// The greatest of the numbers that were seen, NaN if there was one, and the first place of it.
template <class T>
struct Greatest {
    Vector<T> value;
    Places<T> at;

    [[gnu::always_inline]] void see(Vector<T> v, Places<T> place) {
        const auto better = (v > value) | (v != v);  // NOLINT(misc-redundant-expression)
        value = better ? v : value;
        at = better ? place : at;
    }
};

template <class T>
[[gnu::always_inline]] inline void store_places(std::int32_t* to, Index n, Places<T> places) {
    if constexpr (sizeof(T) == sizeof(float)) {
        store_first(reinterpret_cast<float*>(to), n, reinterpret_cast<Vector<float>>(places));
    } else {
        for (Index lane = 0; lane < n; ++lane) to[lane] = static_cast<std::int32_t>(places[lane]);
    }
}

/// The first `planes` planes, or lanes<T> of them.
template <class T>
void max_pool_few_pixels(T* y, std::int32_t* chosen, const T* x, Index planes,
                         const Windows& windows) {
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    const Index out = windows_of(windows), w = windows.w.out;
    Vector<T> image[few_cols], best[few_cols], best_at[few_cols];
    load_columns(image, x, planes, pixels_of(windows));
    Greatest<T> greatest[few_cols];
    for (Index i = 0; i < out; ++i) {
        const Index start =
            first_inside(windows.h, i / w) * windows.w.in + first_inside(windows.w, i % w);
        greatest[i] = {Vector<T>{} + lowest, Places<T>{} + static_cast<Place<T>>(start)};
    }
    each_window_element(windows, [&](Index window, Index pixel) {
        greatest[window].see(image[pixel], Places<T>{} + static_cast<Place<T>>(pixel));
    });
    for (Index i = 0; i < out; ++i) {
        best[i] = greatest[i].value;
        best_at[i] = reinterpret_cast<Vector<T>>(greatest[i].at);
    }
    store_columns(y, best, planes, out);
    if constexpr (sizeof(T) == sizeof(float))
        return store_columns(reinterpret_cast<float*>(chosen), best_at, planes, out);
    for (Index plane = 0; plane < smaller(planes, lanes<T>); ++plane)
        for (Index i = 0; i < out; ++i)
            chosen[plane * out + i] = static_cast<std::int32_t>(greatest[i].at[plane]);
}

template <class T>
void max_pool2d_forward(T* y, std::int32_t* chosen, const T* x, Index planes,
                        const Windows& windows) {
    constexpr T lowest = -static_cast<T>(__builtin_inf());
    const T* const end = x + planes * pixels_of(windows);
    const WindowAxis& axis = windows.w;
    // The first column of each window that lies in the image, with room for a whole vector.
    auto* const starts = static_cast<Place<T>*>(
        scratch(Scratch::columns, static_cast<std::size_t>(axis.out + lanes<T>) * sizeof(T)));
    for (Index j = 0; j < axis.out + lanes<T>; ++j)
        starts[j] = j < axis.out ? static_cast<Place<T>>(first_inside(axis, j)) : 0;
    Places<T> column;
    for (int lane = 0; lane < lanes<T>; ++lane)
        column[lane] = static_cast<Place<T>>(lane * axis.stride);
    const auto of_few = [=](const Windows& known, Index pixels, Index out, Index some) {
        max_pool_few_pixels(y + out, chosen + out, x + pixels, some, known);
    };
    const auto body = [=](const Windows& known, Index pixels, Index out) {
        const WindowAxis &h = known.h, &w = known.w;
        const T* const image = x + pixels;
        for (Index j = 0; j < w.out; j += lanes<T>) {
            const Index n = smaller(lanes<T>, w.out - j);
            const WindowLanes<T> side_by_side(w, j, n, end);
            Places<T> start;
            __builtin_memcpy(&start, starts + j, sizeof(start));
            for (Index i = 0; i < h.out; ++i) {
                Greatest<T> greatest = {Vector<T>{} + lowest,
                                        start + static_cast<Place<T>>(first_inside(h, i) * w.in)};
                for (Index kh = 0; kh < h.kernel; ++kh) {
                    const Index row = element_of(h, i, kh);
                    if (!contains(h, row)) continue;
                    const auto see = [&](Index kw, Vector<T> v) {
                        const Index first = row * w.in + element_of(w, j, kw);
                        greatest.see(v, column + static_cast<Place<T>>(first));
                    };
                    side_by_side.each_element(image + row * w.in, lowest, see);
                }
                const Index at = out + i * w.out + j;
                prefetch_ahead(y + at);
                prefetch_ahead(chosen + at);
                store_first(y + at, n, greatest.value);
                store_places<T>(chosen + at, n, greatest.at);
            }
        }
    };
    each_plane<T>(planes, windows, of_few, body);
}

template <class T>
void max_pool2d_backward(T* dx, const T* dy, const std::int32_t* chosen, Index planes,
                         const Windows& windows) {
    const auto body = [&](const Windows&, Index pixels, Index out) {
        for (Index i = 0; i < pixels_of(windows); ++i) dx[pixels + i] = 0;
        for (Index i = 0; i < windows_of(windows); ++i) dx[pixels + chosen[out + i]] += dy[out + i];
    };
    const auto one_by_one = [&](const Windows&, Index pixels, Index out, Index some) {
        for (Index plane = 0; plane < smaller(some, lanes<T>); ++plane)
            body(windows, pixels + plane * pixels_of(windows), out + plane * windows_of(windows));
    };
    each_plane<T>(planes, windows, one_by_one, body);
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
    const T* const of_row = shares_along<T>(Scratch::gathered, windows.h, count_padding);
    const T* const of_column = shares_along<T>(Scratch::packed_a, windows.w, count_padding);
    const T* const end = x + planes * pixels_of(windows);
    const auto of_few = [=](const Windows& known, Index pixels, Index out, Index some) {
        Vector<T> image[few_cols], sums[few_cols] = {};
        load_columns(image, x + pixels, some, pixels_of(known));
        each_window_element(known,
                            [&](Index window, Index pixel) { sums[window] += image[pixel]; });
        for (Index i = 0; i < windows_of(known); ++i)
            sums[i] *= of_column[i % known.w.out] * of_row[i / known.w.out];
        store_columns(y + out, sums, some, windows_of(known));
    };
    const auto body = [=](const Windows& known, Index pixels, Index out) {
        const WindowAxis &h = known.h, &w = known.w;
        for (Index j = 0; j < w.out; j += lanes<T>) {
            const Index n = smaller(lanes<T>, w.out - j);
            const WindowLanes<T> side_by_side(w, j, n, end);
            const Vector<T> share = load_padded(of_column + j, n, T{0});
            for (Index i = 0; i < h.out; ++i) {
                Vector<T> sum = {};
                for (Index kh = 0; kh < h.kernel; ++kh) {
                    const Index row = element_of(h, i, kh);
                    if (!contains(h, row)) continue;
                    side_by_side.each_element(x + pixels + row * w.in, T{0},
                                              [&](Index, Vector<T> v) { sum += v; });
                }
                T* const to = y + out + i * w.out + j;
                prefetch_ahead(to);
                store_first(to, n, sum * (share * of_row[i]));
            }
        }
    };
    each_plane<T>(planes, windows, of_few, body);
}

/// Adds shares[j] to every element of window j in a row of the image.
template <class T>
void add_to_windows(T* __restrict image, Index row, const T* __restrict shares,
                    const WindowAxis& w) {
    T* const to = image + row * w.in;
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

/// Each lane of half a vector twice: 0 0 1 1 .. from the first half, or from the second.
template <class T, int half, int... lane>
[[gnu::always_inline]] inline Vector<T> each_twice(Vector<T> v,
                                                   std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(v, v, (half * lanes<T> / 2 + lane / 2)...);
}

/// Both elements of n pairs, of which lane j of v is the value of pair j.
template <class T>
[[gnu::always_inline]] inline void store_pairs(T* to, Index n, Vector<T> v) {
    prefetch_ahead(to);
    prefetch_ahead(to + lanes<T>);
    store_first(to, 2 * n, each_twice<T, 0>(v, LaneNumbers<T>{}));
    if (2 * n > lanes<T>)
        store_first(to + lanes<T>, 2 * n - lanes<T>, each_twice<T, 1>(v, LaneNumbers<T>{}));
}

template <class T>
void avg_pool2d_backward(T* dx, const T* dy, Index planes, const Windows& windows,
                         bool count_padding) {
    const T* const of_row = shares_along<T>(Scratch::gathered, windows.h, count_padding);
    const T* const of_column = shares_along<T>(Scratch::packed_a, windows.w, count_padding);
    const auto of_few = [=](const Windows& known, Index pixels, Index out, Index some) {
        Vector<T> image[few_cols] = {}, shares[few_cols];
        load_columns(shares, dy + out, some, windows_of(known));
        for (Index i = 0; i < windows_of(known); ++i)
            shares[i] *= of_column[i % known.w.out] * of_row[i / known.w.out];
        each_window_element(known,
                            [&](Index window, Index pixel) { image[pixel] += shares[window]; });
        store_columns(dx + pixels, image, some, pixels_of(known));
    };
    const auto body = [=](const Windows& known, Index pixels, Index out) {
        const WindowAxis &h = known.h, &w = known.w;
        T* const image = dx + pixels;
        if (pairs(h) && pairs(w) && h.in == 2 * h.out && w.in == 2 * w.out) {
            for (Index i = 0; i < h.out; ++i)
                for (Index j = 0; j < w.out; j += lanes<T>) {
                    const Index n = w.out - j;
                    const Vector<T> share = load_padded(of_column + j, n, T{0}) * of_row[i];
                    const Vector<T> v = load_padded(dy + out + i * w.out + j, n, T{0}) * share;
                    T* const to = image + 2 * i * w.in + 2 * j;
                    prefetch_ahead(dy + out + i * w.out + j);
                    store_pairs(to, smaller(n, lanes<T>), v);
                    store_pairs(to + w.in, smaller(n, lanes<T>), v);
                }
            return;
        }
        for (Index i = 0; i < pixels_of(known); ++i) image[i] = 0;
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
    };
    each_plane<T>(planes, windows, of_few, body);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
