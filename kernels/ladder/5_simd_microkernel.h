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
// Data that come from beyond L2 are on their way long before they are needed: while a tile of NV
// vectors is summed, it fetches a share of the next strip of B or of the next block of A. Copying B
// costs hardly anything, since the first tile that reads a strip stores it, too.
//
// The five loops around it are those of rung 3, with blocks sized for this kernel. They are what
// CpuBackend runs for large products: rung 6 gives each thread a part of C, rung 7 packs less, and
// goes along the rows of C where that pays.
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
    const T* bias = nullptr;  // rung 8: to be added to every row,
    bool relu = false;        // and then negative elements become zero
    T* copy_of_b = nullptr;   // a panel, where the function makes one
    Ahead<T> ahead;
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

/// multiply_tile for every tile, at [A transposed][last vector cut][vectors - 1][rows - 1].
template <class T>
class TileFunctions {
  public:
    constexpr TileFunctions() {
        fill<Trans::no, false>(std::make_integer_sequence<int, NV>{});
        fill<Trans::no, true>(std::make_integer_sequence<int, NV>{});
        fill<Trans::yes, false>(std::make_integer_sequence<int, NV>{});
        fill<Trans::yes, true>(std::make_integer_sequence<int, NV>{});
    }
    typedef TileFunction<T> Functions[2][2][NV][most_rows(1)];
    Functions plain = {};
    Functions fetching = {};  // where multiply_by_tiles asks for it, else the same

  private:
    template <Trans trans_a, bool part, int... i>
    constexpr void fill(std::integer_sequence<int, i...>) {
        (fill_rows<trans_a, part, i + 1>(std::make_integer_sequence<int, most_rows(i + 1)>{}), ...);
    }
    template <Trans trans_a, bool part, int vectors, int... i>
    constexpr void fill_rows(std::integer_sequence<int, i...>) {
        (fill_one<trans_a, part, vectors, i + 1>(), ...);
    }
    template <Trans trans_a, bool part, int vectors, int rows>
    constexpr void fill_one() {
        // A narrow strip of B has a packed A'. Of an A that is streamed nearly all tiles are as
        // high as the widest strip allows.
        constexpr bool wanted = trans_a == Trans::yes
                                    ? vectors == NARROW
                                    : memory_is_slow && is_most_rows(rows, vectors);
        constexpr Also also = wanted && vectors < NV ? Also::fetch : Also::nothing;
        constexpr int t = trans_a == Trans::yes;
        plain[t][part][vectors - 1][rows - 1] =
            multiply_tile<T, rows, vectors, trans_a, part, Also::nothing>;
        fetching[t][part][vectors - 1][rows - 1] =
            multiply_tile<T, rows, vectors, trans_a, part, also>;
    }
};
template <class T>
inline constexpr TileFunctions<T> tile_functions;

/// Rows of the tallest tile in a strip of so many columns <= NR.
template <class T>
Index most_rows_of_strip(Index columns) {
    return most_rows(static_cast<int>((columns + lanes<T> - 1) / lanes<T>));
}

/// The function for a tile of `rows` <= most_rows_of_strip<T>(columns) by `columns` <= NR.
template <class T>
TileFunction<T> tile_function(
    Trans trans_a, Index rows, Index columns,
    const typename TileFunctions<T>::Functions& functions = tile_functions<T>.plain) {
    const Index vectors = (columns + lanes<T> - 1) / lanes<T>;
    const bool part = columns % lanes<T> != 0;
    return functions[trans_a == Trans::yes][part][vectors - 1][rows - 1];
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

// ---- the five loops around it -------------------------------------------------------------------

/// The pieces that the outer loops cut, in elements.
struct Blocking {
    Index mc, kc, nc;
};

/// C is read and written once for each KC, which wants KC long; more than 512 brings nothing. But
/// L1 holds nothing for long: a strip of B (KC x NR) is read anew for every MR rows, at NR elements
/// in the time of MR x NV multiply-adds, which L2 delivers with ease. In L2 are that strip, the
/// next one on its way, the block of A and the next one, and what C needs: a strip takes a tenth of
/// it at most, and a block a quarter. MC = 128 uses a strip often enough. The block of B takes
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

/// How the five loops go about it; rung 7 says when not to pack, and what for.
struct Way {
    bool pack_a = true, pack_b = true;
    bool rows_first = false;  // the 1st and the 2nd loop change places, and B's block is in L2
    Index kc = 0;             // 0: that of blocking()
    bool narrow = false;      // strips of NARROW vectors, with A packed
    bool streams_a = false;   // a row of tiles fetches the next one's A; needs kc = K
    Index whole_bytes = 0;    // of the product that this is a part of, if it is
};

/// The size of the fewest equal pieces that `total` > 0 can be cut into, none above `most`: a
/// multiple of `grain`. The last piece may be smaller.
inline Index even_piece(Index total, Index most, Index grain = 1) {
    const Index grains = (total + grain - 1) / grain;
    if (total <= most) return grains * grain;  // usual, and spares two divisions
    const Index pieces = (total + most - 1) / most;
    return (grains + pieces - 1) / pieces * grain;
}

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

/// Memory for `count` elements of T.
template <class T>
T* scratch_for(Scratch use, Index count) {
    return static_cast<T*>(scratch(use, static_cast<std::size_t>(count) * sizeof(T)));
}

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
    const auto& functions = looks_far_ahead ? tile_functions<T>.fetching : tile_functions<T>.plain;

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
                    const auto function = tile_function<T>(trans_a, m, nr, functions);
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

template <class T>
void multiply_all_packed(const Product<T>& p) {
    multiply_by_tiles(p, Way{});
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
