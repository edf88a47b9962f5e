// Softmax of the rows of a matrix (rows, cols), and its logarithm.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"

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
    for (Index c = 0; c < n; c += lanes<T>) sum += terms(c, n - c);
    return sum_of_lanes<T>(sum);
}

/// max_c x[c], cols at least 1. Where there is a NaN, any number.
template <class T>
[[gnu::always_inline]] inline T highest_of(const T* x, Index cols) {
    Vector<T> highest = Vector<T>{} + x[0];
    for (Index c = 0; c < cols; c += lanes<T>) {
        const Vector<T> v = load_padded(x + c, cols - c, x[0]);
        highest = v > highest ? v : highest;
    }
    return highest_lane<T>(highest);
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
        const Vector<T> e = exp<T>(load_padded(x + c, n, nothing) - highest);
        if (y != nullptr) store_first(y + c, n, e);
        return e;
    });
}

/// For each row of x, y = softmax(x) where y is not null, and then each(row, logsumexp(x)).
template <class T, class Each>
void softmax_rows(T* y, const T* x, Index rows, Index cols, Each each) {
    // The logarithms are taken of many sums at once.
    constexpr Index block = 64;
    if (cols == 0) return;
    const auto body = [=](Index begin, Index end) {
        T highest[block], sums[block];
        for (; begin < end; begin += block) {
            const Index count = smaller(block, end - begin);
            for (Index i = 0; i < count; ++i) {
                const T* from = x + (begin + i) * cols;
                T* to = y == nullptr ? nullptr : y + (begin + i) * cols;
                highest[i] = highest_of(from, cols);
                sums[i] = sum_of_exp(to, from, highest[i], cols);
                if (y != nullptr)
                    for (Index c = 0; c < cols; c += lanes<T>)
                        store_first(to + c, cols - c,
                                    load_padded(to + c, cols - c, T{0}) / sums[i]);
            }
            for (Index i = 0; i < count; i += lanes<T>)
                store_first(sums + i, count - i, log<T>(load_padded(sums + i, count - i, T{1})));
            for (Index i = 0; i < count; ++i) each(begin + i, LogSumExp<T>{highest[i], sums[i]});
        }
    };
    parallel_ranges(rows, exp_of_each<T>(rows, cols, 2), body, 1);
}

template <class T>
void softmax_forward(T* y, const T* x, Index rows, Index cols) {
    softmax_rows(y, x, rows, cols, [](Index, LogSumExp<T>) {});
}

template <class T>
void softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T *d = dy + r * cols, *p = y + r * cols;
            const T dot = sum_over<T>(cols, [=](Index c, Index n) {
                return load_padded(d + c, n, T{0}) * load_padded(p + c, n, T{0});
            });
            for (Index c = 0; c < cols; c += lanes<T>) {
                const Vector<T> v = load_padded(d + c, cols - c, T{0}) - dot;
                store_first(dx + r * cols + c, cols - c, load_padded(p + c, cols - c, T{0}) * v);
            }
        }
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 3), body, 1);
}

template <class T>
void log_softmax_forward(T* y, const T* x, Index rows, Index cols) {
    softmax_rows<T>(nullptr, x, rows, cols, [=](Index r, LogSumExp<T> lse) {
        for (Index i = r * cols; i < (r + 1) * cols; ++i) y[i] = (x[i] - lse.highest) - lse.log_sum;
    });
}

template <class T>
void log_softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T *d = dy + r * cols, *p = y + r * cols;
            const T sum = sum_of(d, cols, [](Vector<T> v) { return v; });
            for (Index c = 0; c < cols; c += lanes<T>) {
                const Vector<T> e = exp<T>(load_padded(p + c, cols - c, T{0}));
                store_first(dx + r * cols + c, cols - c,
                            load_padded(d + c, cols - c, T{0}) - e * sum);
            }
        }
    };
    parallel_ranges(rows, exp_of_each<T>(rows, cols, 3), body, 1);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
