// Softmax of the rows of a matrix (rows, cols), and its logarithm.
#pragma once

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
        if (y != nullptr) store_first(y + c, n, e);
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
            if constexpr (make == Rows::probabilities)
                store_first(y + c, n, load_padded(y + c, n, T{0}) * inverse);
            else
                store_first(y + c, n, (load_padded(from + c, n, T{0}) - highest) - log_sum);
        };
        Index c = 0;
        for (; c + lanes<T> <= cols; c += lanes<T>) finish(c, lanes<T>);
        if (c < cols) finish(c, cols - c);
        each(r, LogSumExp<T>{highest, log_sum});
    }
}

/// The first lanes<T> of `rows` rows at x, transposed: lane r of columns[c] is x[r, c]. Lanes and
/// columns beyond are any numbers.
template <class T>
[[gnu::always_inline]] inline void load_columns(Vector<T>* columns, const T* x, Index rows,
                                                Index cols) {
    for (Index c = 0; c < cols; c += lanes<T>) {
        Vector<T> tile[lanes<T>];
        HANDGRAD_UNROLL
        for (int r = 0; r < lanes<T>; ++r) {
            const Index left = (rows - r) * cols - c;
            tile[r] = left > 0 ? load_padded(x + r * cols + c, left, T{0}) : Vector<T>{};
        }
        transpose_blocks<T, lanes<T>>(tile);
        HANDGRAD_UNROLL
        for (int i = 0; i < lanes<T>; ++i) columns[c + i] = tile[i];
    }
}

/// The reverse: stores the first lanes<T> of `rows` rows at y, and loses the columns. What stands
/// in the row behind them, if there is one, may change.
template <class T>
[[gnu::always_inline]] inline void store_columns(T* y, Vector<T>* columns, Index rows, Index cols) {
    for (Index c = 0; c < cols; c += lanes<T>) {
        Vector<T> tile[lanes<T>];
        HANDGRAD_UNROLL
        for (int i = 0; i < lanes<T>; ++i) tile[i] = columns[c + i];
        transpose_blocks<T, lanes<T>>(tile);
        HANDGRAD_UNROLL
        for (int r = 0; r < lanes<T>; ++r) columns[c + r] = tile[r];
    }
    for (Index r = 0; r < smaller(lanes<T>, rows); ++r)
        for (Index c = 0; c < cols; c += lanes<T>)
            store_first(y + r * cols + c, (rows - r) * cols - c, columns[c + r]);
}

/// The same where they are few: lanes<T> rows at once, one in each lane.
template <Rows make, class T, class Each>
void softmax_short_rows(T* y, const T* x, Index begin, Index end, Index cols, Each each) {
    Vector<T> columns[few_cols];
    for (; begin < end; begin += lanes<T>, y += lanes<T> * cols) {
        load_columns(columns, x + begin * cols, end - begin, cols);
        Vector<T> highest = columns[0], sum = {};
        for (Index c = 1; c < cols; ++c) highest = higher<T>(columns[c], highest);
        for (Index c = 0; c < cols; ++c) {
            columns[c] -= highest;
            const Vector<T> e = exp_of_negative<T>(columns[c]);
            sum += e;
            if (make == Rows::probabilities) columns[c] = e;
        }
        const Vector<T> inverse = T{1} / sum, log_sum = log<T>(sum);
        for (Index c = 0; c < cols; ++c)
            columns[c] = make == Rows::probabilities ? columns[c] * inverse : columns[c] - log_sum;
        store_columns(y, columns, end - begin, cols);
        for (Index i = 0; i < smaller(lanes<T>, end - begin); ++i)
            each(begin + i, LogSumExp<T>{highest[i], log_sum[i]});
    }
}

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
    const auto body = [=](T* to, Index begin, Index end) {
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
    const auto body = [=](T* to, Index begin, Index end) {
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
