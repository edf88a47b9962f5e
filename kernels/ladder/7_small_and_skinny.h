// Rung 7: the shapes of training are small and skinny, and then copying does not pay.
//
// A copied element of A is used N / NR times and one of B M / MR times. With ten classes or a batch
// of sixteen that is once or twice. What pays instead is to stream the large operand once, in the
// order in which it lies, and to keep the small one in a cache. A large C, too, is better written
// row after row:
//
//   - as it lies      the five loops without packing: tile_loops.h
//   - rows first      where C or A is the large one: its rows are streamed, B stays in L2. Strips
//                     that take but a line of each row of C go this way earlier
//   - by lines        where B is, of A' B and A B: strips of a cache line
//   - dot products    A B': both operands lie along k, so that vectors run along k too, and nothing
//                     has to be turned. Their lanes are added at the end of a long sum, which is
//                     cut where L2 is too slow for it. See dot_products.h.
//   - one row         B is streamed, eight rows at a time
//   - pieces of k     a C too small to be shared out: threads make partial sums of it
//
// What is streamed comes from beyond L2, and each use of it must find it there. The processor sees
// rows coming and fetches them, but too late for these few multiply-adds, and not where rows are
// short or used piece by piece. So the tile in work asks for what follows the next: that makes up
// to twice the speed, and large squares gain a little. An L3 that is near (kernels/cpu/caches.h)
// brings wide strips in time, and to ask it costs more than it brings.
//
// A vector of a tile that C's few columns do not fill takes as long as a full one. Of 100 columns
// tiles make 96, and the last four go another way, as do all columns where there are but a few:
//
//   - dot products    A B', and A B with B turned
//   - turned around   A' B: C' = B' A, whose vectors run along the rows of C
//
// Nor does it pay to pack the weights once a step: y = x W' alone would use the panels, since dx =
// dy W reads W as it lies. Weights that never change are another matter: packed_operand.h.
//
// What is left to be desired: a layer passes over its output again, to add the bias.
#pragma once

#include <utility>

#include "kernels/ladder/6_threads.h"
#include "kernels/ladder/dot_products.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Nothing is copied. Of A, MR rows or more are read at once: pieces of 2 KB keep their pages at
/// hand.
template <class T>
inline constexpr Way as_it_lies{
    .pack_a = false, .pack_b = false, .rows_first = false, .kc = 2048 / Index{sizeof(T)}};

/// B in strips of a cache line, each a column of lines that lie far apart. All rows of A use it at
/// once, up to sixteen to a tile, and the first tile brings the lines of the strip after the next.
template <class T>
inline constexpr Way by_lines{.pack_b = false, .kc = 1024 / Index{sizeof(T)}, .narrow = true};

/// Values of k in a piece, where threads share out k.
inline constexpr Index long_piece = 4096;

/// Columns that may all be made another way than by tiles.
template <class T>
inline constexpr Index few = line<T>;

/// Rows of B that may lie in a page each and still, with all else, be known to L1's TLB.
inline constexpr Index few_pages = 32;

/// Does A come from beyond L2, to be used row after row, while L2 keeps B?
template <class T>
bool far_rows_of_a(const Product<T>& p) {
    const Index l2 = caches().l2 / Index{sizeof(T)};
    return p.trans_a == Trans::no && p.M * p.K > l2 && p.K * p.N <= l2 / 2;
}

/// May each tile of such rows fetch its share of the next ones?
template <class T>
bool streams_rows_of_a(const Product<T>& p) {
    return memory_is_slow && far_rows_of_a(p) && p.lda <= 2 * p.K && p.N <= 4 * NR<T> &&
           (!thin_strips || from_memory(p));
}

// ---- small --------------------------------------------------------------------------------------

/// Products of more operations are never small.
inline constexpr Index most_of_small = Index{64} * 64 * 64;

/// Does it fit in L1, and is it too short for threads? k is not cut here, and so must not be
/// elsewhere: the bits would depend on the number of threads.
template <class T>
bool is_small(const Product<T>& p) {
    const Index size = p.M * p.N * p.K;
    return size <= most_of_small && p.K <= as_it_lies<T>.kc &&
           p.elements() * Index{sizeof(T)} <= Index{48} * 1024 &&
           (size <= Index{32} * 32 * 32 || threads_for(cost_of(p)) == 1);
}

/// Nothing but the tiles: so short a work that the five loops' own bookkeeping would show.
template <class T>
[[gnu::always_inline]] inline void multiply_by_few_tiles(const Product<T>& p,
                                                         const T* bias = nullptr,
                                                         bool relu = false) {
    constexpr Index L = lanes<T>;
    const Index columns = even_piece(p.N, NR<T>, L);
    Tile<T> tile;
    tile.kc = p.K;
    tile.lda = p.lda;
    tile.ldb = p.ldb;
    tile.ldc = p.ldc;
    tile.alpha = p.alpha;
    tile.beta = p.beta;
    tile.relu = relu;
    T* packed = nullptr;
    if (p.trans_b == Trans::yes) {
        packed = scratch_for<T>(Scratch::packed_b, p.K * columns);
        tile.ldb = columns;
    }
    Index nr = 0;
    for (Index n = 0; n < p.N; n += nr) {
        nr = next_piece(p.N - n, columns, L);
        const T* b = p.b(0, n);
        if (packed != nullptr) {
            pack_b(packed, columns, Trans::yes, b, p.ldb, nr, p.K);
            b = packed;
        }
        const TileRows rows(p.M, most_rows_of_strip<T>(nr));
        tile.last_columns = nr % L;
        tile.bias = bias_from(bias, n);
        Index m = 0;
        for (Index t = 0; t < rows.tiles; ++t) {
            tile_function<T>(p.trans_a, rows.of(t), nr)(tile, p.a(m, 0), b, p.c(m, n));
            m += rows.of(t);
        }
    }
}

// ---- one row ------------------------------------------------------------------------------------

/// C (1, N) = alpha op(A) B + beta C, then the epilogue. A tile of one row would wait for its few
/// sums. Here eight rows of B at a time are streamed, and added to C in a cache.
template <class T>
void multiply_row(const Product<T>& p, const T* bias = nullptr, bool relu = false) {
    constexpr Index L = lanes<T>;
    constexpr int at_once = 8;
    T* const c = p.C;
    for (Index n = 0; n < p.N; ++n)
        c[n] = (p.beta == T{0} ? T{0} : p.beta * c[n]) + (bias == nullptr ? T{0} : bias[n]);
    const auto add_rows = [&](Index k, auto count) {
        constexpr int rows = decltype(count)::value;
        Vector<T> ak[rows];
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) ak[i] = Vector<T>{} + p.alpha * *p.a(0, k + i);
        const T* const b = p.b(k, 0);
        const auto add = [&](Index n, auto load_n, auto store_n) {
            Vector<T> sum = load_n(c + n);
            HANDGRAD_UNROLL
            for (int i = 0; i < rows; ++i) sum += ak[i] * load_n(b + i * p.ldb + n);
            store_n(c + n, sum);
        };
        Index n = 0;
        for (; n + L <= p.N; n += L)
            add(
                n, [](const T* x) { return load(x); }, [](T* y, Vector<T> x) { store(y, x); });
        if (n < p.N) {
            const FirstLanes<T> in(p.N - n);
            add(
                n, [&](const T* x) { return in.load(x); },
                [&](T* y, Vector<T> x) { in.store(y, x); });
        }
    };
    Index k = 0;
    for (; k + at_once <= p.K; k += at_once) add_rows(k, std::integral_constant<int, at_once>{});
    for (; k < p.K; ++k) add_rows(k, std::integral_constant<int, 1>{});
    if (relu)
        for (Index n = 0; n < p.N; ++n) c[n] = c[n] < 0 ? 0 : c[n];
}

/// Does multiply_row make a row of N sums over k? N and K are the whole product's, not a part's.
template <class T>
bool streams_row(Index N, Index K) {
    return N >= 4 * lanes<T> && K * N >= 1 << 14;
}
template <class T>
bool is_row(const Product<T>& whole) {
    return whole.M == 1 && whole.trans_b == Trans::no && streams_row<T>(whole.N, whole.K);
}

// ---- turned around ------------------------------------------------------------------------------

/// op(B)' op(A)', which makes C'.
template <class T>
Product<T> turned_around(const Product<T>& p) {
    const auto turn = [](Trans t) { return t == Trans::yes ? Trans::no : Trans::yes; };
    Product<T> q = p;
    q.trans_a = turn(p.trans_b);
    q.trans_b = turn(p.trans_a);
    std::swap(q.M, q.N);
    std::swap(q.A, q.B);
    std::swap(q.lda, q.ldb);
    return q;
}

/// C = alpha op(A) op(B) + beta C by way of C' = op(B)' op(A)', by multiply_row if C' is a row that
/// this streams, else `way`; then, if they are given, + bias (N) in every row and max(C, 0).
template <class T>
void multiply_turned_around(const Product<T>& p, bool streams, const Way& way, const T* bias,
                            bool relu) {
    // A column without gaps is a row.
    const bool column = p.N == 1 && p.ldc == 1 && bias == nullptr && !relu;
    T* turned = column ? p.C : scratch_for<T>(Scratch::turned, p.M * p.N);
    Product<T> q = turned_around(p);
    q.beta = column ? p.beta : T{0};
    q.C = turned;
    q.ldc = p.M;
    if (streams)
        multiply_row(q);
    else if (!way.narrow && is_small(q))
        multiply_by_few_tiles(q);
    else
        multiply_by_tiles(q, way);
    if (column) return;
    constexpr Index L = lanes<T>;
    for (Index n = 0; n < p.N; n += L)
        for (Index m = 0; m < p.M; m += L) {
            const Index rows = smaller(p.M - m, L), columns = smaller(p.N - n, L);
            const FirstLanes<T> in(rows), out(columns);
            Vector<T> x[L];
            HANDGRAD_UNROLL
            for (int i = 0; i < L; ++i)
                x[i] = i < columns ? in.load(turned + (n + i) * p.M + m) : Vector<T>{};
            transpose_blocks<T, L>(x);
            const Vector<T> shift = bias == nullptr ? Vector<T>{} : out.load(bias + n);
            HANDGRAD_UNROLL
            for (int i = 0; i < L; ++i) {
                if (i >= rows) break;
                T* c = p.c(m + i, n);
                if (p.beta != T{0}) x[i] += p.beta * out.load(c);
                if (bias != nullptr) x[i] += shift;
                if (relu) x[i] = x[i] < Vector<T>{} ? Vector<T>{} : x[i];
                out.store(c, x[i]);
            }
        }
}

// ---- which way ----------------------------------------------------------------------------------
//
// Estimates, in the time of a multiply-add of vectors. Their constants fit what a Zen 4 took with
// AVX2 (in tiles of 4 x 3) and AVX-512, M 2 to 512, K 8 to 2048, N 1 to 128: the better of two ways
// is missed by less than 1 % on average.

/// n columns as dot products. The lanes of each are added up, of as many at once as there are sums
/// in a tile, which a long sum pays for.
template <class T>
double time_of_dots(const Product<T>& p, Index n) {
    constexpr Index L = lanes<T>;
    const double M = static_cast<double>(p.M), K = static_cast<double>(p.K);
    const bool turned = p.trans_b == Trans::no, column = p.N == 1 || p.M == 1;
    const bool straddles = p.lda % line<T> != 0 || (!turned && p.ldb % line<T> != 0);
    const Index columns = smaller(n, DOT_COLUMNS), in_row = (n + columns - 1) / columns;
    const Index rows = smaller(p.M, most_dot_rows(static_cast<int>(columns)));
    const Index sums = column ? L : smaller(L, rows * columns);
    const double add_up = 3.0 * L / static_cast<double>(sums);
    const double store = column ? 0 : 4 * static_cast<double>(p.M * in_row);
    const double turn = turned ? static_cast<double>(smaller(n, 5)) * K : 0;
    const double vectors = (straddles ? 1.35 : 1.1) * K / L;
    return M * static_cast<double>(n) * (vectors + add_up) + store + turn;
}

/// n columns as rows of C' = B' A, which leave no lane idle; to turn a vector of C back takes as
/// long as some six values of k.
template <class T>
double time_turned_around(const Product<T>& p, Index n) {
    constexpr Index L = lanes<T>;
    const Index sums = larger(4, n * ((p.M + L - 1) / L)), turns = p.M * ((n + L - 1) / L);
    return 1.05 * static_cast<double>(sums * p.K) + 6 * static_cast<double>(turns);
}

/// n columns in tiles. The last vector may be nearly empty, and takes as long as a full one, or
/// longer without masks. The loads of a tile of one vector take longer than its multiply-adds.
template <class T>
double time_of_tiles(const Product<T>& p, Index n) {
    constexpr Index L = lanes<T>;
    constexpr bool wide = vector_bytes == 64, masks = vector_bytes >= 32;
    const Index vectors = n / L + (n % L == 0 ? 0 : masks ? 1 : 3);
    const Index packed = p.trans_b == Trans::no ? 0 : p.K * n;
    const bool slow = p.N <= L && !(wide && p.trans_a == Trans::yes);
    return (slow ? 1.25 : 1.05) * static_cast<double>(p.M * vectors * p.K) +
           0.4 * static_cast<double>(packed);
}

/// How many columns of C tiles make: all, none, or as many as fill whole vectors. multiply_few
/// makes the others.
template <class T>
[[gnu::noinline]] Index choose_tiled_columns(const Product<T>& p) {
    constexpr Index L = lanes<T>;
    const bool plain_a = p.trans_a == Trans::no;
    // Dot products want the smaller operand in L2, and those of wide vectors have no time to wait
    // for more than a quarter of it.
    const auto stays = [&](Index n) {
        const Index l2 = caches().l2 / Index{sizeof(T)}, few_rows = smaller(p.M, n);
        return thin_strips ? few_rows * p.K <= l2 / 2 : few_rows * p.K < l2 / 4;
    };
    const bool far_a = p.M * p.K > caches().l2 / Index{sizeof(T)};
    // Sixteen rows of A, a line of each in turn, come faster from memory than a few in dot
    // products, and are used as fast where two wide multiply-adds start in a cycle: not on a Zen 4,
    // whose L1 has 32 KB.
    if (vector_bytes == 64 && caches().l1 > Index{32} * 1024 && p.N >= L / 2 &&
        streams_rows_of_a(p) && from_memory(p))
        return p.N;
    // Thin strips would read A from afar for each of them, or for the first and the last.
    const bool turns_b = thin_strips && far_a;
    if (plain_a && (p.trans_b == Trans::yes || turns_b) &&
        time_of_dots(p, p.N) < time_of_tiles(p, p.N) && stays(p.N))
        return 0;
    const Index last = p.N <= few<T> ? p.N : p.N % L, tiled = p.N - last;
    if (last == 0) return p.N;
    // Two ways start twice, and read A twice.
    const bool twice = tiled > 0;
    const double start = twice ? 150 : 50;
    const double all = time_of_tiles(p, last);
    const double others = plain_a ? time_of_dots(p, last) : time_turned_around(p, last);
    if (others > 0.9 * all || others + start > all || (plain_a && !stays(last))) return p.N;
    return twice && far_a && !thin_strips ? p.N : tiled;
}
template <class T>
[[gnu::always_inline]] inline Index tiled_columns(const Product<T>& p) {
    // Without asking for what costs as much as it saves.
    const bool plain_b = p.trans_b == Trans::no;
    const bool fills = p.N % lanes<T> == 0 && p.N >= few<T>;
    if (plain_b && (fills || p.M * p.K <= 128)) return p.N;
    return choose_tiled_columns(p);
}

/// A column without gaps is a row: A times it is a row of dot products.
template <class T>
Product<T> column_as_row(Product<T> p) {
    if (p.N == 1 && p.ldb == 1 && p.trans_a == Trans::no) {
        p.trans_b = Trans::yes;
        p.ldb = p.K;
    }
    return p;
}

/// What tiles do not make: `whole`, or a part of it. `turned`: how to make C'.
template <class T>
void multiply_few(const Product<T>& p, const Product<T>& whole, const Way& turned, const T* bias,
                  bool relu) {
    if (p.trans_a == Trans::yes) {
        const bool streams = p.N == 1 && streams_row<T>(whole.M, whole.K);
        return multiply_turned_around(p, streams, turned, bias, relu);
    }
    multiply_by_dots(p.trans_b == Trans::yes ? p : turn_b(p), choose_dot_way(whole), bias, relu);
}

template <class T>
[[gnu::noinline]] void multiply_small_otherwise(const Product<T>& product, Index tiled,
                                                const T* bias, bool relu) {
    const Product<T> p = column_as_row(product);
    const Range rows{0, p.M};
    if (tiled > 0) multiply_by_few_tiles(part_of(p, rows, {0, tiled}), bias, relu);
    if (tiled < p.N)
        multiply_few(part_of(p, rows, {tiled, p.N}), part_of(p, rows, {tiled, p.N}), as_it_lies<T>,
                     bias_from(bias, tiled), relu);
}

template <class T>
[[gnu::always_inline]] inline void multiply_small(const Product<T>& p, const T* bias = nullptr,
                                                  bool relu = false) {
    // A copy of p, just written, would take longer than a product of 8x8x8.
    const Index tiled = p.N > 1 ? tiled_columns(p) : tiled_columns(column_as_row(p));
    if (p.N > 1 && tiled == p.N)
        multiply_by_few_tiles(p, bias, relu);
    else if (tiled == 0 && p.trans_a == Trans::no && p.trans_b == Trans::yes)
        multiply_by_dots(p, DotWay{p.K, false}, bias, relu);
    else
        multiply_small_otherwise(p, tiled, bias, relu);
}

/// How tiles make a product. The thresholds are measured: one way against another, over the shapes
/// of bench/gemm.cpp and others like them.
template <class T>
Way choose_way(const Product<T>& p) {
    constexpr Index L = lanes<T>;
    const Index l2 = caches().l2 / Index{sizeof(T)}, l3 = caches().l3 / Index{sizeof(T)};
    const bool plain_a = p.trans_a == Trans::no, plain_b = p.trans_b == Trans::no;
    const bool in_l2 = p.elements() <= l2, large = p.M >= 256 && p.N >= 256;
    // A C that L2 has no room for is streamed row after row, past a block of B that stays there. So
    // is A, but not a long A', whose rows lie apart: it is copied, and strip after strip of B the
    // copy is used more often. Few rows do not pay for a block of B, nor a long k for a narrow one.
    // Of few strips of B each tile asks for its share of the A that comes next.
    const bool short_k = p.K <= 128 && (p.M >= 128 || p.K * p.N <= l2 / 2);
    const bool wide_block = l2 / 2 >= 512 * blocking<T>().kc;
    const bool far_a = far_rows_of_a(p), streams_a = streams_rows_of_a(p);
    // Thin strips touch a page of C for each row, and read an A from afar once each. A long A'
    // would be copied anew for each block of columns.
    const bool thin_rows_first =
        thin_strips && p.M >= 64 && (p.N >= 64 || far_a) && (plain_a || p.K <= 256);
    const bool big = p.M > 256 && p.N > 256 && p.M * p.N * p.K > 512 * 512 * 512;
    const bool rows_first =
        (streams_a && p.N > NR<T>) || (thin_rows_first && !big && p.N > NR<T>) ||
        (p.M * p.N > l2 * 3 / 4 && (short_k || (plain_a && large && wide_block)));
    if (!rows_first && (big || (!plain_a && plain_b && !in_l2 && large))) return Way{};
    Way way = as_it_lies<T>;
    way.rows_first = rows_first;
    way.streams_a = streams_a;
    if (rows_first) way.kc = 0;
    if (streams_a) way.kc = p.K;
    // Rows of A' a multiple of a page apart share one set of L1.
    way.pack_a =
        !plain_a && p.N >= 2 * NR<T> &&
        (p.lda * Index{sizeof(T)} % 4096 == 0 || (thin_strips && p.M >= 128 && p.N >= 256));
    // Rows of B shorter than a vector: packed, each starts on a cache line of its own. Rows that
    // collide wait neither in L1 nor in L2, and of thin strips, or from a near L3, the first tile
    // can copy them in time; so it does with any from memory to many rows, since it asks for them.
    const bool collides = collide<T>(p.K, p.ldb);
    const bool near_l3 = caches().near_l3;
    const Index enough_rows = thin_strips ? 12 : p.K * p.N > l2 ? 17 : 64;  // to pay for the copy
    const bool parts_rows = plain_b && collides && (thin_strips || near_l3) && p.M >= enough_rows;
    const bool from_memory_to_many = !thin_strips && near_l3 && p.K * p.N > l3 / 2 && p.M >= 48;
    way.pack_b = !plain_b || (p.N < L && p.M >= 64) || parts_rows || from_memory_to_many ||
                 (rows_first && (p.K > few_pages || collides));
    // Few rows of A use up a B from beyond L2 at once, and want its lines on their way early. Those
    // in a near L3 come by themselves, and lines that collide leave too early. Eight sums must be
    // under way.
    const bool far_b =
        near_l3 ? !collides && p.K * p.N > l3 / 2 : p.K * p.N > (collides ? l2 : 2 * l2);
    const bool few_rows = p.M < 64 && (p.M * NARROW >= 8 || collides);
    const bool more_rows = vector_bytes == 64 && p.M < 64 * MR && collides;
    if (plain_b && !way.pack_b && far_b && (few_rows || more_rows)) return by_lines<T>;
    // But a product that may be small must not be cut: see is_small.
    if (thin_strips && parts_rows && !rows_first && p.K > way.kc) way.kc = by_lines<T>.kc;
    return way;
}

struct Plan {
    Index tiled = 0;  // columns that tiles make,
    Way way;          // and how;
    Way turned;       // where the others are rows of C', how tiles make that
};

/// The whole product decides, so that every element is summed in the same order whatever the number
/// of threads is.
template <class T>
Plan choose_plan(const Product<T>& p) {
    const Index tiled = tiled_columns(p);
    Plan plan{tiled, choose_way(part_of(p, {0, p.M}, {0, tiled})), as_it_lies<T>};
    if (tiled == 0 && p.trans_a == Trans::yes) {
        const Way way = choose_way(turned_around(p));
        if (way.narrow) plan.turned = way;
    }
    return plan;
}

template <class T>
Grid choose_grid(const Product<T>& p, const Plan& plan, int threads) {
    // Where nothing is packed but a few rows, reading twice is cheap, and moving C is not. Whole
    // rows are what a thread of an elementwise kernel has too: in a training step the halves of a
    // weight's gradient then stay with their cores from this product to the optimiser.
    const bool no_tiles = plan.tiled == 0, dots = no_tiles && p.trans_a == Trans::no;
    const bool copies =
        dots || plan.way.narrow || (plan.way.pack_b && !(plan.way.rows_first && p.K <= few_pages));
    if (no_tiles && !dots) return {threads, 1, line<T>};
    if (!copies && p.M >= 2 * MR * threads) return {threads, 1};
    Grid grid = best_grid(p, threads);
    if (dots) grid.row_grain = DOT_ROWS;
    return grid;
}

/// What does not change the bits, each part decides for itself.
///
/// A copy of B has a strip's rows one after another, each on lines of its own. 16 tiles that use
/// the strip pay for it, or 8 where rows of B straddle lines, unless the strip is short or the only
/// one. Threads that share out rows make such a copy each.
///
/// A thread that writes C strip by strip goes down to its last rows for each, and its core, seeing
/// rows at a stride, fetches what comes after them: the next thread's, who has to get them back. So
/// parts of the rows go along them, as long as L2 holds what of B that passes.
template <class T>
Way way_of_part(const Plan& plan, const Product<T>& whole, const Product<T>& part) {
    Way way = plan.way;
    way.whole_bytes = whole.elements() * Index{sizeof(T)};
    if (way.narrow) return way;
    if (!way.rows_first && part.N > NR<T>)
        way.pack_b |=
            part.ldb % line<T> != 0 ? part.M >= 8 * MR : part.M >= 16 * MR && part.K >= 128;
    const Index kc = way.kc > 0 ? smaller(part.K, way.kc) : part.K;
    const bool stays = kc * part.N * Index{sizeof(T)} <= caches().l2 / 2;
    way.rows_first |= part.M < whole.M && stays && !way.pack_b;
    return way;
}

/// A part of a product, its columns being those of the whole from first_column on.
template <class T>
void multiply_part(const Product<T>& p, const Plan& plan, const Product<T>& whole,
                   Index first_column, const T* bias = nullptr, bool relu = false) {
    if (is_row(whole)) return multiply_row(p, bias, relu);
    const Range rows{0, p.M};
    const Index tiled = smaller(p.N, larger(0, plan.tiled - first_column));
    if (tiled > 0) {
        const Product<T> tiles = part_of(p, rows, {0, tiled});
        multiply_by_tiles(tiles, way_of_part(plan, whole, tiles), bias, relu);
    }
    if (tiled < p.N)
        multiply_few(part_of(p, rows, {tiled, p.N}),
                     part_of(whole, {0, whole.M}, {plan.tiled, whole.N}), plan.turned,
                     bias_from(bias, tiled), relu);
}

// ---- pieces of k --------------------------------------------------------------------------------

/// Is C too small to be shared out, and K long enough to be?
template <class T>
bool is_long(const Product<T>& p) {
    return p.M * p.N <= 32 * 32 && p.K >= 4 * long_piece;
}

/// C as the sum of products over long_piece values of k each, which threads share out. They are
/// added in order, and are the same on one thread: so are the bits.
template <class T>
void multiply_by_pieces_of_k(const Product<T>& p) {
    const Index pieces = (p.K + long_piece - 1) / long_piece, size = p.M * p.N;
    T* const sums = scratch_for<T>(Scratch::pieces_of_k, pieces * size);
    parallel(threads_for(cost_of(p)), [&](int thread, int threads) {
        const Range mine = share_of(pieces, thread, threads);
        for (Index i = mine.begin; i < mine.end; ++i) {
            const Index k = i * long_piece;
            Product<T> piece = p;
            piece.K = smaller(p.K - k, long_piece);
            piece.A = p.a(0, k);
            piece.B = p.b(k, 0);
            piece.beta = T{0};
            piece.C = sums + i * size;
            piece.ldc = p.N;
            multiply_part(piece, choose_plan(piece), piece, 0);
        }
    });
    for (Index m = 0; m < p.M; ++m)
        for (Index n = 0; n < p.N; ++n) {
            T& c = *p.c(m, n);
            T sum = sums[m * p.N + n];
            for (Index i = 1; i < pieces; ++i) sum += sums[i * size + m * p.N + n];
            c = p.beta == T{0} ? sum : sum + p.beta * c;
        }
}

template <class T>
void multiply_by_shape(const Product<T>& product) {
    if (is_small(product)) return multiply_small(product);
    const Product<T> p = column_as_row(product);
    if (is_long(p)) return multiply_by_pieces_of_k(p);
    const Plan plan = choose_plan(p);
    share_out(
        p, [&](const Product<T>& whole, int threads) { return choose_grid(whole, plan, threads); },
        [&](const Product<T>& part, Range, Range columns) {
            multiply_part(part, plan, p, columns.begin);
        });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
