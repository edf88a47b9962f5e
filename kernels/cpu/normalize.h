// Normalisation of channels and of rows: derived in src/layers/batch_norm.cpp and layer_norm.cpp.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"

namespace handgrad::cpu::HANDGRAD_ISA {

// ---- sums ------------------------------------------------------------------------------------

/// What one element adds to each of several sums.
template <int count>
struct Terms {
    double term[count];
};

/// Several sums in double, each in a fixed order: sixteen parts side by side, which is four vectors
/// of AVX2 and hides the latency of an addition, and then their sum.
template <int count>
class Sums {
  public:
    /// Adds f(0), ..., f(n-1), where f gives Terms<count>.
    template <class F>
    [[gnu::always_inline]] void add(Index n, F f) {
        Index i = 0;
        for (; i + wide <= n; i += wide)
            for (int j = 0; j < wide; ++j) add_at(j, f(i + j));
        for (int j = 0; i < n; ++i, ++j) add_at(j, f(i));
    }
    [[nodiscard]] double operator[](int s) const {
        double sum = 0;
        for (int j = 0; j < wide; ++j) sum += part_[s][j];
        return sum;
    }

  private:
    static constexpr int wide = 16;
    [[gnu::always_inline]] void add_at(int j, Terms<count> t) {
        for (int s = 0; s < count; ++s) part_[s][j] += t.term[s];
    }

    double part_[count][wide] = {};
};

/// x as (outer, channels, inner).
struct Channels {
    Index outer, channels, inner;
    [[nodiscard]] Index count() const { return outer * inner; }  // elements of a channel
    [[nodiscard]] Index size() const { return outer * channels * inner; }
};

/// Channels that are worked on together: many where each has one number in a row of x, so that
/// whole pieces of rows are read; few where a channel's own numbers follow one another, so that
/// they stay in cache between the passes over them.
inline constexpr Index most_channels = 256;

/// body(first, n) for channels [first, first + n), n at most most_channels, on threads.
template <class Body>
void each_channels(Channels size, Cost cost, Body body) {
    const Index together = larger(1, most_channels / larger(1, size.inner));
    const auto range = [=](Index begin, Index end) {
        for (; begin < end; begin += together) body(begin, smaller(together, end - begin));
    };
    constexpr Index cache_line = 16;
    parallel_ranges(size.channels, cost, range, larger(1, cache_line / larger(1, size.inner)));
}

/// f(o, k, j) for every element j of channel first + k, k < n, in the o-th part of x.
template <class F>
[[gnu::always_inline]] inline void each_element(Index first, Index n, Channels size, F f) {
    for (Index o = 0; o < size.outer; ++o) {
        const Index begin = (o * size.channels + first) * size.inner;
        if (size.inner == 1) {
            for (Index k = 0; k < n; ++k) f(o, k, begin + k);
        } else {
            for (Index k = 0; k < n; ++k)
                for (Index i = 0; i < size.inner; ++i) f(o, k, begin + k * size.inner + i);
        }
    }
}

/// sums[s][k] = sum of f(o, k, j).term[s] over the elements of channel first + k, k < n. Whatever
/// channels are together, each sum has the same order.
template <int count, class F>
[[gnu::always_inline]] inline void sum_channels(double (&sums)[count][most_channels], Index first,
                                                Index n, Channels size, F f) {
    if (size.inner == 1) {
        for (int s = 0; s < count; ++s)
            for (Index k = 0; k < n; ++k) sums[s][k] = 0;
        for (Index o = 0; o < size.outer; ++o)
            for (Index k = 0; k < n; ++k) {
                const Terms<count> t = f(o, k, o * size.channels + first + k);
                for (int s = 0; s < count; ++s) sums[s][k] += t.term[s];
            }
        return;
    }
    for (Index k = 0; k < n; ++k) {
        Sums<count> channel;
        for (Index o = 0; o < size.outer; ++o) {
            const Index begin = (o * size.channels + first + k) * size.inner;
            channel.add(size.inner, [=](Index i) { return f(o, k, begin + i); });
        }
        for (int s = 0; s < count; ++s) sums[s][k] = channel[s];
    }
}

// ---- batch normalisation ---------------------------------------------------------------------

template <class T>
void channel_moments(T* mean, T* var, const T* x, Channels size) {
    const double count = static_cast<double>(size.count());
    const auto body = [=](Index first, Index n) {
        double m[1][most_channels], squares[1][most_channels];
        sum_channels(m, first, n, size, [=](Index, Index, Index j) { return Terms<1>{x[j]}; });
        for (Index k = 0; k < n; ++k) m[0][k] /= count;
        sum_channels(squares, first, n, size, [x, &m](Index, Index k, Index j) {
            const double d = double{x[j]} - m[0][k];
            return Terms<1>{d * d};
        });
        for (Index k = 0; k < n; ++k) {
            mean[first + k] = static_cast<T>(m[0][k]);
            var[first + k] = static_cast<T>(squares[0][k] / count);
        }
    };
    each_channels(size, streaming<T>(size.size(), 2), body);
}

template <class T>
void moving_average(T* average, const T* x, T keep, T gain, Index n) {
    each<T>(n, 2, [=](Index i) { average[i] = keep * average[i] + gain * x[i]; });
}

template <class T>
void batch_norm_forward(T* y, const T* x, const T* mean, const T* var, const T* weight,
                        const T* bias, T eps, Channels size) {
    const auto body = [=](Index first, Index n) {
        T m[most_channels], scale[most_channels], shift[most_channels];
        for (Index k = 0; k < n; ++k) {
            const Index c = first + k;
            m[k] = mean[c];
            scale[k] = (weight != nullptr ? weight[c] : T{1}) / sqrt(var[c] + eps);
            shift[k] = bias != nullptr ? bias[c] : T{0};
        }
        // Not x scale + (shift - m scale), which loses digits where the mean is large.
        each_element(first, n, size, [&, y, x](Index, Index k, Index j) {
            y[j] = (x[j] - m[k]) * scale[k] + shift[k];
        });
    };
    each_channels(size, streaming<T>(size.size(), 2), body);
}

template <class T>
void batch_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                         const T* var, const T* weight, T eps, bool of_batch, Channels size) {
    const double count = static_cast<double>(size.count());
    const auto body = [=](Index first, Index n) {
        double sums[2][most_channels];  // of dy and dy xn
        T m[most_channels], rstd[most_channels], scale[most_channels];
        for (Index k = 0; k < n; ++k) {
            const Index c = first + k;
            m[k] = mean[c];
            rstd[k] = T{1} / sqrt(var[c] + eps);
            scale[k] = (weight != nullptr ? weight[c] : T{1}) * rstd[k];
        }
        sum_channels(sums, first, n, size, [&, dy, x](Index, Index k, Index j) {
            return Terms<2>{dy[j], double{dy[j]} * double{(x[j] - m[k]) * rstd[k]}};
        });
        T mean_dy[most_channels], mean_dy_xn[most_channels];
        for (Index k = 0; k < n; ++k) {
            if (weight != nullptr) {
                dweight[first + k] += static_cast<T>(sums[1][k]);
                dbias[first + k] += static_cast<T>(sums[0][k]);
            }
            mean_dy[k] = of_batch ? static_cast<T>(sums[0][k] / count) : T{0};
            mean_dy_xn[k] = of_batch ? static_cast<T>(sums[1][k] / count) : T{0};
        }
        each_element(first, n, size, [&, dx, dy, x](Index, Index k, Index j) {
            const T xn = (x[j] - m[k]) * rstd[k];
            dx[j] = scale[k] * (dy[j] - mean_dy[k] - xn * mean_dy_xn[k]);
        });
    };
    each_channels(size, streaming<T>(size.size(), 4), body);
}

// ---- layer normalisation ---------------------------------------------------------------------

template <class T>
void layer_norm_forward(T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps,
                        Index rows, Index cols) {
    const double count = static_cast<double>(cols);
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T* row = x + r * cols;
            T* out = y + r * cols;
            Sums<1> sum, squares;
            sum.add(cols, [=](Index c) { return Terms<1>{row[c]}; });
            const double m = sum[0] / count;
            squares.add(cols, [=](Index c) {
                const double d = double{row[c]} - m;
                return Terms<1>{d * d};
            });
            const T mr = static_cast<T>(m);
            const T s = T{1} / sqrt(static_cast<T>(squares[0] / count) + eps);
            for (Index c = 0; c < cols; ++c)
                out[c] = (row[c] - mr) * s * (weight != nullptr ? weight[c] : T{1}) +
                         (bias != nullptr ? bias[c] : T{0});
            mean[r] = mr;
            rstd[r] = s;
        }
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 2), body, 1);
}

template <class T>
void layer_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                         const T* rstd, const T* weight, Index rows, Index cols) {
    const double count = static_cast<double>(cols);
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T *row = x + r * cols, *drow = dy + r * cols;
            T* out = dx + r * cols;
            const T m = mean[r], s = rstd[r];
            const auto g = [=](Index c) {
                return weight != nullptr ? drow[c] * weight[c] : drow[c];
            };
            Sums<2> sums;  // of g and g xn
            sums.add(cols, [=](Index c) {
                return Terms<2>{g(c), double{g(c)} * double{(row[c] - m) * s}};
            });
            const T mean_g = static_cast<T>(sums[0] / count);
            const T mean_g_xn = static_cast<T>(sums[1] / count);
            for (Index c = 0; c < cols; ++c)
                out[c] = s * (g(c) - mean_g - (row[c] - m) * s * mean_g_xn);
        }
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 3), body, 1);
    if (weight == nullptr) return;
    // Columns are channels of one number in each row.
    const Channels size = {rows, cols, 1};
    const auto columns = [=](Index first, Index n) {
        double sums[2][most_channels];  // of dy and dy xn
        sum_channels(sums, first, n, size, [=](Index r, Index, Index j) {
            return Terms<2>{dy[j], double{dy[j]} * double{(x[j] - mean[r]) * rstd[r]}};
        });
        for (Index k = 0; k < n; ++k) {
            dweight[first + k] += static_cast<T>(sums[1][k]);
            dbias[first + k] += static_cast<T>(sums[0][k]);
        }
    };
    each_channels(size, streaming<T>(rows * cols, 2), columns);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
