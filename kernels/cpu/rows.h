// Kernels on the rows of a matrix (rows, cols).
#pragma once

#include "kernels/cpu/elementwise.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// The columns that kernels treat as few: there, a loop over one row's columns costs more to start
/// than it does. lanes<T> such rows after each other are `cols` whole vectors.
inline constexpr Index few_cols = 64;

template <class T>
void add_to_rows(T* x, const T* bias, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        Index r = begin;
        if (cols <= few_cols && end - begin >= 2 * lanes<T>) {
            T repeated[few_cols * lanes<T>];  // lanes<T> rows of the bias
            for (Index i = 0; i < lanes<T>; ++i)
                for (Index c = 0; c < cols; ++c) repeated[i * cols + c] = bias[c];
            for (; r + lanes<T> <= end; r += lanes<T>)
                for (Index i = 0; i < cols * lanes<T>; ++i) x[r * cols + i] += repeated[i];
        }
        for (; r < end; ++r)
            for (Index c = 0; c < cols; ++c) x[r * cols + c] += bias[c];
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 1), body, 1);
}

template <class T>
void sum_rows(T* sums, const T* x, Index rows, Index cols) {
    Index first = 0;
    if (cols <= few_cols && rows >= 2 * lanes<T>) {
        T repeated[few_cols * lanes<T>] = {};  // sums of every lanes<T>-th row
        for (; first + lanes<T> <= rows; first += lanes<T>)
            for (Index i = 0; i < cols * lanes<T>; ++i) repeated[i] += x[first * cols + i];
        for (Index i = 0; i < lanes<T>; ++i)
            for (Index c = 0; c < cols; ++c) sums[c] += repeated[i * cols + c];
    }
    // Threads split the columns, so that each sum runs over the rows in order.
    parallel_ranges(cols, streaming<T>((rows - first) * cols, 1), [=](Index begin, Index end) {
        for (Index r = first; r < rows; ++r)
            for (Index c = begin; c < end; ++c) sums[c] += x[r * cols + c];
    });
}

template <class T>
void gather_rows(T* out, const T* x, const Index* indices, Index n, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i)
            for (Index c = 0; c < cols; c += lanes<T>)
                store_first(out + i * cols + c, cols - c,
                            load_padded(x + indices[i] * cols + c, cols - c, T{0}));
    };
    parallel_ranges(n, streaming<T>(n * cols, 2), body, 1);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
