// The products that round their operands to bf16: compiled for AMX, and as plain C++.
#include "kernels/ladder/10_bf16x3.h"
#include "kernels/ladder/ladder.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class Operands>
void gemm_by_tiles(Trans trans_a, Trans trans_b, Index M, Index N, Index K, float alpha,
                   const float* A, Index lda, const float* B, Index ldb, float beta, float* C,
                   Index ldc) {
    const Product<float> p{trans_a, trans_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc};
    if (!trivial(p)) multiply_by_amx_threads<Operands>(p);
}

ladder::Gemm<float> tile_rung(int number) {
    return number == ladder::bf16_rung ? gemm_by_tiles<Bf16> : gemm_by_tiles<Bf16x3>;
}

/// One step of rung 9 over and over, its operands in L1. Returns the operations done.
double tile_steps(int steps) {
    // Zeros would take less power, and the clock would be up to a third higher.
    alignas(64) Pair operands[4 * TILE_PAIRS];
    for (Pair& pair : operands) pair = __builtin_bit_cast(Pair, 0x40494049);  // 3.14 twice
    Tiles tiles;
    tiles.zero<0>();
    tiles.zero<1>();
    tiles.zero<2>();
    tiles.zero<3>();
    for (int step = 0; step < steps; ++step)
        Bf16::multiply_add(tiles, operands, operands + 2 * TILE_PAIRS);
    return 2.0 * PANEL * PANEL * TILE_K * steps;
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
