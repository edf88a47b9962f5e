// The innermost loops of the product: a tile of C that stays in registers.
//
// A tile has up to MR rows and NV vectors of columns. For each k, NV vectors are loaded from a row
// of B, and each of the MR elements from a column of A is spread over a vector and multiplied with
// all of them: MR x NV multiply-adds for NV + MR loads. So the arithmetic units, not the loads, are
// the limit, and every element of C is summed over k in order.
//
// There is one function for each number of rows and of vectors, so that the edges of C waste
// nothing but the unused lanes of the last vector.
#pragma once

#include "kernels/cpu/vectors.h"

namespace handgrad::cpu::HANDGRAD_ISA {

// A multiply-add takes 4 cycles and two start in each, so 8 sums at least must be under way.
#if defined(__AVX512F__)
inline constexpr int MR = 8, NV = 3;  // 24 of 32 registers for C, 3 for B; A is read from memory
#elif defined(__AVX2__)
inline constexpr int MR = 4, NV = 3;  // 12 of 16 registers for C, 3 for B, 1 for A
#elif defined(__aarch64__)
inline constexpr int MR = 8, NV = 3;  // 24 of 32 registers for C, 3 for B, 2 or more for A
#else
inline constexpr int MR = 4, NV = 2;  // 8 of 16 registers for C, 2 for B, 1 for A, 1 for a product
#endif

/// Columns of a whole tile.
template <class T>
inline constexpr int NR = NV* lanes<T>;

/// One tile: C = alpha A B + beta C over kc values of k. C has leading dimension ldc, B ldb, and A
/// lda either way: trans_a is a parameter of the function.
template <class T>
struct Tile {
    Index kc = 0;
    const T* a = nullptr;
    Index lda = 0;
    const T* b = nullptr;
    Index ldb = 0;
    bool far = false;  // B and C come from beyond the L2 cache: ask for them early
    T* c = nullptr;
    Index ldc = 0;
    T alpha = 1, beta = 0;
    Index last_columns = 0;  // of the last vector, if it is cut
};

/// `part`: fewer columns than the vectors have lanes, so the last vector of B and C is cut.
template <class T, int rows, int vectors, Trans trans_a, bool part>
void multiply_tile(const Tile<T>& tile) {
    constexpr int L = lanes<T>;
    const FirstLanes<T> last(tile.last_columns);
    const auto cut = [](int j) { return part && j == vectors - 1; };

    Vector<T> sum[rows][vectors] = {};
    const T* a = tile.a;
    const T* b = tile.b;
    const auto add_products = [&] {
        Vector<T> bk[vectors];
        HANDGRAD_UNROLL
        for (int j = 0; j < vectors; ++j) bk[j] = cut(j) ? last.load(b + j * L) : load(b + j * L);
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            const T aik = trans_a == Trans::yes ? a[i] : a[i * tile.lda];
            HANDGRAD_UNROLL
            for (int j = 0; j < vectors; ++j) sum[i][j] += aik * bk[j];
        }
        a += trans_a == Trans::yes ? tile.lda : 1;
        b += tile.ldb;
    };
    if (tile.far) {
        const T* row = tile.c;
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            HANDGRAD_UNROLL
            for (int j = 0; j < vectors; ++j) __builtin_prefetch(row + j * L, 1);
            row += tile.ldc;
        }
        for (Index k = 0; k < tile.kc; ++k) {
            HANDGRAD_UNROLL
            for (int j = 0; j < vectors; ++j) __builtin_prefetch(b + 8 * tile.ldb + j * L);
            add_products();
        }
    } else {
        for (Index k = 0; k < tile.kc; ++k) add_products();
    }

    HANDGRAD_UNROLL
    for (int i = 0; i < rows; ++i) {
        HANDGRAD_UNROLL
        for (int j = 0; j < vectors; ++j) sum[i][j] *= tile.alpha;
    }
    if (tile.beta != T{0}) {
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            const T* row = tile.c + i * tile.ldc;
            HANDGRAD_UNROLL
            for (int j = 0; j < vectors; ++j)
                sum[i][j] += tile.beta * (cut(j) ? last.load(row + j * L) : load(row + j * L));
        }
    }
    HANDGRAD_UNROLL
    for (int i = 0; i < rows; ++i) {
        T* row = tile.c + i * tile.ldc;
        HANDGRAD_UNROLL
        for (int j = 0; j < vectors; ++j) {
            if (cut(j))
                last.store(row + j * L, sum[i][j]);
            else
                store(row + j * L, sum[i][j]);
        }
    }
}

// ---- choosing the function ----------------------------------------------------------------------

template <class T>
using TileFunction = void (*)(const Tile<T>&);

/// multiply_tile for every number of rows and vectors, at [(rows - 1) * NV + vectors - 1].
template <class T, Trans trans_a, bool part, int... i>
constexpr auto make_tile_functions(std::integer_sequence<int, i...>) {
    struct Table {
        TileFunction<T> at[sizeof...(i)];
    };
    return Table{{multiply_tile<T, i / NV + 1, i % NV + 1, trans_a, part>...}};
}

template <class T, Trans trans_a, bool part>
inline constexpr auto tile_functions =
    make_tile_functions<T, trans_a, part>(std::make_integer_sequence<int, MR * NV>{});

/// The function for a tile of `rows` <= MR by `columns` <= NR.
template <class T>
TileFunction<T> tile_function(Trans trans_a, Index rows, Index columns) {
    const Index vectors = (columns + lanes<T> - 1) / lanes<T>;
    const bool part = columns % lanes<T> != 0;
    const Index i = (rows - 1) * NV + vectors - 1;
    if (trans_a == Trans::yes)
        return part ? tile_functions<T, Trans::yes, true>.at[i]
                    : tile_functions<T, Trans::yes, false>.at[i];
    return part ? tile_functions<T, Trans::no, true>.at[i]
                : tile_functions<T, Trans::no, false>.at[i];
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
