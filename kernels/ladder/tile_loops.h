// The five loops of rung 5 once more, for rung 7: operands may stay where they lie, and the 1st and
// the 2nd loop may change places.
//
// Data that come from beyond L2 are on their way long before they are needed: while a tile of NV
// vectors is summed, it fetches a share of the next strip of B or of the next block of A. Copying B
// costs hardly anything, since the first tile that reads a strip stores it, too.
#pragma once

#include "kernels/ladder/5_simd_microkernel.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// How the five loops go about it; rung 7 says when not to pack, and what for.
struct Way {
    bool pack_a = true, pack_b = true;
    bool rows_first = false;  // the 1st and the 2nd loop change places, and B's block is in L2
    Index kc = 0;             // 0: that of blocking()
    bool narrow = false;      // strips of NARROW vectors, with A packed
    bool streams_a = false;   // a row of tiles fetches the next one's A; needs kc = K
    Index whole_bytes = 0;    // of the product that this is a part of, if it is
};

/// How much of what is left the next piece takes, where `step` is usual: a last piece of a single
/// grain would have too few sums to hide their latency, so it gets another from the one before.
inline Index next_piece(Index left, Index step, Index grain) {
    const bool one_too_many = left > step && left <= step + grain;
    return one_too_many && step > 2 * grain ? step - grain : smaller(left, step);
}

/// Do `rows` rows, ld apart, fall into one set of L1, and are more than that holds?
template <class T>
bool collide(Index rows, Index ld) {
    constexpr Index page = 4096;  // what the sets of L1 span, usually
    return ld * Index{sizeof(T)} % page == 0 && rows > caches().l1 / page;
}

/// So many rows in the fewest tiles, none above `most` rows. The first ones, `tall` of them, have a
/// row more than the others: a tile of a row or two would have too few sums to hide their latency.
struct TileRows {
    Index tiles, height, tall;
    TileRows(Index rows, Index most)
        : tiles(rows <= most ? 1 : (rows + most - 1) / most),
          height(rows <= most ? rows : (rows + tiles - 1) / tiles),
          tall(rows - tiles * (height - 1)) {}
    Index first(Index tile) const { return tile * height - larger(0, tile - tall); }
    Index of(Index tile) const { return tile < tall ? height : height - 1; }
};

/// A stream from beyond L2 is fetched so many elements ahead, at least.
template <class T>
inline constexpr Index far_ahead = 8192 / Index{sizeof(T)};

// ---- tiles that do more than their sums ---------------------------------------------------------

/// Tiles of fewer than NV vectors that multiply_by_tiles makes fetch. A narrow strip of B has a
/// packed A'. Of an A that is streamed nearly all tiles are as high as the widest strip allows.
constexpr Also fetches(Trans trans_a, int vectors, int rows) {
    const bool wanted =
        trans_a == Trans::yes ? vectors == NARROW : memory_is_slow && is_most_rows(rows, vectors);
    return wanted && vectors < NV ? Also::fetch : Also::nothing;
}

/// Rows of the tallest tile in a strip of so many columns <= NR.
template <class T>
Index most_rows_of_strip(Index columns) {
    return most_rows(static_cast<int>((columns + lanes<T> - 1) / lanes<T>));
}

/// multiply_tile for MR rows and whole vectors, which also copies B.
template <class T, Trans trans_a, int... i>
TileFunction<T> copying_tile_function(Index vectors, std::integer_sequence<int, i...>) {
    constexpr TileFunction<T> of[] = {multiply_tile<T, MR, i + 1, trans_a, false, Also::copy_b>...};
    return of[vectors - 1];
}
template <class T>
TileFunction<T> copying_tile_function(Trans trans_a, Index columns) {
    constexpr auto all = std::make_integer_sequence<int, NV>{};
    const Index vectors = columns / lanes<T>;
    return trans_a == Trans::yes ? copying_tile_function<T, Trans::yes>(vectors, all)
                                 : copying_tile_function<T, Trans::no>(vectors, all);
}

// ---- the five loops -----------------------------------------------------------------------------

/// Rows ic .. ic + mc and columns pc .. pc + kc of op(A) as panels of panel_rows * kc elements
/// each.
template <class T, Index panel_rows>
void pack_a_block(T* packed, const Product<T>& p, Index ic, Index mc, Index pc, Index kc) {
    const TileRows rows(mc, panel_rows);
    constexpr int many = 32 / MR;
    Index t = 0;
    if (p.trans_a == Trans::yes && rows.height == MR && panel_rows == MR)
        for (; t + many <= rows.tall; t += many)
            pack_many_along<T, many>(packed + t * MR * kc, MR * kc, p.a(ic + t * MR, pc), p.lda,
                                     kc);
    for (; t < rows.tiles; ++t)
        pack_a<T, panel_rows>(packed + t * panel_rows * kc, p.trans_a, p.a(ic + rows.first(t), pc),
                              p.lda, rows.of(t), kc);
}

/// C = alpha op(A) op(B) + beta C by tiles of C; then, if they are given, + bias (N) in every row
/// and max(C, 0).
template <class T>
void multiply_by_tiles(const Product<T>& p, Way way, const T* bias = nullptr, bool relu = false) {
    constexpr Index L = lanes<T>;
    const Blocking& most = blocking<T>();
    const Index kc_most = way.kc == 0 ? most.kc : way.kc;
    const Index pc_step = even_piece(p.K, kc_most, L);
    // Where rows come first, the block of B takes half of L2.
    const Index half_of_l2 = caches().l2 / 2 / (pc_step * Index{sizeof(T)});
    const Index in_l2 = larger(4, (half_of_l2 + NR<T> - 1) / NR<T>) * NR<T>;
    const Index jc_step = even_piece(p.N, way.rows_first ? in_l2 : most.nc, NR<T>);
    // A that is not copied may take more of L2, if it fits as a whole.
    const bool whole_a = !way.pack_a && p.M * pc_step * Index{sizeof(T)} <= caches().l2 * 3 / 8;
    const Index ic_step = even_piece(p.M, whole_a || way.streams_a ? p.M : most.mc, MR);
    const Index panel_rows = way.narrow ? NARROW_ROWS : MR;
    T* packed_a = nullptr;
    T* packed_b = nullptr;
    if (way.pack_a)
        packed_a =
            scratch_for<T>(Scratch::packed_a, (smaller(p.M, ic_step) + panel_rows) * pc_step + L);
    // With one block of rows, a strip of B is used only once, and the next can take its place: the
    // copy stays in L1 or L2.
    const bool used_once = p.M <= ic_step && !way.rows_first;
    if (way.pack_b)
        packed_b = scratch_for<T>(Scratch::packed_b,
                                  (smaller(p.N, used_once ? NR<T> : jc_step) + L) * pc_step);
    const Trans trans_a = way.pack_a ? Trans::yes : p.trans_a;
    const Index bytes = p.elements() * Index{sizeof(T)};
    // A near L3, which threads share, feeds wide strips by itself. What few tiles read as it lies
    // comes best unasked there, even from memory.
    const bool wide_near_l3 = !thin_strips && caches().near_l3;
    const bool few_tiles = !way.pack_b && p.M < Index{16} * MR;
    const bool far = wide_near_l3 ? larger(bytes, way.whole_bytes) > caches().l3 / 4 && !few_tiles
                                  : bytes > caches().l2;
    const bool looks_far_ahead = bytes > caches().l2 && (way.narrow || way.streams_a);
    // The processor itself fetches rows that are streamed, if there are enough multiply-adds.
    const bool looks_ahead = far && !way.rows_first && !looks_far_ahead;

    Tile<T> tile;
    tile.ldc = p.ldc;
    tile.alpha = p.alpha;
    tile.lda = way.pack_a ? panel_rows : p.lda;
    // 5th loop: blocks of columns; the block of B stays in L3, or L2.
    for (Index jc = 0; jc < p.N; jc += jc_step) {
        const Index nc = smaller(p.N - jc, jc_step);
        const Index jr_step = way.narrow ? NARROW * L : even_piece(nc, NR<T>, L);
        Index alike = 1;  // strips of that many columns
        while (next_piece(nc - alike * jr_step, jr_step, L) == jr_step) ++alike;
        Index ir_most = way.pack_a ? panel_rows : most_rows_of_strip<T>(jr_step);
        if (trans_a == Trans::no && collide<T>(ir_most, p.lda)) ir_most = MR;
        // 4th loop: blocks of k.
        for (Index pc = 0; pc < p.K; pc += pc_step) {
            const Index kc = smaller(p.K - pc, pc_step);
            const bool last_k = pc + kc == p.K;
            tile.kc = kc;
            tile.beta = pc == 0 ? p.beta : T{1};
            tile.relu = relu && last_k;
            // 3rd loop: blocks of rows; the block of A stays in L2, or passes through it.
            for (Index ic = 0; ic < p.M; ic += ic_step) {
                const Index mc = smaller(p.M - ic, ic_step);
                const TileRows rows(mc, ir_most);
                const Index tiles = rows.tiles;
                if (way.narrow)
                    pack_a_block<T, NARROW_ROWS>(packed_a, p, ic, mc, pc, kc);
                else if (way.pack_a)
                    pack_a_block<T, MR>(packed_a, p, ic, mc, pc, kc);
                const Index next_ic = ic + mc < p.M ? ic + mc : 0;
                const Index next_pc = next_ic > 0 ? pc : pc + kc;

                // The strip in work.
                Index nr = 0;
                const T *b = nullptr, *its_bias = nullptr;
                const auto take_b = [&](Index jr, bool first) {
                    nr = next_piece(nc - jr, jr_step, L);
                    tile.last_columns = nr % L;
                    b = p.b(pc, jc + jr);
                    tile.ldb = p.ldb;
                    tile.copy_of_b = nullptr;
                    its_bias = bias != nullptr && last_k ? bias + jc + jr : nullptr;
                    if (!way.pack_b) return;
                    T* panel = used_once ? packed_b : packed_b + jr * kc;
                    const Index width = (nr + L - 1) / L * L;
                    if (first && p.trans_b == Trans::no && rows.height == MR && nr % L == 0) {
                        tile.copy_of_b = panel;
                        return;
                    }
                    if (first) pack_b(panel, width, p.trans_b, b, p.ldb, nr, kc);
                    b = panel;
                    tile.ldb = width;
                };
                // Where nobody else has fetched it, B comes just before its use.
                const auto soon = [&]() -> Ahead<T> { return {b + 16 * p.ldb, L, p.ldb, true}; };
                // What tile t of the strip at jr fetches. Where A is streamed, all tiles of a row
                // their shares of the next row's; in narrow strips, the first that of B after the
                // next, and others no more than C.
                const auto look_far_ahead = [&](Index jr, Index t) -> Ahead<T> {
                    if (way.streams_a) {
                        const Index strips = (nc + jr_step - 1) / jr_step;
                        const Index strip = (jr + jr_step - 1) / jr_step;
                        const Index each_k = (rows.height + strips - 1) / strips;
                        const Index later = larger(rows.height * p.lda, far_ahead<T>);
                        const T* a = p.a(ic + rows.first(t), 0);
                        return {a + later + strip * kc * each_k, 0, each_k, true};
                    }
                    if (t > 0) return {b};
                    const Index later = jr + 2 * jr_step;
                    const T* at = later < nc ? b + 2 * jr_step : p.b(next_pc, jc + later - nc);
                    return {at, 0, p.ldb, true};
                };
                // Else: its share of the next strip of B, as it was packed or as it will be, or of
                // the next block of A.
                const auto look_ahead = [&](Index jr, Index t) -> Ahead<T> {
                    const bool first = ic == 0, plain_b = p.trans_b == Trans::no;
                    const bool enough = tiles >= 16;
                    if (!way.pack_b && plain_b && ic + t == 0 && (jr == 0 || !enough))
                        return soon();
                    if (!way.pack_b && !enough) return {b};
                    const Index shares = first && !plain_b ? NR<T> / NV : 4, quarter = kc / 4;
                    if (t < shares && jr + nr < nc) {
                        if (way.pack_b && !first)
                            return {packed_b + (jr + nr) * kc + t * quarter * jr_step, L, jr_step};
                        if (plain_b) return {p.b(pc + t * quarter, jc + jr + nr), L, p.ldb};
                        return {p.b(pc, jc + jr + nr + t * NV), p.ldb, 4};
                    }
                    if (t >= shares && next_pc < p.K) {
                        const Index i = jr / jr_step * (tiles - shares) + t - shares;
                        const Index left = smaller(p.M - next_ic, ic_step);
                        constexpr Index width = NV * line<T>;
                        if (p.trans_a == Trans::no && i * NV < left)
                            return {p.a(next_ic + i * NV, next_pc), p.lda, 4};
                        if (p.trans_a == Trans::yes && i / 4 * width < left)
                            return {p.a(next_ic + i / 4 * width, next_pc + i % 4 * quarter),
                                    line<T>, p.lda};
                    }
                    return {b};
                };
                // `count` tiles alike, from tile t of the strip at jr on, along the loop that is
                // innermost. Called, and not inlined, it would cost short sums 3 %.
                const auto multiply = [&](Index t, Index jr, Index count)
                    __attribute__((always_inline)) {
                    const Index m = rows.of(t), ir = rows.first(t);
                    const T* a = way.pack_a ? packed_a + t * panel_rows * kc : p.a(ic + ir, pc);
                    T* c = p.c(ic + ir, jc + jr);
                    tile.bias = its_bias;
                    if (looks_far_ahead)
                        tile.ahead = look_far_ahead(jr, t);
                    else if (looks_ahead)
                        tile.ahead = look_ahead(jr, t);
                    if (tile.copy_of_b != nullptr) {
                        if (far && way.rows_first) tile.ahead = soon();
                        copying_tile_function<T>(trans_a, nr)(tile, a, b, c);
                        b = tile.copy_of_b;
                        tile.ldb = nr;
                        tile.copy_of_b = nullptr;
                        tile.ahead = {};
                        return;
                    }
                    const auto function = looks_far_ahead
                                              ? tile_function<T, fetches>(trans_a, m, nr)
                                              : tile_function<T>(trans_a, m, nr);
                    const bool along = way.rows_first;
                    const Index down = p.trans_a == Trans::yes ? m : m * p.lda;
                    const Index a_next = along ? 0 : way.pack_a ? panel_rows * kc : down;
                    const Index b_next = !along ? 0 : way.pack_b ? jr_step * kc : jr_step;
                    const Index c_next = along ? jr_step : m * p.ldc;
                    const Index bias_next = along && its_bias != nullptr ? jr_step : 0;
                    for (Index n = 0; n < count; ++n) {
                        function(tile, a + n * a_next, b + n * b_next, c + n * c_next);
                        tile.bias += bias_next;
                    }
                };
                if (way.rows_first) {
                    for (Index t = 0; t < tiles; ++t) {
                        const bool first = ic + t == 0;
                        Index count = 1;
                        for (Index jr = 0; jr < nc; jr += nr * count) {
                            take_b(jr, first);
                            count = !first && jr == 0 && !way.streams_a ? alike : 1;
                            multiply(t, jr, count);
                        }
                    }
                } else {
                    // 2nd loop: strips of B, packed just before their first use.
                    for (Index jr = 0; jr < nc; jr += nr) {
                        take_b(jr, ic == 0);
                        // 1st loop: panels of A.
                        Index count = 1;
                        for (Index t = 0; t < tiles; t += count) {
                            const bool alone =
                                looks_ahead || looks_far_ahead || tile.copy_of_b != nullptr;
                            count = alone ? 1 : (t < rows.tall ? rows.tall : tiles) - t;
                            multiply(t, jr, count);
                        }
                    }
                }
            }
        }
    }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
