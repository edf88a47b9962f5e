// An operand that stays as it is can be packed once and used again: the weights of a network that
// is only asked.
//
// B lies in strips of NR columns, each K rows long and one behind the other, as rung 5 packs them.
// Whatever the matrix was like, the micro-kernel then reads it from front to back, each row on
// lines of its own. bench/constant_operand.cpp measures what that gains: most for a few rows of A
// and a B beyond L2. Many rows use a strip so often that they pay for its packing each time.
#pragma once

#include "kernels/ladder/6_threads.h"
#include "kernels/ladder/tile_loops.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Columns of a panel: whole vectors.
template <class T>
Index panel_columns(Index columns) {
    return (columns + lanes<T> - 1) / lanes<T> * lanes<T>;
}

/// How many numbers a packed (K, N) has; 0 where it does not pay, since too many lanes would idle.
template <class T>
Index packed_size(Index K, Index N) {
    return 10 * panel_columns<T>(N) <= 11 * N ? K * panel_columns<T>(N) : 0;
}

/// Rows of A up to which it pays.
inline constexpr Index most_rows_for_packed = 512;

/// Writes W', for W (N, K), to `packed`, packed_size(K, N) numbers.
template <class T>
void pack_operand(T* packed, const T* W, Index K, Index N) {
    const auto pack = [=](Index begin, Index end) {
        for (Index strip = begin; strip < end; ++strip) {
            const Index n = strip * NR<T>, nr = smaller(N - n, NR<T>);
            pack_b(packed + n * K, panel_columns<T>(nr), Trans::yes, W + n * K, K, nr, K);
        }
    };
    const Cost cost{.flops = 0, .bytes = 2 * K * N * Index{sizeof(T)}};
    parallel_ranges((N + NR<T> - 1) / NR<T>, cost, pack, 1);
}

/// A part of multiply_packed's product, whose columns those are of the whole one. Only whole.B is
/// the packed operand; p.B means nothing.
template <class T>
void multiply_packed_part(const Product<T>& p, const Product<T>& whole, Range columns,
                          const T* bias, bool relu) {
    constexpr Index size = sizeof(T);
    const Caches& c = caches();
    // If C is one tile high, each strip is used once, and all of its K rows are read at one go.
    // Else a piece of a strip takes a fifth of L2, and the block of A that uses it three eighths.
    // From beyond L2 the first tiles fetch rows of the next strip, the hardware those between.
    const Index kc_most = whole.M <= MR ? p.K : larger(128, c.l2 / 5 / (NR<T> * size));
    const Index pc_step = even_piece(p.K, kc_most);
    const Index mc_most = larger(Index{8} * MR, c.l2 * 3 / 8 / (pc_step * size));
    const Index ic_step = even_piece(p.M, mc_most, MR);
    const bool far = whole.M >= 2 * MR && p.K * whole.N * size > (c.near_l3 ? c.l3 / 4 : c.l2);
    Tile<T> tile;
    tile.lda = p.lda;
    tile.ldc = p.ldc;
    tile.alpha = p.alpha;
    for (Index pc = 0; pc < p.K; pc += pc_step) {  // 4th loop
        tile.kc = smaller(p.K - pc, pc_step);
        tile.beta = pc == 0 ? p.beta : T{1};
        const bool last_k = pc + tile.kc == p.K;
        tile.relu = relu && last_k;
        for (Index ic = 0; ic < p.M; ic += ic_step) {  // 3rd loop
            Index nr = 0;
            for (Index n = columns.begin; n < columns.end; n += nr) {  // 2nd loop
                const Index in_strip = n % NR<T>, strip = n - in_strip;
                nr = smaller(columns.end, strip + NR<T>) - n;
                tile.ldb = panel_columns<T>(smaller(whole.N - strip, NR<T>));
                tile.last_columns = nr % lanes<T>;
                tile.bias = last_k ? bias_from(bias, n) : nullptr;
                const T* const b = whole.B + strip * p.K + pc * tile.ldb + in_strip;
                Index ir_most = most_rows_of_strip<T>(nr);
                if (p.trans_a == Trans::no && collide<T>(ir_most, p.lda)) ir_most = MR;
                const TileRows rows(smaller(p.M - ic, ic_step), ir_most);
                for (Index t = 0; t < rows.tiles; ++t) {  // 1st loop
                    const Index m = ic + rows.first(t), share = tile.kc / smaller(4, rows.tiles);
                    tile.ahead = {};
                    if (far && t < 4 && strip + NR<T> < whole.N)
                        tile.ahead = {b + (p.K + t * share) * tile.ldb, lanes<T>,
                                      4 * tile.ldb / smaller(4, rows.tiles)};
                    const auto function = tile_function<T>(p.trans_a, rows.of(t), nr);
                    function(tile, p.a(m, pc), b, p.c(m, n - columns.begin));
                }
            }
        }
    }
}

/// C = alpha op(A) B + beta C, then + bias (N) in every row, if it is given, and max(C, 0), where
/// p.B is what pack_operand wrote.
template <class T>
void multiply_packed(const Product<T>& p, const T* bias = nullptr, bool relu = false) {
    share_out(p, best_grid<T>, [&](const Product<T>& part, Range, Range columns) {
        multiply_packed_part(part, p, columns, bias, relu);
    });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
