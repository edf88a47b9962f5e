// Softmax of the rows of a matrix (rows, cols), and its logarithm.
#pragma once

#include "kernels/cpu/columns.h"
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/rows.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// The cost of rows * cols elements of each of `arrays` arrays, where each takes an exp.
template <class T>
Cost exp_of_each(Index rows, Index cols, int arrays) {
    return {.flops = rows * cols * function_flops,
            .bytes = rows * cols * arrays * Index{sizeof(T)}};
}

/// The sum over c < n of terms(c, n - c), which gives lanes<T> of them at once from c on, and zeros
/// beyond the end.
template <class T, class Terms>
[[gnu::always_inline]] inline T sum_over(Index n, Terms terms) {
    Vector<T> sum = {};
    Index c = 0;
    for (; c + lanes<T> <= n; c += lanes<T>) sum += terms(c, Index{lanes<T>});
    if (c < n) sum += terms(c, n - c);
    return sum_of_lanes<T>(sum);
}

/// max_c x[c], cols at least 1. Where there is a NaN, any number.
template <class T>
[[gnu::always_inline]] inline T highest_of(const T* x, Index cols) {
    Vector<T> highest = Vector<T>{} + x[0], second = highest;
    Index c = 0;
    for (; c + 2 * lanes<T> <= cols; c += 2 * lanes<T>) {
        highest = higher<T>(load(x + c), highest);
        second = higher<T>(load(x + c + lanes<T>), second);
    }
    for (; c < cols; c += lanes<T>)
        highest = higher<T>(load_padded(x + c, cols - c, x[0]), highest);
    return highest_lane<T>(higher<T>(highest, second));
}

/// logsumexp(x) = log sum_c exp(x[c]) = highest + log_sum, log_sum = log sum_c exp(x[c] - highest):
/// the sum contains exp(0) = 1, so that it neither overflows nor vanishes. In two parts, as
/// x[c] - logsumexp(x) = (x[c] - highest) - log_sum keeps digits which one number would lose.
template <class T>
struct LogSumExp {
    T highest, log_sum;
};

/// sum_c exp(x[c] - highest), and the terms to y where that is not null.
template <class T>
[[gnu::always_inline]] inline T sum_of_exp(T* y, const T* x, T highest, Index cols) {
    // Beyond the end exp(-infinity) = 0.
    constexpr T nothing = -static_cast<T>(__builtin_inf());
    return sum_over<T>(cols, [=](Index c, Index n) {
        const Vector<T> e = exp_of_negative<T>(load_padded(x + c, n, nothing) - highest);
        if (y != nullptr) {
            prefetch_ahead(y + c);
            store_first(y + c, n, e);
        }
        prefetch(x + c + ahead_of<T>(cols));
        return e;
    });
}

/// What softmax_rows makes of a row, beside its logsumexp.
enum class Rows { probabilities, logarithms };

/// softmax_rows of rows [begin, end) whose columns are many. The first result comes to y.
template <Rows make, class T, class Each>
void softmax_long_rows(T* y, const T* x, Index begin, Index end, Index cols, Each each) {
    for (Index r = begin; r < end; ++r, y += cols) {
        const T* from = x + r * cols;
        const T highest = highest_of(from, cols);
        T* terms = make == Rows::probabilities ? y : nullptr;
        const T sum = sum_of_exp(terms, from, highest, cols), inverse = T{1} / sum;
        const T log_sum = log<T>(Vector<T>{} + sum)[0];
        const auto finish = [=](Index c, Index n) {
            if constexpr (make == Rows::probabilities) {
                store_first(y + c, n, load_padded(y + c, n, T{0}) * inverse);
            } else {
                prefetch_ahead(y + c);
                store_first(y + c, n, (load_padded(from + c, n, T{0}) - highest) - log_sum);
            }
        };
        Index c = 0;
        for (; c + lanes<T> <= cols; c += lanes<T>) finish(c, lanes<T>);
        if (c < cols) finish(c, cols - c);
        each(r, LogSumExp<T>{highest, log_sum});
    }
}

/// The same where they are few.
template <Rows make, class T, class Each>
void softmax_short_rows(T* y, const T* x, Index begin, Index end, Index cols, Each each) {
    const auto body = [=](auto& columns, Index r) {
        Vector<T>(&v)[few_cols] = columns[0];
        Vector<T> highest = v[0], sum = {};
        for (Index c = 1; c < cols; ++c) highest = higher<T>(v[c], highest);
        for (Index c = 0; c < cols; ++c) {
            v[c] -= highest;
            const Vector<T> e = exp_of_negative<T>(v[c]);
            sum += e;
            if (make == Rows::probabilities) v[c] = e;
        }
        const Vector<T> inverse = T{1} / sum, log_sum = log<T>(sum);
        for (Index c = 0; c < cols; ++c)
            v[c] = make == Rows::probabilities ? v[c] * inverse : v[c] - log_sum;
        T highest_of[lanes<T>], log_sum_of[lanes<T>];
        store(highest_of, highest);
        store(log_sum_of, log_sum);
        for (Index i = 0; i < smaller(lanes<T>, end - begin - r); ++i)
            each(begin + r + i, LogSumExp<T>{highest_of[i], log_sum_of[i]});
    };
    map_short_rows(y, end - begin, cols, body, x + begin * cols);
}

// Bounds, for n columns and d = x[c] - highest, where numbers round by u of themselves at most. The
// rounding of d changes exp(d) by |d| u of itself, and exp's ulp is 2u. Their sum, at least 1, errs
// by (n / 2 + 2) u, as |d| exp(d) < 1/2, and by another u in each of n - 1 additions, in any order.
// Its inverse and the product round, and where exp(d) and they are denormal, 3/2 of the least:
//   |softmax - exact| <= (|d| + 1.5 n + 5) u exact + 1.5 denorm_min
// log makes an absolute error of the sum's and adds 2u of itself; d and the result round. With
// |exact| = |d| + log_sum that is
//   |log_softmax - exact| <= (3 |exact| + 1.5 n + 1) u

/// For each row of x, makes softmax(x) or its logarithms in y, and then calls
/// each(row, logsumexp(x)).
template <Rows make, class T, class Each>
void softmax_rows(T* y, const T* x, Index rows, Index cols, Each each) {
    if (cols == 0) return;
    const auto body = [=](T* to, Index begin, Index end) {
        if (cols <= few_cols)
            softmax_short_rows<make>(to, x, begin, end, cols, each);
        else
            softmax_long_rows<make>(to, x, begin, end, cols, each);
    };
    each_result(rows, cols, y, false, exp_of_each<T>(rows, cols, 2), 1, body);
}

template <class T>
void softmax_forward(T* y, const T* x, Index rows, Index cols) {
    softmax_rows<Rows::probabilities>(y, x, rows, cols, [](Index, LogSumExp<T>) {});
}

template <class T>
void softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) {
    const auto short_rows = [=](auto& columns, Index) {
        auto& [d, p] = columns;
        Vector<T> dot = {};
        for (Index c = 0; c < cols; ++c) dot += d[c] * p[c];
        for (Index c = 0; c < cols; ++c) d[c] = p[c] * (d[c] - dot);
    };
    const auto body = [=](T* to, Index begin, Index end) {
        if (cols <= few_cols)
            return map_short_rows(to, end - begin, cols, short_rows, dy + begin * cols,
                                  y + begin * cols);
        for (Index r = begin; r < end; ++r, to += cols) {
            const T *d = dy + r * cols, *p = y + r * cols;
            const T dot = sum_over<T>(cols, [=](Index c, Index n) {
                return load_padded(d + c, n, T{0}) * load_padded(p + c, n, T{0});
            });
            for (Index c = 0; c < cols; c += lanes<T>) {
                const Index left = (end - r) * cols - c;
                const Vector<T> v = load_padded(d + c, left, T{0}) - dot;
                store_first(to + c, left, load_padded(p + c, left, T{0}) * v);
            }
        }
    };
    each_result(rows, cols, dx, false, streaming<T>(rows * cols, 3), 1, body);
}

template <class T>
void log_softmax_forward(T* y, const T* x, Index rows, Index cols) {
    softmax_rows<Rows::logarithms>(y, x, rows, cols, [](Index, LogSumExp<T>) {});
}

template <class T>
void log_softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) {
    const auto short_rows = [=](auto& columns, Index) {
        auto& [d, p] = columns;
        Vector<T> sum = {};
        for (Index c = 0; c < cols; ++c) sum += d[c];
        for (Index c = 0; c < cols; ++c) d[c] -= exp<T>(p[c]) * sum;
    };
    const auto body = [=](T* to, Index begin, Index end) {
        if (cols <= few_cols)
            return map_short_rows(to, end - begin, cols, short_rows, dy + begin * cols,
                                  y + begin * cols);
        for (Index r = begin; r < end; ++r, to += cols) {
            const T *d = dy + r * cols, *p = y + r * cols;
            const T sum = sum_of_part(d, cols, [](Vector<T> v) { return v; });
            for (Index c = 0; c < cols; c += lanes<T>) {
                const Index left = (end - r) * cols - c;
                const Vector<T> e = exp<T>(load_padded(p + c, left, T{0}));
                store_first(to + c, left, load_padded(d + c, left, T{0}) - e * sum);
            }
        }
    };
    each_result(rows, cols, dx, false, exp_of_each<T>(rows, cols, 3), 1, body);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
