// Rung 2: a block of C stays in registers while k runs.
//
// Rung 1 loads and stores an element of C for every multiply-add. Here a block of BLOCK_ROWS x
// BLOCK_COLUMNS sums is kept in registers over the whole of k. Each step loads BLOCK_ROWS numbers
// of A and BLOCK_COLUMNS of B and makes BLOCK_ROWS * BLOCK_COLUMNS multiply-adds of them: for
// 4 x 4, 8 loads for 16 of them instead of 32 loads and 16 stores. Sixteen sums are what the
// registers of any processor hold.
//
// What is left to be desired: for every four rows of A the whole of B is read again, from wherever
// it lies.
#pragma once

#include "kernels/cpu/vectors.h"
#include "kernels/ladder/product.h"

namespace handgrad::cpu::HANDGRAD_ISA {

inline constexpr int BLOCK_ROWS = 4, BLOCK_COLUMNS = 4;

/// C = alpha A B + beta C for the block at (m, n), with k from pc to pc + kc. `whole`: the block
/// has all its rows and columns; else they are cut at M and N.
template <class T, bool whole>
void multiply_block(const Product<T>& p, Index m, Index n, Index pc, Index kc, T beta) {
    const Index rows = whole ? BLOCK_ROWS : smaller(p.M - m, BLOCK_ROWS);
    const Index columns = whole ? BLOCK_COLUMNS : smaller(p.N - n, BLOCK_COLUMNS);
    const Index down_a = p.trans_a == Trans::yes ? 1 : p.lda;
    const Index across_b = p.trans_b == Trans::yes ? p.ldb : 1;

    T sum[BLOCK_ROWS][BLOCK_COLUMNS] = {};
    for (Index k = pc; k < pc + kc; ++k) {
        const T* a = p.a(m, k);
        const T* b = p.b(k, n);
        if constexpr (whole) {
            HANDGRAD_UNROLL
            for (int i = 0; i < BLOCK_ROWS; ++i) {
                HANDGRAD_UNROLL
                for (int j = 0; j < BLOCK_COLUMNS; ++j)
                    sum[i][j] += a[i * down_a] * b[j * across_b];
            }
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
    if (m + BLOCK_ROWS <= p.M && n + BLOCK_COLUMNS <= p.N)
        multiply_block<T, true>(p, m, n, pc, kc, beta);
    else
        multiply_block<T, false>(p, m, n, pc, kc, beta);
}

template <class T>
void multiply_by_register_blocks(const Product<T>& p) {
    for (Index m = 0; m < p.M; m += BLOCK_ROWS)
        for (Index n = 0; n < p.N; n += BLOCK_COLUMNS) multiply_block(p, m, n, 0, p.K, p.beta);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
