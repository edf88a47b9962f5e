// Kernels on the rows of a matrix (rows, cols).
#pragma once

#include <cstring>

#include "kernels/cpu/elementwise.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void add_to_rows(T* x, const T* bias, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r)
            for (Index c = 0; c < cols; ++c) x[r * cols + c] += bias[c];
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 1), body, 1);
}

template <class T>
void sum_rows(T* sums, const T* x, Index rows, Index cols) {
    // Threads split the columns, so that each sum runs over the rows in order.
    parallel_ranges(cols, streaming<T>(rows * cols, 1), [=](Index begin, Index end) {
        for (Index r = 0; r < rows; ++r)
            for (Index c = begin; c < end; ++c) sums[c] += x[r * cols + c];
    });
}

template <class T>
void gather_rows(T* out, const T* x, const Index* indices, Index n, Index cols) {
    if (cols == 0) return;  // memcpy takes no null pointer, not even for no bytes
    const auto body = [=](Index begin, Index end) {
        const auto row_bytes = static_cast<std::size_t>(cols) * sizeof(T);
        for (Index i = begin; i < end; ++i)
            std::memcpy(out + i * cols, x + indices[i] * cols, row_bytes);
    };
    parallel_ranges(n, streaming<T>(n * cols, 2), body, 1);
}

template <class T>
void scale_rows(T* y, const T* x, const T* scale, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T s = scale[r];
            for (Index i = r * cols; i < (r + 1) * cols; ++i) y[i] = x[i] * s;
        }
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 2), body, 1);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
