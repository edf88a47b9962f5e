// The size of the tile of C that rung 5's micro-kernel keeps in registers.
#pragma once

#include "kernels/cpu/vectors.h"

namespace handgrad::cpu::HANDGRAD_ISA {

// A multiply-add takes 4 cycles and two start in each, so 8 sums at least must be under way.
#if defined(__AVX512F__)
inline constexpr int MR = 8, NV = 3;  // 24 of 32 registers for C, 3 for B; A is read from memory
#elif defined(__AVX2__)
inline constexpr int MR = 6, NV = 2;  // 12 of 16 registers for C, 2 for B, a cache line, 1 for A
#elif defined(__aarch64__)
inline constexpr int MR = 8, NV = 3;  // 24 of 32 registers for C, 3 for B, 2 or more for A
#else
inline constexpr int MR = 4, NV = 2;  // 8 of 16 registers for C, 2 for B, 1 for A, 1 for a product
#endif

/// Vectors of a narrow strip: a cache line, where registers have room for one.
inline constexpr int NARROW = 64 / vector_bytes < NV ? 64 / vector_bytes : NV;

/// Rows of the tallest tile that has so many vectors of columns.
constexpr int most_rows(int vectors) {
    const int rows = MR * NV / vectors;
    return rows < 2 * MR ? rows : 2 * MR;
}

/// Is the tallest tile of some strip so high, at least `vectors` wide?
constexpr bool is_most_rows(int rows, int vectors) {
    for (int v = vectors; v <= NV; ++v)
        if (rows == most_rows(v)) return true;
    return false;
}

/// Rows of the tallest tile in a narrow strip that are a multiple of MR.
inline constexpr int NARROW_ROWS = most_rows(NARROW) / MR * MR;

/// Columns of a whole tile.
template <class T>
inline constexpr int NR = NV* lanes<T>;

/// Elements of a cache line.
template <class T>
inline constexpr Index line = 64 / Index{sizeof(T)};

/// Does a strip take but a line of each row of C? Then it walks over many pages for little.
inline constexpr bool thin_strips = NV * vector_bytes <= 64;

/// Do multiply-adds with the elements of a cache line take less time than the line?
inline constexpr bool memory_is_slow = vector_bytes > 16;

}  // namespace handgrad::cpu::HANDGRAD_ISA
