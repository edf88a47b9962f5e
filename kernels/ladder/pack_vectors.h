// Rung 4's packing, in vectors: where the matrix lies against the grain, square blocks of it are
// transposed in registers.
#pragma once

#include "kernels/ladder/tile_size.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Writes what transpose_blocks left in x: lanes g * width .. of x[q] are row g * width + q, of
/// which there are `left`.
template <class T, int width, int g = 0>
[[gnu::always_inline]] inline void store_blocks(T* panel, Index ld_panel,
                                                const Vector<T> (&x)[width], Index left) {
    if constexpr (g * width < lanes<T>) {
        HANDGRAD_UNROLL
        for (int q = 0; q < width; ++q)
            if (g * width + q < left)
                store_lanes<T, g * width>(panel + (g * width + q) * ld_panel, x[q],
                                          std::make_integer_sequence<int, width>{});
        store_blocks<T, width, g + 1>(panel, ld_panel, x, left);
    }
}

/// panel[k * ld_panel + j] = in[j * ld_in + k] for j < n, k < K: a transpose. n <= width, a power
/// of two up to lanes<T>; columns n .. width - 1 of the panel get zeros.
template <class T, int width>
void pack_across(T* panel, Index ld_panel, const T* in, Index ld_in, Index n, Index K) {
    constexpr int L = lanes<T>;
    for (Index k = 0; k < K; k += L) {
        const Index left = smaller(K - k, L);
        const FirstLanes<T> first(left);
        Vector<T> x[width];
        HANDGRAD_UNROLL
        for (int j = 0; j < width; ++j) x[j] = j < n ? first.load(in + j * ld_in + k) : Vector<T>{};
        transpose_blocks<T, width>(x);
        if (left == L)
            store_blocks<T, width>(panel + k * ld_panel, ld_panel, x, L);
        else
            store_blocks<T, width>(panel + k * ld_panel, ld_panel, x, left);
    }
}

/// panel[k * ld_panel + j] = in[k * ld_in + j] for j < n, k < K: a copy. Whole vectors are stored:
/// zeros follow the n columns, and where ld_panel ends before the last vector does, the next row
/// overwrites the rest. So the panel needs lanes<T> elements of slack at its end.
template <class T>
void pack_along(T* panel, Index ld_panel, const T* in, Index ld_in, Index n, Index K) {
    constexpr int L = lanes<T>;
    const Index whole = n / L * L;
    const FirstLanes<T> last(n - whole);
    for (Index k = 0; k < K; ++k) {
        for (Index j = 0; j < whole; j += L) store(panel + j, load(in + j));
        if (whole < n) store(panel + whole, last.load(in + whole));
        panel += ld_panel;
        in += ld_in;
    }
}

/// Panels of op(A) at once, MR whole rows each and ld_panel elements apart: as many as one walk
/// down the rows of `in` should bring, since each row is a cache line and a page of its own.
template <class T, int panels>
void pack_many_along(T* panel, Index ld_panel, const T* in, Index ld_in, Index K) {
    for (Index k = 0; k < K; ++k) {
        HANDGRAD_UNROLL
        for (int i = 0; i < panels; ++i)
            __builtin_memcpy(panel + i * ld_panel, in + i * MR, MR * sizeof(T));
        panel += MR;
        in += ld_in;
    }
}

/// Rows of A that are transposed at once, a power of two. Six floats go as eight: the next row of
/// the panel overwrites the two that are too many.
template <class T>
inline constexpr int rows_at_once = MR == 6         ? (lanes<T> < 8 ? 2 : 8)
                                    : MR < lanes<T> ? MR
                                                    : lanes<T>;

/// A panel of op(A): `rows` <= panel_rows rows from a on, K columns; rows of the panel are
/// panel_rows apart, a multiple of MR. It needs lanes<T> elements of slack at its end.
template <class T, Index panel_rows>
void pack_a(T* panel, Trans trans_a, const T* a, Index lda, Index rows, Index K) {
    constexpr int width = rows_at_once<T>;
    static_assert(panel_rows % width == 0 || panel_rows < width);
    if (trans_a == Trans::yes) {
        pack_along(panel, panel_rows, a, lda, rows, K);
    } else {
        for (Index i = 0; i < rows; i += width)
            pack_across<T, width>(panel + i, panel_rows, a + i * lda, lda, smaller(rows - i, width),
                                  K);
    }
}

/// A panel of op(B): K rows, `columns` <= NR columns from b on; rows of the panel are ld_panel
/// apart, the columns rounded up to whole vectors.
template <class T>
void pack_b(T* panel, Index ld_panel, Trans trans_b, const T* b, Index ldb, Index columns,
            Index K) {
    constexpr int L = lanes<T>;
    if (trans_b == Trans::no) {
        pack_along(panel, ld_panel, b, ldb, columns, K);
    } else {
        for (Index j = 0; j < columns; j += L)
            pack_across<T, L>(panel + j, ld_panel, b + j * ldb, ldb, smaller(columns - j, L), K);
    }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
