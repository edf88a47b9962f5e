// Rung 2: a block of C stays in registers while k runs.
//
// Rung 1 loads and stores C for every multiply-add. Here a block of BLOCK_ROWS x BLOCK_COLUMNS sums
// is kept in registers over the whole of k. With columns for two vectors, each step loads two
// vectors of B and four numbers of A and makes eight multiply-adds of vectors: 6 loads for 8,
// where rung 1 has 16 loads and 8 stores.
//
// What is left to be desired: for every four rows of A the whole of B is read again, from wherever
// it lies.
#pragma once

#include "kernels/cpu/vectors.h"
#include "kernels/ladder/product.h"

namespace handgrad::cpu::HANDGRAD_ISA {

inline constexpr int BLOCK_ROWS = 4;
/// Two vectors: the compiler makes vector code of loops over the columns.
template <class T>
inline constexpr int BLOCK_COLUMNS = 2 * lanes<T>;

/// C = alpha A B + beta C for the block at (m, n), with k from pc to pc + kc. `whole`: the block
/// has all its rows and columns; else they are cut at M and N. trans_b is known to the compiler, so
/// that it sees where columns lie side by side.
template <class T, bool whole, Trans trans_b>
void multiply_block(const Product<T>& p, Index m, Index n, Index pc, Index kc, T beta) {
    constexpr int wide = BLOCK_COLUMNS<T>;
    const Index rows = whole ? BLOCK_ROWS : smaller(p.M - m, BLOCK_ROWS);
    const Index columns = whole ? wide : smaller(p.N - n, wide);
    const Index down_a = p.trans_a == Trans::yes ? 1 : p.lda;
    const Index across_b = trans_b == Trans::yes ? p.ldb : 1;

    T sum[BLOCK_ROWS][wide] = {};
    for (Index k = pc; k < pc + kc; ++k) {
        const T* a = p.a(m, k);
        const T* b = p.b(k, n);
        if constexpr (whole) {
            HANDGRAD_UNROLL
            for (int i = 0; i < BLOCK_ROWS; ++i)
                for (int j = 0; j < wide; ++j) sum[i][j] += a[i * down_a] * b[j * across_b];
        } else {
            for (Index i = 0; i < rows; ++i)
                for (Index j = 0; j < columns; ++j) sum[i][j] += a[i * down_a] * b[j * across_b];
        }
    }
    for (Index i = 0; i < rows; ++i) {
        T* c = p.c(m + i, n);
        for (Index j = 0; j < columns; ++j)
            c[j] = p.alpha * sum[i][j] + (beta == T{0} ? T{0} : beta * c[j]);
    }
}

template <class T>
void multiply_block(const Product<T>& p, Index m, Index n, Index pc, Index kc, T beta) {
    const bool whole = m + BLOCK_ROWS <= p.M && n + BLOCK_COLUMNS<T> <= p.N;
    if (whole && p.trans_b == Trans::no)
        multiply_block<T, true, Trans::no>(p, m, n, pc, kc, beta);
    else if (whole)
        multiply_block<T, true, Trans::yes>(p, m, n, pc, kc, beta);
    else if (p.trans_b == Trans::no)
        multiply_block<T, false, Trans::no>(p, m, n, pc, kc, beta);
    else
        multiply_block<T, false, Trans::yes>(p, m, n, pc, kc, beta);
}

template <class T>
void multiply_by_register_blocks(const Product<T>& p) {
    for (Index m = 0; m < p.M; m += BLOCK_ROWS)
        for (Index n = 0; n < p.N; n += BLOCK_COLUMNS<T>) multiply_block(p, m, n, 0, p.K, p.beta);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
