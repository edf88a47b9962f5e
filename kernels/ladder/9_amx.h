// Rung 9: bf16 operands, multiplied by an instruction for whole tiles.
//
// A bf16 is the upper half of a float: its exponents, and 8 bits of precision instead of 24. With
// Intel's AMX one instruction multiplies a tile of 16 x 32 of them with one of 32 x 16, in 16
// cycles: 1024 operations a cycle, where two multiply-adds of 16 floats are 64. Products are exact,
// and sums are floats. kernels/cpu/tiles.h has the instruction, and plain C++ for processors
// without.
//
// Registers. Of the eight, four hold 32 x 32 of C, two A and two B: 4 loads for 4 products. Any
// other split loads more: 1 x 6 tiles of C, say, 7 for 6. A load is 1 KB, 8 cycles from L1, so that
// loads take half of the time, and arithmetic is the limit as long as L1 has what is loaded.
//
// Caches. A step of 32 in k reads 2 KB of A and 2 KB of B in 64 cycles. L1 would deliver them in
// 32, and L2 takes 85. Yet panels short enough for L1 do not pay, for C is dearer still: it passes
// once for each KC, and 32 x 32 of it take as long as 8 steps to come from L3 and to go there. So
// KC = 1024, 32 steps, and operands come from L2. The block of B, KC by NC = 512, is 1 MB of its 2.
// It serves MC = 4096 rows of A, whose panels come from L3, 64 KB for 16 tiles of C. These go along
// the rows of C, where the processor foresees what comes next: down its columns they took 10 %
// longer. Every processor that has AMX has caches of these sizes, and with these constants every
// other one gives the same bits.
//
// Stores. Half a microsecond after the last store of a tile the way to memory falls asleep, and
// waking it takes as long as 8 steps, too. So now and then a tile is stored for nothing but that: a
// tenth is won.
//
// Rounding. Operands are rounded to the nearest bf16, ties to even, while they are packed. Each is
// off by 2^-8 of itself at most, so that with u = 2^-24 of float
//
//   |c - sum a b|  <=  (2^-7 + 2^-16 + (18 + 2 ceil(K / 32)) u) sum |a b|
//
// where the last part is for the sums: within a tile a product goes through 16 additions of its
// half and one of the halves, then one for each tile that follows, and for each KC. An operand or a
// sum below 2^-126 becomes zero.
//
// Infinity, NaN and what would round to infinity, 3.396e38 and more, do not enter a tile: where a
// panel of A or B holds one, its part of C is computed in float, as rung 1 does.
//
// What is left to be desired: two digits are enough to train many networks, but not to check them.
#pragma once

#include "kernels/cpu/tiles.h"
#include "kernels/ladder/1_loop_order.h"
#include "kernels/ladder/6_threads.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Two bf16, neighbours in k, in the bits of a float. An array of pairs holds nothing to add up.
using Pair = float;

/// Rows of A, or columns of B, in a panel: two tiles.
inline constexpr Index PANEL = 2 * TILE;
/// Pairs in a tile.
inline constexpr Index TILE_PAIRS = TILE * TILE;

/// Operands rounded to one bf16.
struct Bf16 {
    static constexpr int pieces = 1, products = 1;
    static constexpr Index KC = 1024, MC = 4096, NC = 512;
    static constexpr Index awake = 8;  // steps from a store to the next

    /// C += A B for one step of k: two tiles of A at a, of B at b; C in tiles 0 to 3.
    static void multiply_add(Tiles& tiles, const Pair* a, const Pair* b) {
        tiles.load<6>(b, 64);
        tiles.load<4>(a, 64);
        tiles.multiply_add<0, 4, 6>();
        tiles.load<7>(b + TILE_PAIRS, 64);
        tiles.multiply_add<1, 4, 7>();
        tiles.load<5>(a + TILE_PAIRS, 64);
        tiles.multiply_add<2, 5, 6>();
        tiles.multiply_add<3, 5, 7>();
    }
};

// ---- packing ------------------------------------------------------------------------------------
//
// A panel holds for each 32 of k, for each piece, two tiles: of A rows 0 to 15 and 16 to 31, of B
// columns. Zeros fill what M, N or K cuts.

typedef std::uint32_t Bits __attribute__((vector_size(vector_bytes)));

/// The nearest bf16, as a float. Wrong for what is_special().
[[gnu::always_inline]] inline Vector<float> rounded_to_bf16(Vector<float> x) {
    const Bits bits = reinterpret_cast<Bits>(x);
    return reinterpret_cast<Vector<float>>((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
}

/// The largest magnitude met while packing, lane by lane, as bits: those of floats have their
/// order.
struct Largest {
    Bits bits{};

    [[gnu::always_inline]] void see(Vector<float> x) {
        const Bits magnitude = reinterpret_cast<Bits>(x) & 0x7fffffff;
        bits = magnitude > bits ? magnitude : bits;
    }
    /// NaN, infinity, or a number that rounds to infinity.
    [[nodiscard]] bool is_special() const {
        for (int lane = 0; lane < lanes<float>; ++lane)
            if (bits[lane] >= 0x7f7f8000) return true;
        return false;
    }
};

/// Transposes a tile.
inline void transpose(Pair* tile) {
    constexpr int L = lanes<float>;
    for (Index i = 0; i < TILE; i += L)
        for (Index j = i; j < TILE; j += L) {
            Vector<Pair> x[L], y[L];
            HANDGRAD_UNROLL
            for (int r = 0; r < L; ++r) {
                x[r] = load(tile + (i + r) * TILE + j);
                y[r] = load(tile + (j + r) * TILE + i);
            }
            transpose_blocks<Pair, L>(x);
            transpose_blocks<Pair, L>(y);
            HANDGRAD_UNROLL
            for (int r = 0; r < L; ++r) {
                store(tile + (i + r) * TILE + j, y[r]);
                store(tile + (j + r) * TILE + i, x[r]);
            }
        }
}

/// An operand of n <= 16 rows (of op(B): columns) by kc <= 32, as it lies at `in`: along k, or
/// across it, `ld` apart. Writes a tile of each piece, 2 tiles apart. `transposed`: as it lies is
/// not as the tile wants it.
template <int pieces>
void pack_tile(Pair* tile, const float* in, Index ld, bool along_k, bool transposed, Index n,
               Index kc, Largest& largest) {
    constexpr Index L = lanes<float>;
    alignas(64) float whole[TILE * TILE_K];
    if (n < TILE || kc < TILE_K) {
        const Index rows = along_k ? n : kc, columns = along_k ? kc : n;
        const Index width = along_k ? TILE_K : TILE;
        for (float& x : whole) x = 0;
        for (Index r = 0; r < rows; ++r)
            for (Index c = 0; c < columns; ++c) whole[r * width + c] = in[r * ld + c];
        in = whole;
        ld = width;
    }
    for (Index r = 0; r < TILE; ++r)
        for (Index c = 0; c < TILE; c += L) {
            Vector<float> even, odd;
            if (along_k) {
                const Vector<float> x = load(in + r * ld + 2 * c),
                                    y = load(in + r * ld + 2 * c + L);
                even = even_lanes<float>(x, y, LaneNumbers<float>{});
                odd = odd_lanes<float>(x, y, LaneNumbers<float>{});
            } else {
                even = load(in + 2 * r * ld + c);
                odd = load(in + (2 * r + 1) * ld + c);
            }
            largest.see(even);
            largest.see(odd);
            HANDGRAD_UNROLL
            for (Index piece = 0; piece < pieces; ++piece) {
                const Vector<float> low = rounded_to_bf16(even), high = rounded_to_bf16(odd);
                const Bits pairs = reinterpret_cast<Bits>(low) >> 16 | reinterpret_cast<Bits>(high);
                store(tile + piece * 2 * TILE_PAIRS + r * TILE + c,
                      reinterpret_cast<Vector<Pair>>(pairs));
                even -= low;  // exact: the bits that rounding took away
                odd -= high;
            }
        }
    for (Index piece = 0; transposed && piece < pieces; ++piece)
        transpose(tile + piece * 2 * TILE_PAIRS);
}

/// The panels of n rows of op(A), or columns of op(B), by kc. special[i]: whether something in
/// panel i is_special().
template <int pieces>
void pack_panels(Pair* packed, bool* special, const float* in, Index ld, bool along_k,
                 bool transposed, Index n, Index kc) {
    const Index panels = (n + PANEL - 1) / PANEL, steps = (kc + TILE_K - 1) / TILE_K;
    for (Index panel = 0; panel < panels; ++panel) special[panel] = false;
    const auto pack = [&](Index panel, Index step) {
        Largest largest;
        for (Index half = 0; half < 2; ++half) {
            const Index i = panel * PANEL + half * TILE, k = step * TILE_K;
            pack_tile<pieces>(packed + ((panel * steps + step) * pieces * 2 + half) * TILE_PAIRS,
                              along_k ? in + i * ld + k : in + k * ld + i, ld, along_k, transposed,
                              larger(0, smaller(n - i, TILE)), smaller(kc - k, TILE_K), largest);
        }
        special[panel] = special[panel] || largest.is_special();
    };
    // In the order in which they lie.
    if (along_k) {
        for (Index panel = 0; panel < panels; ++panel)
            for (Index step = 0; step < steps; ++step) pack(panel, step);
    } else {
        for (Index step = 0; step < steps; ++step)
            for (Index panel = 0; panel < panels; ++panel) pack(panel, step);
    }
}

// ---- multiplying --------------------------------------------------------------------------------

/// C = A B, or C += A B, for 32 x 32 of C and two panels. `ahead`: the C that comes next.
template <class Operands>
void multiply_amx_tile(Tiles& tiles, Index steps, const Pair* a, const Pair* b, bool add, float* c,
                       Index ldc, const float* ahead) {
    const Index row = ldc * Index{sizeof(float)};
    float* const lower = c + TILE * ldc;
    if (add) {
        tiles.load<0>(c, row);
        tiles.load<1>(c + TILE, row);
        tiles.load<2>(lower, row);
        tiles.load<3>(lower + TILE, row);
    } else {
        tiles.zero<0>();
        tiles.zero<1>();
        tiles.zero<2>();
        tiles.zero<3>();
    }
    alignas(64) Pair nowhere[TILE_PAIRS];
    Index fetched = 0;  // rows of what comes next
    for (Index step = 1; step <= steps; ++step) {
        for (; fetched * steps < PANEL * step; ++fetched) {
            __builtin_prefetch(ahead + fetched * ldc, 0, 2);  // L2
            __builtin_prefetch(ahead + fetched * ldc + TILE, 0, 2);
        }
        Operands::multiply_add(tiles, a, b);
        a += Operands::pieces * 2 * TILE_PAIRS;
        b += Operands::pieces * 2 * TILE_PAIRS;
        if (step % Operands::awake == 0) tiles.store<4>(nowhere, 64);
    }
    tiles.store<0>(c, row);
    tiles.store<1>(c + TILE, row);
    tiles.store<2>(lower, row);
    tiles.store<3>(lower + TILE, row);
}

/// One thread's part of the product, with loops like rung 3's around the tile.
template <class Operands>
void multiply_by_amx(const Product<float>& p) {
    constexpr Index pieces = Operands::pieces;
    const Index ic_step = even_piece(p.M, Operands::MC, PANEL);
    const Index pc_step = even_piece(p.K, Operands::KC, TILE_K);
    const Index jc_step = even_piece(p.N, Operands::NC, PANEL);
    // Where one block of B is all there is, A is used once, and need not leave L2.
    const Index rows_of_a = jc_step < p.N ? ic_step : smaller(ic_step, 256);
    Pair* packed_a = scratch_for<Pair>(Scratch::packed_a, rows_of_a * pc_step / 2 * pieces);
    Pair* packed_b = scratch_for<Pair>(Scratch::packed_b, jc_step * pc_step / 2 * pieces);
    bool special_a[Operands::MC / PANEL], special_b[Operands::NC / PANEL];
    const bool a_along_k = p.trans_a == Trans::no, b_along_k = p.trans_b == Trans::yes;
    Tiles tiles;

    for (Index ic = 0; ic < p.M; ic += ic_step) {  // 5th loop
        const Index mc = smaller(p.M - ic, ic_step);
        for (Index pc = 0; pc < p.K; pc += pc_step) {  // 4th loop
            const Index kc = smaller(p.K - pc, pc_step);
            const Index steps = (kc + TILE_K - 1) / TILE_K;
            const Index panel = steps * 2 * TILE_PAIRS * pieces;
            const float beta = pc == 0 ? p.beta : 1;
            for (Index jc = 0; jc < p.N; jc += jc_step) {  // 3rd loop
                const Index nc = smaller(p.N - jc, jc_step);
                pack_panels<pieces>(packed_b, special_b, p.b(pc, jc), p.ldb, b_along_k, b_along_k,
                                    nc, kc);
                for (Index ir = 0; ir < mc; ir += PANEL) {  // 2nd loop
                    if (jc == 0 && ir % rows_of_a == 0)
                        pack_panels<pieces>(packed_a, special_a, p.a(ic + ir, pc), p.lda, a_along_k,
                                            !a_along_k, smaller(mc - ir, rows_of_a), kc);
                    const Index in_a = ir % rows_of_a / PANEL;
                    const Pair* a = packed_a + in_a * panel;
                    for (Index jr = 0; jr < nc; jr += PANEL) {  // 1st loop
                        const Index rows = smaller(mc - ir, PANEL);
                        const Index columns = smaller(nc - jr, PANEL);
                        float* c = p.c(ic + ir, jc + jr);
                        if (special_a[in_a] || special_b[jr / PANEL]) {
                            multiply_in_loop_order<float>(
                                {p.trans_a, p.trans_b, rows, columns, kc, p.alpha, p.a(ic + ir, pc),
                                 p.lda, p.b(pc, jc + jr), p.ldb, beta, c, p.ldc});
                            continue;
                        }
                        const Pair* b = packed_b + jr / PANEL * panel;
                        const bool whole = rows == PANEL && columns == PANEL;
                        if (whole && p.alpha == 1 && (beta == 0 || beta == 1)) {
                            const float* ahead = jr + 2 * PANEL <= nc ? c + PANEL : c;
                            multiply_amx_tile<Operands>(tiles, steps, a, b, beta == 1, c, p.ldc,
                                                        ahead);
                            continue;
                        }
                        alignas(64) float sum[PANEL * PANEL];
                        multiply_amx_tile<Operands>(tiles, steps, a, b, false, sum, PANEL, sum);
                        for (Index m = 0; m < rows; ++m)
                            for (Index n = 0; n < columns; ++n) {
                                float& out = c[m * p.ldc + n];
                                out = p.alpha * sum[m * PANEL + n] + (beta == 0 ? 0 : beta * out);
                            }
                    }
                }
            }
        }
    }
}

/// Threads share out C by whole panels, so that its tiles are the same on any number of them.
template <class Operands>
void multiply_by_amx_threads(const Product<float>& p) {
    // Priced as that many operations of rung 6.
    const Cost cost{.flops = 2 * p.M * p.N * p.K * Operands::products / 16,
                    .bytes = p.elements() * Index{sizeof(float)}};
    parallel(threads_for(cost), [&](int thread, int threads) {
        const Grid grid = best_grid(p, threads);
        const Range rows = share_of(p.M, thread / grid.columns, grid.rows, PANEL);
        const Range columns = share_of(p.N, thread % grid.columns, grid.columns, PANEL);
        if (rows.begin < rows.end && columns.begin < columns.end)
            multiply_by_amx<Operands>(part_of(p, rows, columns));
    });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
