// Rung 10: float32 by bf16, beyond the peak of float's own multiply-adds.
//
// A float's 24 bits are three times the 8 of a bf16 (Henry, Tang, Heinecke, "Leveraging the
// bfloat16 artificial intelligence datatype for higher-precision computations", 2019,
// arXiv:1904.06376):
//
//   x = x0 + x1 + x2,   x0 = bf16(x),   x1 = bf16(x - x0),   x2 = x - x0 - x1
//
// exactly, since x0 leaves 16 bits with a sign and x1 leaves 8. Hence |x1| <= 2^-8 |x| and |x2| <=
// 2^-17 |x|. Of the nine products of pieces
//
//   a b = a0 b0 + (a0 b1 + a1 b0) + (a0 b2 + a1 b1 + a2 b0) + (a1 b2 + a2 b1 + a2 b2)
//
// the last three are at most 2^-25 + 2^-25 + 2^-34 of |a b| together, about as much as one rounding
// of float, u = 2^-24. The other six are computed, exactly. Six for one at sixteen times the speed:
// 16 / 6 = 2.7 times float's peak at best, and 2 at the clock that tiles were seen to run at.
//
// Error. Of sums as in rung 9, with six additions to C for each step of k:
//
//   |c - sum a b|  <=  (20 + 8 ceil(K / 32)) u sum |a b|  +  2^-126 sum (|a| + |b| + 8)
//
// where float, in rung 8, has K u sum |a b|. There every term is rounded into the whole sum; here
// 32 are added up by themselves first. Measured, by Frobenius norms over rung 8's: 0.4 to 0.9 on
// uniform and normal numbers for K from 64 to 2048, up to 1.3 on positive ones, and up to 1.9 where
// numbers spread over +-60 binary orders, so that one term is most of a sum.
//
// a0 b0 comes last within a step, so that in a sum that one term dominates the small parts meet
// before the large one. The order of the other five hardly matters, as they round at 2^-8 of the
// size: measured, strictly ascending ones change the error's third digit, but would make 20 loads.
// Here one operand is exchanged at a time, and there are 14.
//
// What differs from float:
//   - Pieces, products and sums below 2^-126 become zero: the second sum of the bound. It shows
//     where a factor below 2^-102 meets a huge one.
//   - A result within 2^-7 of float's largest may overflow, as a0 b0 may be larger than a b.
//   - Infinity, NaN and floats that bf16 would round to infinity come out as in float: rung 9 sends
//     their panels around the tiles. (Else infinity would become NaN: inf - inf, and inf times a
//     piece that is zero.)
#pragma once

#include "kernels/ladder/9_amx.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Operands as sums of three bf16.
struct Bf16x3 {
    static constexpr int pieces = 3, products = 6;
    // A step takes 24 products, 384 cycles, and L2 delivers its 12 KB of pieces in 250. So KC may
    // be half of rung 9's: 16 steps, and a block of B of 768 KB.
    static constexpr Index KC = 512, MC = 4096, NC = 256;
    static constexpr Index awake = 2;

    static void multiply_add(Tiles& tiles, const Pair* a, const Pair* b) {
        const auto load_a = [&](Index piece) {
            tiles.load<4>(a + piece * 2 * TILE_PAIRS, 64);
            tiles.load<5>(a + (piece * 2 + 1) * TILE_PAIRS, 64);
        };
        const auto load_b = [&](Index piece) {
            tiles.load<6>(b + piece * 2 * TILE_PAIRS, 64);
            tiles.load<7>(b + (piece * 2 + 1) * TILE_PAIRS, 64);
        };
        const auto multiply = [&] {
            tiles.multiply_add<0, 4, 6>();
            tiles.multiply_add<1, 4, 7>();
            tiles.multiply_add<2, 5, 6>();
            tiles.multiply_add<3, 5, 7>();
        };
        load_a(0), load_b(2), multiply();
        load_b(1), multiply();
        load_a(1), multiply();
        load_b(0), multiply();
        load_a(2), multiply();
        load_a(0), multiply();
    }
};

}  // namespace handgrad::cpu::HANDGRAD_ISA
