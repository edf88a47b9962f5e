// Kernels on the rows of a matrix (rows, cols).
#pragma once

#include "kernels/cpu/caches.h"
#include "kernels/cpu/columns.h"
#include "kernels/cpu/elementwise.h"

namespace handgrad::cpu::HANDGRAD_ISA {

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

/// sums[c] += sum_r x[r, c] for begin <= c < end, over the rows in order, four at a time. From
/// memory, rows that begin at the same places of cache lines come at a third of its speed if four
/// are read side by side, unless they are long.
template <class T>
void sum_some_columns(T* sums, const T* x, Index rows, Index cols, Index begin, Index end,
                      bool from_memory = false) {
    constexpr Index size = sizeof(T);
    const bool one_by_one = from_memory && cols * size % 32 == 0 && cols * size <= 8192;
    Index r = 0;
    for (; !one_by_one && r + 4 <= rows; r += 4) {
        const T *x0 = x + r * cols, *x1 = x0 + cols, *x2 = x1 + cols, *x3 = x2 + cols;
        for (Index c = begin; c < end; ++c) sums[c] = (((sums[c] + x0[c]) + x1[c]) + x2[c]) + x3[c];
    }
    for (; r < rows; ++r)
        for (Index c = begin; c < end; ++c) sums[c] += x[r * cols + c];
}

/// sums[c] += sum_r x[r, c] for all columns. What is stored in `sums` has one fixed order.
template <class T>
void sum_part_of_rows(T* sums, const T* x, Index rows, Index cols, bool from_memory = false) {
    if (cols <= few_cols && rows >= 2 * lanes<T>) {
        T repeated[few_cols * lanes<T>] = {};  // sums of every lanes<T>-th row
        const Index groups = rows / lanes<T>, width = cols * lanes<T>;
        sum_some_columns(repeated, x, groups, width, 0, width, from_memory);
        sum_some_columns(sums, repeated, lanes<T>, cols, 0, cols);
        rows -= groups * lanes<T>;
        x += groups * width;
    }
    sum_some_columns(sums, x, rows, cols, 0, cols, from_memory);
}

template <class T>
void sum_rows(T* sums, const T* x, Index rows, Index cols) {
    constexpr Index many_cols = 4096;
    const Cost cost = streaming<T>(rows * cols, 1);
    const int parts = parts_of_sum(rows * cols);
    const bool from_memory = rows * cols * Index{sizeof(T)} > caches().l3;
    if (cols >= many_cols)  // threads split the columns
        return parallel_ranges(cols, cost, [=](Index begin, Index end) {
            sum_some_columns(sums, x, rows, cols, begin, end);
        });
    if (parts == 1) return sum_part_of_rows(sums, x, rows, cols);
    T* const partial = static_cast<T*>(
        scratch(Scratch::partial_sums, static_cast<std::size_t>(parts * cols) * sizeof(T)));
    each_part(rows, parts, cost, [=](int part, Range range) {
        T* const to = partial + part * cols;
        for (Index c = 0; c < cols; ++c) to[c] = 0;
        sum_part_of_rows(to, x + range.begin * cols, range.end - range.begin, cols, from_memory);
    });
    sum_some_columns(sums, partial, parts, cols, 0, cols);
}

/// Which of the indices that choose rows to look at ahead: nothing else tells where those rows are.
template <class T>
Index rows_ahead(Index cols) {
    return larger(1, half_a_page / Index{sizeof(T)} / larger(1, cols));
}

template <class T>
void gather_rows(T* out, const T* x, const Index* indices, Index n, Index cols) {
    const Index later = rows_ahead<T>(cols);
    const auto body = [=](T* to, Index begin, Index end) {
        for (Index i = begin; i < end; ++i, to += cols) {
            const T* from = x + indices[i] * cols;
            const T* next = x + indices[smaller(i + later, n - 1)] * cols;
            // Over the row's end where another one follows; its own elements come later.
            for (Index c = 0; c < cols; c += lanes<T>) {
                prefetch(next + c);
                prefetch_ahead(to + c);
                store_first(to + c, (end - i) * cols - c, load_padded(from + c, cols - c, T{0}));
            }
        }
    };
    each_result(n, cols, out, false, streaming<T>(n * cols, 2), 1, body);
}

/// x[indices[i], :] += y[i, :] for i < n, one after the other: they may meet.
template <class T>
void add_short_rows(T* x, const T* y, const Index* indices, Index n, Index cols) {
    const Index later = rows_ahead<T>(cols);
    for (Index i = 0; i < n; ++i, y += cols) {
        T* const to = x + indices[i] * cols;
        const T* const next = x + indices[smaller(i + later, n - 1)] * cols;
        for (Index c = 0; c < cols; c += lanes<T>) {
            prefetch(next + c);
            prefetch_ahead(y + c);
        }
        for (Index c = 0; c < cols; ++c) to[c] += y[c];
    }
}

template <class T>
void scale_rows(T* y, const T* x, const T* scale, Index rows, Index cols) {
    const auto body = [=](T* to, Index begin, Index end) {
        for (Index r = begin; r < end; ++r, to += cols) {
            const T s = scale[r];
            const T* from = x + r * cols;
            for (Index c = 0; c < cols; c += lanes<T>) {
                // In place, the next row must not be written yet.
                const Index left = (y == x ? cols : (end - r) * cols) - c;
                prefetch_ahead(from + c);
                prefetch_ahead(to + c);
                store_first(to + c, left, load_padded(from + c, left, T{0}) * s);
            }
        }
    };
    each_result(rows, cols, y, y == x, streaming<T>(rows * cols, 2), 1, body);
}

// How other files store rows: in whole vectors that run over a row's end into the next row, which
// is stored after it. Only at the end of a thread's rows must the last vector be cut: a masked
// store can take several times as long as a whole one.

}  // namespace handgrad::cpu::HANDGRAD_ISA
