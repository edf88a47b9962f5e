// Softmax of the rows of a matrix (rows, cols), and its logarithm.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// The cost of rows * cols elements of which each takes an exp.
inline Cost exp_of_each(Index rows, Index cols) {
    return {.flops = rows * cols * function_flops, .bytes = 0};
}

/// max_c x[c], cols at least 1; a NaN at the start is kept.
template <class T>
T highest_of(const T* x, Index cols) {
    T highest = x[0];
    for (Index c = 1; c < cols; ++c) highest = x[c] > highest ? x[c] : highest;
    return highest;
}

/// logsumexp(x) = log sum_c exp(x[c]) = highest + log_sum, log_sum = log sum_c exp(x[c] - highest):
/// the sum contains exp(0) = 1, so that it neither overflows nor vanishes. In two parts, as
/// x[c] - logsumexp(x) = (x[c] - highest) - log_sum keeps digits which one number would lose.
template <class T>
struct LogSumExp {
    T highest, log_sum;
};

/// cols at least 1.
template <class T>
LogSumExp<T> logsumexp(const T* x, Index cols) {
    const T highest = highest_of(x, cols);
    T sum = 0;
    for (Index c = 0; c < cols; ++c) sum += exp(x[c] - highest);
    return {highest, log(sum)};
}

/// y = softmax(x); returns logsumexp(x). cols at least 1.
template <class T>
LogSumExp<T> softmax(T* y, const T* x, Index cols) {
    const T highest = highest_of(x, cols);
    T sum = 0;
    for (Index c = 0; c < cols; ++c) {
        y[c] = exp(x[c] - highest);
        sum += y[c];
    }
    for (Index c = 0; c < cols; ++c) y[c] /= sum;
    return {highest, log(sum)};
}

template <class T>
void softmax_forward(T* y, const T* x, Index rows, Index cols) {
    if (cols == 0) return;
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) softmax(y + r * cols, x + r * cols, cols);
    };
    parallel_ranges(rows, exp_of_each(rows, cols), body, 1);
}

template <class T>
void softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            T dot = 0;
            for (Index i = r * cols; i < (r + 1) * cols; ++i) dot += dy[i] * y[i];
            for (Index i = r * cols; i < (r + 1) * cols; ++i) dx[i] = y[i] * (dy[i] - dot);
        }
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 3), body, 1);
}

template <class T>
void log_softmax_forward(T* y, const T* x, Index rows, Index cols) {
    if (cols == 0) return;
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const auto [highest, log_sum] = logsumexp(x + r * cols, cols);
            for (Index i = r * cols; i < (r + 1) * cols; ++i) y[i] = (x[i] - highest) - log_sum;
        }
    };
    parallel_ranges(rows, exp_of_each(rows, cols), body, 1);
}

template <class T>
void log_softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            T sum = 0;
            for (Index i = r * cols; i < (r + 1) * cols; ++i) sum += dy[i];
            for (Index i = r * cols; i < (r + 1) * cols; ++i) dx[i] = dy[i] - exp(y[i]) * sum;
        }
    };
    parallel_ranges(rows, exp_of_each(rows, cols), body, 1);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
