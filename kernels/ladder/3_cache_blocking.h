// Rung 3: loops around the block, so that what is used again is still in a cache.
//
// Five loops, counted from the outside in as in the literature on BLIS (Van Zee and van de Geijn,
// 2015). Each of the outer three cuts one dimension, and the piece it leaves is sized for a cache:
//
//   5th  jc  columns of C, by NC
//   4th  pc  k, by KC             the block of B, KC x NC, stays in L3
//   3rd  ic  rows of C, by MC     the block of A, MC x KC, stays in L2
//   2nd  jr  columns of a block   the strip of B, KC x BLOCK_COLUMNS, stays in L1
//   1st  ir  rows of a block      its strip of A comes from L2
//
// C is read and written once for each pass of the 4th loop, which is why KC should not be small.
//
// What is left to be desired: strips of a large matrix lie in many pages, in few sets of the cache,
// and against the grain if the matrix is transposed.
#pragma once

#include "kernels/cpu/caches.h"
#include "kernels/ladder/2_register_block.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void multiply_by_cache_blocks(const Product<T>& p) {
    constexpr Index size = sizeof(T), wide = BLOCK_COLUMNS<T>;
    // Half of each cache: the other operand and C pass through it as well.
    const Index KC = larger(64, caches().l1 / 2 / (wide * size));
    const Index MC = larger(BLOCK_ROWS, caches().l2 / 2 / (KC * size) / BLOCK_ROWS * BLOCK_ROWS);
    const Index NC = larger(wide, caches().l3 / 2 / (KC * size) / wide * wide);
    for (Index jc = 0; jc < p.N; jc += NC)
        for (Index pc = 0; pc < p.K; pc += KC) {
            const Index kc = smaller(p.K - pc, KC);
            const T beta = pc == 0 ? p.beta : T{1};
            for (Index ic = 0; ic < p.M; ic += MC)
                for (Index jr = jc; jr < smaller(p.N, jc + NC); jr += wide)
                    for (Index ir = ic; ir < smaller(p.M, ic + MC); ir += BLOCK_ROWS)
                        multiply_block(p, ir, jr, pc, kc, beta);
        }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
