// Rung 5: the innermost loops in vectors, a tile of C in vector registers.
//
// A whole tile has MR rows and NV vectors of columns. For each k, NV vectors are loaded from a row
// of B, and each of the MR elements from a column of A is spread over a vector and multiplied with
// all of them: MR x NV multiply-adds for NV + MR loads. So the arithmetic units, not the loads, are
// the limit, and every element of C is summed over k in order.
//
// There is one function for each number of rows and of vectors, so that the edges of C waste
// nothing but the unused lanes of the last vector, which is loaded and stored under a mask. Fewer
// vectors leave registers for more rows.
//
// The five loops around it are those of rung 3, with rung 4's packing and blocks sized for this
// kernel. Rung 7 has others, in tile_loops.h. For them a tile can also store what it reads of B,
// and fetch what the next tiles will read; for rung 8 it can add a bias and take max(., 0).
//
// What is left to be desired: the machine has more than one core.
#pragma once

#include "kernels/cpu/caches.h"
#include "kernels/cpu/scratch.h"
#include "kernels/ladder/pack_vectors.h"
#include "kernels/ladder/product.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// What a tile fetches for later while it is summed: in a tile of NV vectors as many cache lines at
/// a time, `apart` from each other, else one; then those that are `next` further on.
template <class T>
struct Ahead {
    const T* at = nullptr;  // null: nothing
    Index apart = 0, next = 0;
    bool each_k = false;  // for each k, not for four
};

/// All of a tile but where it lies: C = alpha A B + beta C over kc values of k. C has leading
/// dimension ldc, B ldb, and A lda either way: trans_a is a parameter of the function.
template <class T>
struct Tile {
    Index kc = 0, lda = 0, ldb = 0, ldc = 0;
    T alpha = 1, beta = 0;
    Index last_columns = 0;   // of the last vector, if it is cut
    T* copy_of_b = nullptr;   // rung 7: a panel, where the function makes one
    Ahead<T> ahead;           // rung 7
    const T* bias = nullptr;  // rung 8: to be added to every row,
    bool relu = false;        // and then negative elements become zero
};

/// What a tile does beside its sums. Those of NV vectors always fetch, where there is something to;
/// in smaller ones a second loop would cost a short sum a tenth of its time.
enum class Also { nothing, fetch, copy_b };

/// One tile. `part`: fewer columns than the vectors have lanes, so the last vector of B and C is
/// cut.
///
/// a, b and c come in registers, since in memory they would be stores for each tile, which wait in
/// the processor's queue behind those of C. flatten: where GCC inlines the lambdas one after
/// another, it keeps the sums in memory.
template <class T, int rows, int vectors, Trans trans_a, bool part, Also also>
[[gnu::flatten]] void multiply_tile(const Tile<T>& tile, const T* first_a, const T* b, T* c) {
    constexpr int L = lanes<T>;
    // Copies, since a store might change what `tile` refers to, for all that the compiler knows.
    const Index kc = tile.kc, lda = tile.lda, ldb = tile.ldb;
    const FirstLanes<T> last(tile.last_columns);
    const auto cut = [](int j) { return part && j == vectors - 1; };

    Vector<T> sum[rows][vectors] = {};
    // Rows of A that lie apart get a pointer for every four: from a single one the compiler would
    // compute the others anew for each k.
    constexpr int pointers = trans_a == Trans::yes ? 1 : (rows + 3) / 4;
    const T* a[pointers];
    HANDGRAD_UNROLL
    for (int i = 0; i < pointers; ++i) {
        a[i] = first_a + Index{4} * i * lda;
        keep(a[i]);
    }
    T* copy_of_b = tile.copy_of_b;
    // Called for four k in a row: a loop's own instructions would cost up to 9 %. Sums are kept in
    // their registers from each k to the next, or GCC spills some.
    const auto add_products = [&]() __attribute__((always_inline)) {
        Vector<T> bk[vectors];
        HANDGRAD_UNROLL
        for (int j = 0; j < vectors; ++j) {
            bk[j] = cut(j) ? last.load(b + j * L) : load(b + j * L);
            keep<T>(bk[j]);
        }
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            const T aik = trans_a == Trans::yes ? a[0][i] : a[i / 4][i % 4 * lda];
            HANDGRAD_UNROLL
            for (int j = 0; j < vectors; ++j) {
                sum[i][j] += aik * bk[j];
                keep<T>(sum[i][j]);
            }
        }
        if constexpr (also == Also::copy_b) {
            HANDGRAD_UNROLL
            for (int j = 0; j < vectors; ++j) store(copy_of_b + j * L, bk[j]);
            copy_of_b += vectors * L;
        }
        HANDGRAD_UNROLL
        for (int i = 0; i < pointers; ++i) a[i] += trans_a == Trans::yes ? lda : 1;
        b += ldb;
    };
    Ahead<T> ahead = tile.ahead;
    const Index whole = kc / 4 * 4;
    Index k = 0;
    if ((vectors == NV || also == Also::fetch) && ahead.at != nullptr) {
        constexpr int lines = vectors == NV ? NV : 1;
        // Row after row of C, in time: all at once they would keep A and B waiting.
        const T* row = c;
        const T* const end = c + rows * tile.ldc;
        const auto fetch_row = [&]() __attribute__((always_inline)) {
            if (row == end) return;
            HANDGRAD_UNROLL
            for (int j = 0; j < vectors; ++j) __builtin_prefetch(row + j * L, 1);
            row += tile.ldc;
        };
        for (Index i = ahead.each_k ? kc : kc / 4; i < rows; ++i) fetch_row();
        for (; ahead.each_k && k < kc; ++k) {
            fetch_row();
            HANDGRAD_UNROLL
            for (int j = 0; j < lines; ++j) __builtin_prefetch(ahead.at + j * ahead.apart);
            ahead.at += ahead.next;
            add_products();
        }
        for (; k < whole; k += 4) {
            fetch_row();
            HANDGRAD_UNROLL
            for (int j = 0; j < lines; ++j)
                __builtin_prefetch(ahead.at + j * ahead.apart, 0, 2);  // L2
            ahead.at += ahead.next;
            HANDGRAD_UNROLL
            for (int i = 0; i < 4; ++i) add_products();
        }
    }
    HANDGRAD_UNROLL_BY_4
    for (; k < kc; ++k) add_products();

    const auto each = [&](auto&& change) {
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            HANDGRAD_UNROLL
            for (int j = 0; j < vectors; ++j) change(sum[i][j], i, j);
        }
    };
    const auto load_part = [&](const T* row, int j) {
        return cut(j) ? last.load(row + j * L) : load(row + j * L);
    };
    if (tile.alpha != T{1}) each([&](Vector<T>& x, int, int) { x *= tile.alpha; });
    if (tile.beta != T{0})
        each([&](Vector<T>& x, int i, int j) { x += tile.beta * load_part(c + i * tile.ldc, j); });
    if (tile.bias != nullptr) each([&](Vector<T>& x, int, int j) { x += load_part(tile.bias, j); });
    if (tile.relu) each([&](Vector<T>& x, int, int) { x = x < Vector<T>{} ? Vector<T>{} : x; });
    HANDGRAD_UNROLL
    for (int i = 0; i < rows; ++i) {
        T* row = c + i * tile.ldc;
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
using TileFunction = void (*)(const Tile<T>&, const T* a, const T* b, T* c);

constexpr Also only_sums(Trans, int /*vectors*/, int /*rows*/) {
    return Also::nothing;
}

/// multiply_tile for every tile, at of[A transposed][last vector cut][vectors - 1][rows - 1].
template <class T, Also (*also)(Trans, int vectors, int rows)>
class TileFunctions {
  public:
    constexpr TileFunctions() {
        fill<Trans::no, false>(std::make_integer_sequence<int, NV>{});
        fill<Trans::no, true>(std::make_integer_sequence<int, NV>{});
        fill<Trans::yes, false>(std::make_integer_sequence<int, NV>{});
        fill<Trans::yes, true>(std::make_integer_sequence<int, NV>{});
    }
    TileFunction<T> of[2][2][NV][most_rows(1)] = {};

  private:
    template <Trans trans_a, bool part, int... i>
    constexpr void fill(std::integer_sequence<int, i...>) {
        (fill_rows<trans_a, part, i + 1>(std::make_integer_sequence<int, most_rows(i + 1)>{}), ...);
    }
    template <Trans trans_a, bool part, int vectors, int... i>
    constexpr void fill_rows(std::integer_sequence<int, i...>) {
        ((of[trans_a == Trans::yes][part][vectors - 1][i] =
              multiply_tile<T, i + 1, vectors, trans_a, part, also(trans_a, vectors, i + 1)>),
         ...);
    }
};
template <class T, Also (*also)(Trans, int, int) = only_sums>
inline constexpr TileFunctions<T, also> tile_functions;

/// The function for a tile of `rows` by `columns`: at most NR columns, and as many rows as
/// most_rows allows for their vectors.
template <class T, Also (*also)(Trans, int, int) = only_sums>
TileFunction<T> tile_function(Trans trans_a, Index rows, Index columns) {
    const Index vectors = (columns + lanes<T> - 1) / lanes<T>;
    const bool part = columns % lanes<T> != 0;
    return tile_functions<T, also>.of[trans_a == Trans::yes][part][vectors - 1][rows - 1];
}

// ---- the five loops around it -------------------------------------------------------------------

/// The pieces that the outer loops cut, in elements.
struct Blocking {
    Index mc, kc, nc;
};

/// C is read and written once for each KC, which wants KC long; more than 512 brings nothing. But
/// L1 holds nothing for long: a strip of B (KC x NR) is read anew for every MR rows, at NR elements
/// in the time of MR x NV multiply-adds, which L2 delivers with ease. In L2 are that strip and
/// the block of A, in rung 7 the next of each on its way, and what C needs: a strip takes a tenth
/// of it at most, and a block a quarter. MC = 128 uses a strip often enough. The block of B takes
/// three eighths of L3, which other cores use too.
template <class T>
Blocking choose_blocking() {
    constexpr Index size = sizeof(T), long_enough = 512, rows_enough = Index{128} / MR * MR;
    const Caches& c = caches();
    const Index kc = smaller(long_enough, larger(128, c.l2 / 10 / (NR<T> * size) / 64 * 64));
    const Index mc = smaller(rows_enough, larger(Index{8} * MR, c.l2 / 4 / (kc * size) / MR * MR));
    const Index nc = larger(Index{4} * NR<T>, c.l3 * 3 / 8 / (kc * size) / NR<T> * NR<T>);
    return {mc, kc, nc};
}
template <class T>
const Blocking& blocking() {
    static const Blocking chosen = choose_blocking<T>();
    return chosen;
}

/// The size of the fewest equal pieces that `total` > 0 can be cut into, none above `most`: a
/// multiple of `grain`. The last piece may be smaller.
inline Index even_piece(Index total, Index most, Index grain = 1) {
    const Index grains = (total + grain - 1) / grain;
    if (total <= most) return grains * grain;  // usual, and spares two divisions
    const Index pieces = (total + most - 1) / most;
    return (grains + pieces - 1) / pieces * grain;
}

/// Memory for `count` elements of T.
template <class T>
T* scratch_for(Scratch use, Index count) {
    return static_cast<T*>(scratch(use, static_cast<std::size_t>(count) * sizeof(T)));
}

template <class T>
void multiply_all_packed(const Product<T>& p) {
    constexpr Index L = lanes<T>;
    const Blocking& most = blocking<T>();
    const Index ic_step = even_piece(p.M, most.mc, MR), pc_step = even_piece(p.K, most.kc);
    const Index jc_step = even_piece(p.N, most.nc, NR<T>);
    // Whole vectors are stored: the last one of a panel may run over its end.
    T* packed_a = scratch_for<T>(Scratch::packed_a, ic_step * pc_step + L);
    T* packed_b = scratch_for<T>(Scratch::packed_b, jc_step * pc_step);
    Tile<T> tile;
    tile.lda = MR;
    tile.ldc = p.ldc;
    tile.alpha = p.alpha;
    for (Index jc = 0; jc < p.N; jc += jc_step) {  // 5th loop
        const Index nc = smaller(p.N - jc, jc_step);
        for (Index pc = 0; pc < p.K; pc += pc_step) {  // 4th loop
            const Index kc = smaller(p.K - pc, pc_step);
            tile.kc = kc;
            tile.beta = pc == 0 ? p.beta : T{1};
            for (Index ic = 0; ic < p.M; ic += ic_step) {  // 3rd loop
                const Index mc = smaller(p.M - ic, ic_step);
                for (Index ir = 0; ir < mc; ir += MR)
                    pack_a<T, MR>(packed_a + ir * kc, p.trans_a, p.a(ic + ir, pc), p.lda,
                                  smaller(mc - ir, MR), kc);
                for (Index jr = 0; jr < nc; jr += NR<T>) {  // 2nd loop
                    const Index nr = smaller(nc - jr, NR<T>);
                    T* const strip = packed_b + jr * kc;
                    tile.ldb = (nr + L - 1) / L * L;
                    tile.last_columns = nr % L;
                    // Just before its first use, so that it is in L2 then.
                    if (ic == 0)
                        pack_b(strip, tile.ldb, p.trans_b, p.b(pc, jc + jr), p.ldb, nr, kc);
                    for (Index ir = 0; ir < mc; ir += MR) {  // 1st loop
                        const auto function =
                            tile_function<T>(Trans::yes, smaller(mc - ir, MR), nr);
                        function(tile, packed_a + ir * kc, strip, p.c(ic + ir, jc + jr));
                    }
                }
            }
        }
    }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
