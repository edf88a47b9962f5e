// The product as dot products: for A times B transposed, when one of them is small.
//
// With both operands stored along k, an element of C is the dot product of a row of A and a row of
// B. Vectors run along k, and so nothing has to be transposed first: transposing B pays only when
// many rows of A use it. A tile of DOT_ROWS x DOT_COLUMNS dot products loads each vector once for a
// whole row or column of the tile; the lanes of each sum are added at the end.
#pragma once

#include "kernels/cpu/vectors.h"

namespace handgrad::cpu::HANDGRAD_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int DOT_ROWS = 4, DOT_COLUMNS = 4;  // 16 of 32 registers for sums, 5 to load
#else
inline constexpr int DOT_ROWS = 2, DOT_COLUMNS = 4;  // 8 of 16 registers for sums, 5 to load
#endif

/// c[i, j] = alpha sum_k a[i, k] b[j, k] + beta c[i, j] for i < rows, j < columns
template <class T, int rows, int columns>
void multiply_dot(Index K, const T* a, Index lda, const T* b, Index ldb, T* c, Index ldc, T alpha,
                  T beta) {
    constexpr int L = lanes<T>;
    constexpr int dots = rows * columns;
    constexpr int groups = (dots + L - 1) / L;

    Vector<T> sum[groups * L] = {};
    const auto add_products = [&](Index k, auto load_k) {
        Vector<T> bk[columns];
        HANDGRAD_UNROLL
        for (int j = 0; j < columns; ++j) bk[j] = load_k(b + j * ldb + k);
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            const Vector<T> ak = load_k(a + i * lda + k);
            HANDGRAD_UNROLL
            for (int j = 0; j < columns; ++j) sum[i * columns + j] += ak * bk[j];
        }
    };
    Index k = 0;
    for (; k + L <= K; k += L) add_products(k, [](const T* p) { return load(p); });
    if (k < K) {
        const FirstLanes<T> last(K - k);
        add_products(k, [&](const T* p) { return last.load(p); });
    }

    T total[groups * L];
    HANDGRAD_UNROLL
    for (int g = 0; g < groups; ++g) store(total + g * L, sums_of_lanes<T>(sum + g * L));
    for (int i = 0; i < rows; ++i) {
        if (beta == T{0})
            for (int j = 0; j < columns; ++j) c[j] = alpha * total[i * columns + j];
        else
            for (int j = 0; j < columns; ++j) c[j] = alpha * total[i * columns + j] + beta * c[j];
        c += ldc;
    }
}

template <class T>
using DotFunction = void (*)(Index, const T*, Index, const T*, Index, T*, Index, T, T);

/// multiply_dot for every number of rows and columns, at [(rows - 1) * DOT_COLUMNS + columns - 1].
template <class T, int... i>
constexpr auto make_dot_functions(std::integer_sequence<int, i...>) {
    struct Table {
        DotFunction<T> at[sizeof...(i)];
    };
    return Table{{multiply_dot<T, i / DOT_COLUMNS + 1, i % DOT_COLUMNS + 1>...}};
}

template <class T>
inline constexpr auto dot_functions =
    make_dot_functions<T>(std::make_integer_sequence<int, DOT_ROWS * DOT_COLUMNS>{});

template <class T>
void multiply_dots_tile(Index rows, Index columns, Index K, const T* a, Index lda, const T* b,
                        Index ldb, T* c, Index ldc, T alpha, T beta) {
    const Index i = (rows - 1) * DOT_COLUMNS + columns - 1;
    dot_functions<T>.at[i](K, a, lda, b, ldb, c, ldc, alpha, beta);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
