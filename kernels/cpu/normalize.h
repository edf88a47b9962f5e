// Normalisation of channels and of rows: derived in src/layers/batch_norm.cpp and layer_norm.cpp.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/softmax.h"
#include "kernels/cpu/wide.h"

namespace handgrad::cpu::HANDGRAD_ISA {

// ---- channels --------------------------------------------------------------------------------

/// x as (outer, channels, inner).
struct Channels {
    Index outer, channels, inner;
    [[nodiscard]] Index count() const { return outer * inner; }  // elements of a channel
    [[nodiscard]] Index size() const { return outer * channels * inner; }
};

/// Channels that are worked on together: many, so that long pieces of x lie together.
inline constexpr Index most_channels = 256, most_of_runs = 64;
inline Index together(Channels size) {
    return size.inner == 1 ? most_channels : most_of_runs;
}

/// Elements of a piece that is long enough for the processor to look ahead in.
inline constexpr Index streamed_piece = 4096;

/// A number of each of the channels that are together, with room for a whole vector from any on.
template <class T>
struct OfChannels {
    T of[most_channels + lanes<T>] = {};

    /// For the elements of channel k, or of the channels from k on, one element each.
    [[gnu::always_inline]] [[nodiscard]] Vector<T> at(Index k, bool one_each) const {
        return one_each ? load(of + k) : Vector<T>{} + of[k];
    }
};

/// body(images, first, n) for channels [first, first + n) of some, `most` or less.
template <class Body>
void each_channels(Range images, Range channels, Index most, Body body) {
    for (Index first = channels.begin; first < channels.end; first += most)
        body(images, first, smaller(most, channels.end - first));
}

/// The same for all; threads share out the channels.
template <class Body>
void share_channels(Channels size, Cost cost, Index most, Body body) {
    constexpr Index cache_line = 16;
    const auto range = [=](Index begin, Index end) {
        each_channels({0, size.outer}, {begin, end}, most, body);
    };
    parallel_ranges(size.channels, cost, range, larger(1, cache_line / larger(1, size.inner)));
}

/// The same; threads share out the images where there are some, for what is written. A core fetches
/// what comes after the lines that it writes, and would take another thread's channels of each
/// image.
template <class Body>
void share_images(Channels size, Cost cost, Body body) {
    constexpr Index some = 8;
    if (size.outer < some) return share_channels(size, cost, together(size), body);
    const auto range = [=](Index begin, Index end) {
        each_channels({begin, end}, {0, size.channels}, together(size), body);
    };
    parallel_ranges(size.outer, cost, range, 1);
}

/// f(k, one_each, j, left) for vectors of elements j, j + 1, .. of channel first + k in some
/// images: `left` of them are asked for, which may be more than a vector's. Where inner is 1,
/// one_each: they are of the channels from there on.
template <class F>
[[gnu::always_inline]] inline void each_element(Range images, Index first, Index n, Channels size,
                                                int step, F f) {
    for (Index o = images.begin; o < images.end; ++o) {
        const Index begin = (o * size.channels + first) * size.inner;
        if (size.inner == 1) {
            for (Index k = 0; k < n; k += step) f(k, true, begin + k, n - k);
        } else {
            for (Index k = 0; k < n; ++k)
                for (Index i = 0; i < size.inner; i += step)
                    f(k, false, begin + k * size.inner + i, size.inner - i);
        }
    }
}

/// sums[s].of[k] = sum of f(o, k, one_each, j, left).term[s] over the elements of channel first +
/// k, k < n, with the arguments of each_element. Whatever channels are together, each sum has the
/// same order.
template <class T, int count, class F>
[[gnu::always_inline]] inline void sum_channels(OfChannels<double> (&sums)[count], Index first,
                                                Index n, Channels size, F f) {
    if (size.inner == 1) {
        for (int s = 0; s < count; ++s) sums[s] = {};
        for (Index o = 0; o < size.outer; ++o)
            for (Index k = 0; k < n; k += lanes<T>) {
                const Terms<T, count> t = f(o, k, true, o * size.channels + first + k, n - k);
                for (int s = 0; s < count; ++s)
                    for (int i = 0; i < Wide<T>::parts; ++i) {
                        double* const sum = sums[s].of + k + i * lanes<double>;
                        store(sum, load(sum) + t.term[s].part[i]);
                    }
            }
        return;
    }
    Sums<T, count> channel[most_of_runs];
    for (Index o = 0; o < size.outer; ++o)
        for (Index k = 0; k < n; ++k) {
            const Index begin = (o * size.channels + first + k) * size.inner;
            channel[k].add(size.inner,
                           [=](Index i, Index left) { return f(o, k, false, begin + i, left); });
        }
    for (int s = 0; s < count; ++s)
        for (Index k = 0; k < n; ++k) sums[s].of[k] = channel[k][s];
}

// ---- batch normalisation ---------------------------------------------------------------------

/// Var of d, from the means of d^2 and d. Rounding may take it below 0. NaN passes.
template <class T>
[[gnu::always_inline]] inline T variance(double of_squares, double of_d) {
    const double v = of_squares - of_d * of_d;
    return static_cast<T>(v < 0 ? 0 : v);
}

/// In one pass, over d = x - shift, where shift is the mean of the channel's first 16 numbers or
/// more. Then var = mean of d^2 - (mean of d)^2 cancels little, whatever the mean: those numbers
/// alone make var at least (mean of d)^2 times their share of all.
template <class T>
void channel_moments(T* mean, T* var, const T* x, Channels size) {
    const double count = static_cast<double>(size.count());
    // In the next sample, or half a page ahead where a piece is long.
    const Index piece = smaller(size.channels, together(size)) * size.inner;
    const Index ahead = ahead_of<T>(piece > streamed_piece ? 0 : size.channels * size.inner);
    const auto body = [=](Range, Index first, Index n) {
        OfChannels<T> shift;
        const Channels some = {smaller(size.outer, larger(1, 16 / size.inner)), size.channels,
                               size.inner};
        OfChannels<double> of_some[1];
        sum_channels<T>(of_some, first, n, some, [=](Index, Index, bool, Index j, Index left) {
            return Terms<T, 1>{widen(load_padded(x + j, left, T{0}))};
        });
        for (Index k = 0; k < n; ++k)
            shift.of[k] = static_cast<T>(of_some[0].of[k] / static_cast<double>(some.count()));
        OfChannels<double> sums[2];  // of d and d^2
        sum_channels<T>(
            sums, first, n, size, [=, &shift](Index, Index k, bool one_each, Index j, Index left) {
                // Exact wherever that counts: where x is far from 0, it is near the shift.
                const Wide<T> d =
                    widen(load_padded(x + j, left, shift.of[k]) - shift.at(k, one_each));
                prefetch(x + j + ahead);
                return Terms<T, 2>{d, d * d};
            });
        for (Index k = 0; k < n; ++k) {
            const double d = sums[0].of[k] / count;
            mean[first + k] = static_cast<T>(double{shift.of[k]} + d);
            var[first + k] = variance<T>(sums[1].of[k] / count, d);
        }
    };
    share_channels(size, streaming<T>(size.size(), 1), together(size), body);
}

template <class T>
void moving_average(T* average, const T* x, T keep, T gain, Index n) {
    map_vectors(
        n, 0, [=](Vector<T> a, Vector<T> v) { return keep * a + gain * v; }, average, average, x);
}

template <class T>
void batch_norm_forward(T* y, const T* x, const T* mean, const T* var, const T* weight,
                        const T* bias, T eps, Channels size) {
    const auto body = [=](Range images, Index first, Index n) {
        OfChannels<T> m, scale, shift;
        for (Index k = 0; k < n; ++k) {
            const Index c = first + k;
            m.of[k] = mean[c];
            scale.of[k] = (weight != nullptr ? weight[c] : T{1}) / sqrt(var[c] + eps);
            shift.of[k] = bias != nullptr ? bias[c] : T{0};
        }
        // Not x scale + (shift - m scale), which loses digits where the mean is large.
        each_element(images, first, n, size, lanes<T>,
                     [&, y, x](Index k, bool one_each, Index j, Index left) {
                         prefetch_ahead(x + j);
                         prefetch_ahead(y + j);
                         store_first(y + j, left,
                                     (load_padded(x + j, left, T{0}) - m.at(k, one_each)) *
                                             scale.at(k, one_each) +
                                         shift.at(k, one_each));
                     });
    };
    share_images(size, streaming<T>(size.size(), 2), body);
}

template <class T>
void batch_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                         const T* var, const T* weight, T eps, bool of_batch, Channels size) {
    const double count = static_cast<double>(size.count());
    const Index ahead = ahead_of<T>(size.channels * size.inner);  // in the next sample
    const auto rstd_of = [=](Index c) { return T{1} / sqrt(var[c] + eps); };
    T* const mean_dy = static_cast<T*>(
        scratch(Scratch::partial_sums, static_cast<std::size_t>(2 * size.channels) * sizeof(T)));
    T* const mean_dy_xn = mean_dy + size.channels;
    const auto sum = [=](Range, Index first, Index n) {
        OfChannels<T> m;
        for (Index k = 0; k < n; ++k) m.of[k] = mean[first + k];
        OfChannels<double> sums[2];  // of dy and dy (x - mean)
        sum_channels<T>(
            sums, first, n, size, [&, dy, x](Index, Index k, bool one_each, Index j, Index left) {
                const Wide<T> d = load_wide(dy + j, left);
                const Wide<T> from_mean = widen(load_padded(x + j, left, T{0}) - m.at(k, one_each));
                prefetch(x + j + ahead);
                prefetch(dy + j + ahead);
                return Terms<T, 2>{d, d * from_mean};
            });
        for (Index k = 0; k < n; ++k) {
            const double of_dy = sums[0].of[k];
            const double of_dy_xn = sums[1].of[k] * double{rstd_of(first + k)};
            if (weight != nullptr) {
                dweight[first + k] += static_cast<T>(of_dy_xn);
                dbias[first + k] += static_cast<T>(of_dy);
            }
            mean_dy[first + k] = of_batch ? static_cast<T>(of_dy / count) : T{0};
            mean_dy_xn[first + k] = of_batch ? static_cast<T>(of_dy_xn / count) : T{0};
        }
    };
    const auto finish = [=](Range images, Index first, Index n) {
        OfChannels<T> m, rstd, scale, of_dy, of_dy_xn;
        for (Index k = 0; k < n; ++k) {
            const Index c = first + k;
            m.of[k] = mean[c];
            rstd.of[k] = rstd_of(c);
            scale.of[k] = (weight != nullptr ? weight[c] : T{1}) * rstd.of[k];
            of_dy.of[k] = mean_dy[c];
            of_dy_xn.of[k] = mean_dy_xn[c];
        }
        each_element(images, first, n, size, lanes<T>,
                     [&, dx, dy, x](Index k, bool one_each, Index j, Index left) {
                         prefetch_ahead(x + j);
                         prefetch_ahead(dy + j);
                         prefetch_ahead(dx + j);
                         const Vector<T> xn = (load_padded(x + j, left, T{0}) - m.at(k, one_each)) *
                                              rstd.at(k, one_each);
                         store_first(dx + j, left,
                                     scale.at(k, one_each) *
                                         (load_padded(dy + j, left, T{0}) - of_dy.at(k, one_each) -
                                          xn * of_dy_xn.at(k, one_each)));
                     });
    };
    // Few channels at once are in cache still when they are finished right after their sums.
    if (size.channels * size.inner >= max_threads() * wide_share<T>)
        return share_channels(
            size, streaming<T>(size.size(), 3),
            larger(1, smaller(together(size), streamed_piece / larger(1, size.inner))),
            [=](Range images, Index first, Index n) {
                sum(images, first, n);
                finish(images, first, n);
            });
    share_channels(size, streaming<T>(size.size(), 2), together(size), sum);
    share_images(size, streaming<T>(size.size(), 3), finish);
}

// ---- layer normalisation ---------------------------------------------------------------------

/// Rows of few columns.
template <class T>
void layer_norm_short_rows(T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                           T eps, Index rows, Index cols) {
    const double share = 1 / static_cast<double>(cols);
    const auto body = [=](auto& columns, Index r) {
        auto& v = columns[0];
        // In one pass, as channel_moments, over the distance from the row's first number.
        const Vector<T> shift = v[0];
        Wide<T> sum = {}, squares = {};
        for (Index c = 1; c < cols; ++c) {
            const Wide<T> d = widen(v[c] - shift);
            sum = sum + d;
            squares = squares + d * d;
        }
        const Wide<T> d = sum * share, m = widen(shift) + d;
        const Vector<T> var = at_least(T{0}, narrow(squares * share - d * d));
        const Vector<T> mr = narrow(m), s = T{1} / sqrt_of<T>(var + eps);
        for (Index c = 0; c < cols; ++c)
            v[c] = (v[c] - mr) * s * (weight != nullptr ? weight[c] : T{1}) +
                   (bias != nullptr ? bias[c] : T{0});
        store_first(mean + r, rows - r, mr);
        store_first(rstd + r, rows - r, s);
    };
    map_short_rows(y, rows, cols, body, x);
}

/// to = (row - m) s weight + bias, of which `room` elements may be written.
template <class T>
void finish_normalized_row(T* to, Index room, const T* row, T m, T s, const T* weight,
                           const T* bias, Index cols) {
    for (Index c = 0; c < cols; c += lanes<T>) {
        const Index n = cols - c;
        Vector<T> v = (load_padded(row + c, n, T{0}) - m) * s;
        if (weight != nullptr) v *= load_padded(weight + c, n, T{0});
        if (bias != nullptr) v += load_padded(bias + c, n, T{0});
        prefetch_ahead(to + c);
        store_first(to + c, room - c, v);
        prefetch(row + c + ahead_of<T>(cols));
    }
}

template <class T>
void layer_norm_forward(T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps,
                        Index rows, Index cols) {
    const double count = static_cast<double>(cols);
    const auto body = [=](T* to, Index begin, Index end) {
        if (cols <= few_cols)
            return layer_norm_short_rows(to, mean + begin, rstd + begin, x + begin * cols, weight,
                                         bias, eps, end - begin, cols);
        for (Index r = begin; r < end; ++r, to += cols) {
            const T* row = x + r * cols;
            // In one pass, as channel_moments.
            constexpr Index some = 16;
            Vector<T> of_some = {};
            for (Index c = 0; c < some; c += lanes<T>) of_some += load(row + c);
            const T shift = sum_of_lanes<T>(of_some) / some;
            Sums<T, 2> sums;  // of d and d^2
            sums.add(cols, [=](Index c, Index n) {
                const Wide<T> d = widen(load_padded(row + c, n, shift) - shift);
                return Terms<T, 2>{d, d * d};
            });
            const double d = sums[0] / count;
            const T m = static_cast<T>(double{shift} + d);
            const T s = T{1} / sqrt(variance<T>(sums[1] / count, d) + eps);
            finish_normalized_row(to, (end - r) * cols, row, m, s, weight, bias, cols);
            mean[r] = m;
            rstd[r] = s;
        }
    };
    each_result(rows, cols, y, false, streaming<T>(rows * cols, 2), 1, body);
}

/// Sums over rows in each column: of dy, the gradient of the bias, and of dy xn, the weight's. Both
/// have room for whole vectors.
struct ColumnSums {
    double *dy, *dy_xn;
};

template <class T>
[[gnu::always_inline]] inline void add_to(double* sums, Wide<T> v) {
    for (int i = 0; i < Wide<T>::parts; ++i, sums += lanes<double>)
        store(sums, load(sums) + v.part[i]);
}

/// dx of rows of few columns, and what they add to the sums.
template <class T>
void layer_norm_backward_short_rows(T* dx, ColumnSums sums, const T* dy, const T* x, const T* mean,
                                    const T* rstd, const T* weight, Index rows, Index cols) {
    const double share = 1 / static_cast<double>(cols);
    Wide<T> of_dy[few_cols] = {}, of_dy_xn[few_cols] = {};
    const auto body = [&](auto& columns, Index r) {
        auto& [g, xn] = columns;
        const Vector<T> m = load_padded(mean + r, rows - r, T{0});
        const Vector<T> s = load_padded(rstd + r, rows - r, T{0});
        Wide<T> of_g = {}, of_g_xn = {};
        for (Index c = 0; c < cols; ++c) {
            const T w = weight != nullptr ? weight[c] : T{1};
            xn[c] = (xn[c] - m) * s;
            const Wide<T> d = widen(g[c]), d_xn = d * widen(xn[c]);
            of_dy[c] = of_dy[c] + d;
            of_dy_xn[c] = of_dy_xn[c] + d_xn;
            of_g = of_g + d * double{w};
            of_g_xn = of_g_xn + d_xn * double{w};
            g[c] *= w;
        }
        const Vector<T> mean_g = narrow(of_g * share), mean_g_xn = narrow(of_g_xn * share);
        for (Index c = 0; c < cols; ++c) g[c] = s * (g[c] - mean_g - xn[c] * mean_g_xn);
    };
    map_short_rows(dx, rows, cols, body, dy, x);
    for (Index c = 0; c < cols; ++c) {
        sums.dy[c] += sum_of_wide(of_dy[c]);
        sums.dy_xn[c] += sum_of_wide(of_dy_xn[c]);
    }
}

/// The same where they are many.
template <class T>
void layer_norm_backward_long_rows(T* dx, ColumnSums sums, const T* dy, const T* x, const T* mean,
                                   const T* rstd, const T* weight, Index rows, Index cols) {
    const double count = static_cast<double>(cols);
    for (Index r = 0; r < rows; ++r, dx += cols, dy += cols, x += cols) {
        const T m = mean[r], s = rstd[r];
        const auto xn = [=](Index c, Index n) { return (load_padded(x + c, n, T{0}) - m) * s; };
        const auto g = [=](Index c, Index n) {
            const Vector<T> d = load_padded(dy + c, n, T{0});
            return weight != nullptr ? d * load_padded(weight + c, n, T{0}) : d;
        };
        Sums<T, 2> of_row;  // of g and g xn
        of_row.add(cols, [=](Index c, Index n) {
            const Wide<T> d = widen(g(c, n));
            return Terms<T, 2>{d, d * widen(xn(c, n))};
        });
        const T mean_g = static_cast<T>(of_row[0] / count);
        const T mean_g_xn = static_cast<T>(of_row[1] / count);
        const auto finish = [=](Index c, Index n) {
            const Vector<T> v = xn(c, n);
            const Wide<T> d = widen(load_padded(dy + c, n, T{0}));
            prefetch_ahead(dx + c);
            store_first(dx + c, n, s * (g(c, n) - mean_g - v * mean_g_xn));
            add_to<T>(sums.dy + c, d);
            add_to<T>(sums.dy_xn + c, d * widen(v));
            prefetch(dy + c + ahead_of<T>(cols));
            prefetch(x + c + ahead_of<T>(cols));
        };
        Index c = 0;
        for (; c + lanes<T> <= cols; c += lanes<T>) finish(c, lanes<T>);
        if (c < cols) finish(c, cols - c);
    }
}

template <class T>
void layer_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                         const T* rstd, const T* weight, Index rows, Index cols) {
    const Cost cost = streaming<T>(rows * cols, 3);
    const bool few = cols <= few_cols;
    const int parts = static_cast<int>(smaller(parts_of_sum(rows * cols), larger(1, rows)));
    const Index width = (cols + lanes<T> - 1) / lanes<T> * lanes<T>;
    double* const partial = static_cast<double*>(scratch(
        Scratch::partial_sums, static_cast<std::size_t>(2 * width * parts) * sizeof(double)));
    const auto body = [=](int part, Range range) {
        double* const of_part = partial + 2 * width * part;
        for (Index i = 0; i < 2 * width; ++i) of_part[i] = 0;
        const auto some = [=](T* to, Index begin, Index end) {
            const auto of_rows =
                few ? layer_norm_backward_short_rows<T> : layer_norm_backward_long_rows<T>;
            of_rows(to, ColumnSums{of_part, of_part + width}, dy + begin * cols, x + begin * cols,
                    mean + begin, rstd + begin, weight, end - begin, cols);
        };
        make_results(range.begin, range.end, cols, dx, beyond_caches(cost), some);
    };
    each_part(rows, parts, cost, body, few ? lanes<T> : 1);
    if (weight == nullptr) return;
    for (Index c = 0; c < cols; ++c) {
        double of_dy = 0, of_dy_xn = 0;
        for (int part = 0; part < parts; ++part) {
            of_dy += partial[2 * width * part + c];
            of_dy_xn += partial[2 * width * part + width + c];
        }
        dbias[c] += static_cast<T>(of_dy);
        dweight[c] += static_cast<T>(of_dy_xn);
    }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
