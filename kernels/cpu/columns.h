// Matrices of few columns: lanes<T> rows at once, one in each lane, so that what is found for each
// row takes no exchange between lanes.
#pragma once

#include "kernels/cpu/vectors.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// The columns that kernels treat as few: there, a loop over one row's columns costs more to start
/// than it does. lanes<T> such rows after each other are `cols` whole vectors.
inline constexpr Index few_cols = 64;

/// Columns that become lanes together. Loads and stores bring as many of a row to their place, so
/// that fewer exchanges are left than in a transpose of whole vectors, and none are of columns that
/// the rows do not have.
template <class T>
inline constexpr int quad = lanes<T> < 4 ? lanes<T> : 4;

/// As many elements of several rows, and what may be touched beyond their end.
template <class T>
inline constexpr Index most_of_columns = few_cols* lanes<T> + quad<T>;

/// A quad at x, one a step behind it, and so on: lanes<T> elements.
template <class T>
[[gnu::always_inline]] inline Vector<T> load_quads(const T* x, [[maybe_unused]] Index step) {
#if defined(__AVX512F__)
    // By hand: what GCC 12 makes of vector extensions takes a port of which there is one for each.
    if constexpr (sizeof(T) == 4) {
        __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(x));
        v = _mm512_maskz_insertf32x4(0xffff, v, _mm_loadu_ps(x + step), 1);
        v = _mm512_maskz_insertf32x4(0xffff, v, _mm_loadu_ps(x + 2 * step), 2);
        v = _mm512_maskz_insertf32x4(0xffff, v, _mm_loadu_ps(x + 3 * step), 3);
        return reinterpret_cast<Vector<T>>(v);
    } else {
        const __m512d v = _mm512_castpd256_pd512(_mm256_loadu_pd(x));
        return reinterpret_cast<Vector<T>>(
            _mm512_maskz_insertf64x4(0xff, v, _mm256_loadu_pd(x + step), 1));
    }
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vector<T>>(_mm256_insertf128_ps(
            _mm256_castps128_ps256(_mm_loadu_ps(x)), _mm_loadu_ps(x + step), 1));
    else
        return load(x);
#else
    static_assert(lanes<T> == quad<T>);
    return load(x);
#endif
}

/// Stores them so, of each vector v[r] at y + r * cols: in the order of the rows.
template <class T, int first = 0>
[[gnu::always_inline]] inline void store_quads(T* y, Index cols, const Vector<T> (&v)[quad<T>]) {
    if constexpr (first < lanes<T>) {
        HANDGRAD_UNROLL
        for (int r = 0; r < quad<T>; ++r)
            store_lanes<T, first>(y + (first + r) * cols, v[r],
                                  std::make_integer_sequence<int, quad<T>>{});
        store_quads<T, first + quad<T>>(y, cols, v);
    }
}

/// Asks for `quad` of the `cols` lines that the next lanes<T> rows fill, or those half a page
/// ahead: no hardware sees that quads which lie a row apart are a stream.
template <class T>
[[gnu::always_inline]] inline void prefetch_next_rows(const T* x, Index cols, Index c) {
    const T* const later = x + ahead_of<T>(cols * lanes<T>) + c * lanes<T>;
    HANDGRAD_UNROLL
    for (int i = 0; i < quad<T>; ++i) prefetch(later + i * lanes<T>);
}

/// Is there room for whole quads in each of the first lanes<T> rows?
template <class T>
[[gnu::always_inline]] inline bool room_for_quads(Index rows, Index cols) {
    return (rows - lanes<T>)*cols >= (cols % quad<T> == 0 ? 0 : quad<T> - cols % quad<T>);
}

/// The first lanes<T> of `rows` rows at x, transposed: lane r of columns[c] is x[r, c]. Lanes
/// beyond are zero; columns beyond, up to a multiple of quad, are any numbers.
template <class T>
[[gnu::always_inline]] inline void load_columns(Vector<T>* columns, const T* x, Index rows,
                                                Index cols) {
    T padded[most_of_columns<T>];
    if (!room_for_quads<T>(rows, cols)) {
        const Index n = smaller(rows, lanes<T>) * cols;
        for (Index i = 0; i < n; ++i) padded[i] = x[i];
        for (Index i = n; i < lanes<T> * cols + quad<T>; ++i) padded[i] = 0;
        x = padded;
    }
    for (Index c = 0; c < cols; c += quad<T>) {
        prefetch_next_rows(x, cols, c);
        Vector<T> tile[quad<T>];
        HANDGRAD_UNROLL
        for (int r = 0; r < quad<T>; ++r) tile[r] = load_quads(x + r * cols + c, quad<T> * cols);
        transpose_blocks<T, quad<T>>(tile);
        HANDGRAD_UNROLL
        for (int i = 0; i < quad<T>; ++i) columns[c + i] = tile[i];
    }
}

/// The reverse: stores the first lanes<T> of `rows` rows at y. What stands in the row behind them,
/// if there is one, may change.
template <class T>
[[gnu::always_inline]] inline void store_columns(T* y, const Vector<T>* columns, Index rows,
                                                 Index cols) {
    T padded[most_of_columns<T>];
    const bool room = room_for_quads<T>(rows, cols);
    T* const to = room ? y : padded;
    // A quad that runs over a row's end is stored before the row behind it.
    for (Index c = (cols + quad<T> - 1) / quad<T> * quad<T> - quad<T>; c >= 0; c -= quad<T>) {
        prefetch_next_rows(y, cols, c);
        Vector<T> tile[quad<T>];
        HANDGRAD_UNROLL
        for (int i = 0; i < quad<T>; ++i) tile[i] = columns[c + i];
        transpose_blocks<T, quad<T>>(tile);
        store_quads<T>(to + c, cols, tile);
    }
    if (room) return;
    __builtin_memcpy(y, padded,
                     static_cast<std::size_t>(smaller(rows, lanes<T>) * cols) * sizeof(T));
}

/// y from inputs of `rows` rows, lanes<T> rows at once: calls f(columns, r) for rows from r on,
/// where columns[i] is load_columns of input i, and stores what f makes of columns[0].
template <class T, class F, class... Inputs>
[[gnu::always_inline]] inline void map_short_rows(T* y, Index rows, Index cols, F f,
                                                  const Inputs*... x) {
    Vector<T> columns[sizeof...(x)][few_cols];
    for (Index r = 0; r < rows; r += lanes<T>) {
        Index i = 0;
        (load_columns(columns[i++], x + r * cols, rows - r, cols), ...);
        f(columns, r);
        store_columns(y + r * cols, columns[0], rows - r, cols);
    }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
