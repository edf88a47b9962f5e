// Rung 7: the shapes of training are small and skinny, and then copying does not pay.
//
// A copied element of A is used N / NR times and one of B M / MR times. With ten classes or a batch
// of sixteen that is once or twice. What pays instead is to stream the large operand once, in the
// order in which it lies, and to keep the small one in a cache. A large C, too, is better written
// row after row:
//
//   - as it lies      rung 5's loops without packing
//   - rows first      where C is the large one: its rows are streamed, B stays in L2
//   - dot products    A B': both operands lie along k, so that vectors run along k too, and nothing
//                     has to be turned. Their lanes are added at the end of a long sum.
//   - in layers of k  few rows of C, a large B: k in short pieces, B read row after row
//   - pieces of k     a C too small to be shared out: threads make partial sums of it
//   - turned around   A' B with few columns: C' = B' A, whose vectors run along the rows of C
//
// Nor does it pay to pack the weights once a step: y = x W' alone would use the panels, since dx =
// dy W reads W as it lies. bench/constant_operand.cpp measures what weights that never change gain.
//
// What is left to be desired: a layer passes over its output again, to add the bias.
#pragma once

#include <limits>

#include "kernels/ladder/6_threads.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Nothing is copied. Of A, MR rows or more are read at once: pieces of 2 KB keep their pages at
/// hand.
template <class T>
inline constexpr Way as_it_lies{
    .pack_a = false, .pack_b = false, .rows_first = false, .kc = 2048 / Index{sizeof(T)}};

/// Values of k in a piece, where threads share out k.
inline constexpr Index long_piece = 4096;

/// The columns that are few.
template <class T>
inline constexpr Index few = line<T>;

/// Rows of B that may lie in a page each and still, with all else, be known to L1's TLB.
inline constexpr Index few_pages = 32;

/// Do `rows` rows, ld apart, fall into one set of L1, and are more than that holds?
template <class T>
bool collide(Index rows, Index ld) {
    constexpr Index page = 4096;  // what the sets of L1 span, usually
    return ld * Index{sizeof(T)} % page == 0 && rows > caches().l1 / page;
}

/// How far apart a copy puts rows of K elements, so that no number of them collides.
template <class T>
Index apart(Index K) {
    const Index ld = even_piece(K, K, few<T>) + few<T>;
    return collide<T>(std::numeric_limits<Index>::max(), ld) ? ld + few<T> : ld;
}

// ---- dot products -------------------------------------------------------------------------------
//
// A tile of DOT_ROWS x DOT_COLUMNS dot products loads each vector once for a whole row or column of
// the tile; the lanes of each sum are added at the end.

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int DOT_ROWS = 4, DOT_COLUMNS = 5;  // 20 of 32 registers for sums, 6 to load
#else
inline constexpr int DOT_ROWS = 4, DOT_COLUMNS = 3;  // 12 of 16 registers for sums, 4 to load
#endif

/// C = alpha A B' + beta C for a few rows of A and B, each K long.
template <class T>
struct DotTile {
    Index K = 0;
    const T* a = nullptr;
    Index lda = 0;
    const T* b = nullptr;
    Index ldb = 0;
    T* c = nullptr;
    Index ldc = 0;
    T alpha = 1, beta = 0;
    bool far_a = false;  // beyond L2
};

template <class T, int rows, int columns>
void multiply_dot_tile(const DotTile<T>& tile) {
    constexpr int L = lanes<T>;
    constexpr int dots = rows * columns;
    constexpr int groups = (dots + L - 1) / L;

    Vector<T> sum[groups * L] = {};
    const auto add_products = [&](Index k, auto load_k) {
        Vector<T> bk[columns];
        HANDGRAD_UNROLL
        for (int j = 0; j < columns; ++j) {
            bk[j] = load_k(tile.b + j * tile.ldb + k);
            keep<T>(bk[j]);
        }
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            Vector<T> ak = load_k(tile.a + i * tile.lda + k);
            keep<T>(ak);
            HANDGRAD_UNROLL
            for (int j = 0; j < columns; ++j) sum[i * columns + j] += ak * bk[j];
        }
    };
    const Index whole_k = tile.K / L * L;
    const auto whole = [](const T* p) { return load(p); };
    if (tile.far_a) {
        const T* const ahead = tile.a + half_a_page / Index{sizeof(T)};
        for (Index k = 0; k < whole_k; k += L) {
            HANDGRAD_UNROLL
            for (int i = 0; i < rows; ++i) __builtin_prefetch(ahead + i * tile.lda + k);
            add_products(k, whole);
        }
    } else {
        HANDGRAD_UNROLL_BY_4
        for (Index k = 0; k < whole_k; k += L) add_products(k, whole);
    }
    if (whole_k < tile.K) {
        const FirstLanes<T> last(tile.K - whole_k);
        add_products(whole_k, [&](const T* p) { return last.load(p); });
    }

    T total[groups * L];
    HANDGRAD_UNROLL
    for (int g = 0; g < groups; ++g) store(total + g * L, sums_of_lanes<T>(sum + g * L));
    const T alpha = tile.alpha, beta = tile.beta;
    T* c = tile.c;
    const Index ldc = tile.ldc;
    for (int i = 0; i < rows; ++i) {
        if (beta == T{0})
            for (int j = 0; j < columns; ++j) c[j] = alpha * total[i * columns + j];
        else
            for (int j = 0; j < columns; ++j) c[j] = alpha * total[i * columns + j] + beta * c[j];
        c += ldc;
    }
}

template <class T>
using DotFunction = void (*)(const DotTile<T>&);

/// multiply_dot_tile for every number of rows and columns, at
/// [(rows - 1) * DOT_COLUMNS + columns - 1].
template <class T, int... i>
constexpr auto make_dot_functions(std::integer_sequence<int, i...>) {
    struct Table {
        DotFunction<T> at[sizeof...(i)];
    };
    return Table{{multiply_dot_tile<T, i / DOT_COLUMNS + 1, i % DOT_COLUMNS + 1>...}};
}

template <class T>
inline constexpr auto dot_functions =
    make_dot_functions<T>(std::make_integer_sequence<int, DOT_ROWS * DOT_COLUMNS>{});

/// C = alpha A B' + beta C, with A (M, K) and B (N, K) as they lie.
template <class T>
void multiply_by_dots(Product<T> p) {
    if (p.M > p.N && collide<T>(p.N, p.ldb)) {
        // All rows of B are in use at once; a copy that puts them further apart keeps them in L1.
        const Index ld = apart<T>(p.K);
        T* copy = scratch_for<T>(Scratch::packed_b, p.N * ld + lanes<T>);
        pack_along(copy, ld, p.B, p.ldb, p.K, p.N);
        p.B = copy;
        p.ldb = ld;
    }
    const Index columns = even_piece(p.N, DOT_COLUMNS);
    // Where k is short, adding up the lanes shows: of as many sums at once as there are lanes.
    const Index at_once = lanes<T> / columns;
    const bool adds_up = p.K < 8 * lanes<T> && at_once >= DOT_ROWS - 1;
    const Index rows = even_piece(p.M, adds_up ? smaller(at_once, DOT_ROWS) : DOT_ROWS);
    const bool far = p.elements() * Index{sizeof(T)} > caches().l2;
    DotTile<T> tile;
    tile.K = p.K;
    tile.lda = p.lda;
    tile.ldb = p.ldb;
    tile.ldc = p.ldc;
    tile.alpha = p.alpha;
    tile.beta = p.beta;
    const auto multiply = [&](Index i, Index j, Index n) {
        tile.a = p.a(i, 0);
        tile.b = p.b(0, j);
        tile.c = p.c(i, j);
        // The first tile of a row brings it for the others.
        tile.far_a = far && j == 0;
        const Index m = smaller(p.M - i, rows);
        dot_functions<T>.at[(m - 1) * DOT_COLUMNS + n - 1](tile);
    };
    // The larger operand is read once, the smaller one again and again from a cache.
    Index n = 0;
    if (p.M <= p.N) {
        for (Index j = 0; j < p.N; j += n) {
            n = next_piece(p.N - j, columns, 1);
            for (Index i = 0; i < p.M; i += rows) multiply(i, j, n);
        }
    } else {
        for (Index i = 0; i < p.M; i += rows)
            for (Index j = 0; j < p.N; j += n) {
                n = next_piece(p.N - j, columns, 1);
                multiply(i, j, n);
            }
    }
}

/// The same with B (K, N), which is turned first: where many rows of A use it.
template <class T>
void multiply_by_dots_turning_b(const Product<T>& p) {
    constexpr Index L = lanes<T>;
    const Index ld = apart<T>(p.K);
    T* turned = scratch_for<T>(Scratch::packed_b, p.N * ld);
    for (Index k = 0; k < p.K; k += L)
        pack_across<T, L>(turned + k, ld, p.b(k, 0), p.ldb, smaller(p.K - k, L), p.N);
    Product<T> q = p;
    q.trans_b = Trans::yes;
    q.B = turned;
    q.ldb = ld;
    multiply_by_dots(q);
}

// ---- small --------------------------------------------------------------------------------------

/// Products of more operations are never small.
inline constexpr Index most_of_small = Index{64} * 64 * 64;

/// A' B with few columns.
template <class T>
bool turns_around(const Product<T>& p) {
    return p.trans_a == Trans::yes && p.N <= few<T> && p.M >= 4 * lanes<T>;
}

/// A B with few columns, long sums and many rows: dot products, once B is turned.
template <class T>
bool turns_b(const Product<T>& p) {
    return p.trans_a == Trans::no && p.trans_b == Trans::no && p.N <= few<T> && p.M >= 64 &&
           p.K >= 32 * lanes<T> && p.N * p.K <= caches().l2 / Index{sizeof(T)} / 2;
}

/// Does it fit in L1, is it too short for threads, and can its tiles read B as it lies? k is not
/// cut here, and so must not be elsewhere: the bits would depend on the number of threads.
template <class T>
bool is_small(const Product<T>& p) {
    const Index size = p.M * p.N * p.K;
    return p.trans_b == Trans::no && p.N > 1 && !turns_around(p) && !turns_b(p) &&
           p.K <= as_it_lies<T>.kc && size <= most_of_small &&
           p.elements() * Index{sizeof(T)} <= Index{48} * 1024 &&
           (size <= Index{32} * 32 * 32 || threads_for(cost_of(p)) == 1);
}

/// Nothing but the tiles: so short a work that the five loops' own bookkeeping would show.
template <class T>
[[gnu::always_inline]] inline void multiply_small(const Product<T>& p, const T* bias = nullptr,
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
    Index nr = 0;
    for (Index n = 0; n < p.N; n += nr) {
        nr = next_piece(p.N - n, columns, L);
        const Index rows = even_piece(p.M, most_rows_of_strip<T>(nr));
        tile.last_columns = nr % L;
        tile.bias = bias == nullptr ? nullptr : bias + n;
        for (Index m = 0; m < p.M; m += rows)
            tile_function<T>(p.trans_a, smaller(p.M - m, rows), nr)(tile, p.a(m, 0), p.B + n,
                                                                    p.c(m, n));
    }
}

// ---- turned around ------------------------------------------------------------------------------

/// C = alpha op(A) op(B) + beta C by way of C' = op(B)' op(A)'.
template <class T>
void multiply_turned_around(const Product<T>& p) {
    const auto turn = [](Trans t) { return t == Trans::yes ? Trans::no : Trans::yes; };
    T* turned = scratch_for<T>(Scratch::turned, p.M * p.N);
    const Product<T> q{.trans_a = turn(p.trans_b),
                       .trans_b = turn(p.trans_a),
                       .M = p.N,
                       .N = p.M,
                       .K = p.K,
                       .alpha = p.alpha,
                       .A = p.B,
                       .lda = p.ldb,
                       .B = p.A,
                       .ldb = p.lda,
                       .beta = T{0},
                       .C = turned,
                       .ldc = p.M};
    if (is_small(q))
        multiply_small(q);
    else
        multiply_by_tiles(q, as_it_lies<T>);
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
            HANDGRAD_UNROLL
            for (int i = 0; i < L; ++i) {
                if (i >= rows) break;
                T* c = p.c(m + i, n);
                out.store(c, p.beta == T{0} ? x[i] : x[i] + p.beta * out.load(c));
            }
        }
}

// ---- which way ----------------------------------------------------------------------------------

/// Are dot products faster than tiles for A B'? They are where adding up their lanes is paid for by
/// a long sum, and tiles are where many rows use a packed B and its last vector is nearly full.
/// Estimates for one element of C, in the time of a multiply-add of vectors; their constants fit
/// what AVX2 and AVX-512 were measured to take, M 16 to 512, K 64 to 784, N 4 to 128.
template <class T>
bool dots_pay(const Product<T>& p) {
    constexpr Index L = lanes<T>;
    const Index vectors = (p.N + L - 1) / L;
    const auto per_lane = [](Index n) { return static_cast<double>(n) / L; };
    const bool straddles = p.lda % line<T> != 0 || p.ldb % line<T> != 0;
    constexpr double add_up = 1 + L / 4.0;
    const double dots = (straddles ? 1.45 : 1.15) * per_lane(p.K) + add_up;
    // The loads of a tile of one vector take longer than its multiply-adds.
    const double tile = (vectors == 1 ? 1.25 : 1.05) * per_lane(p.K);
    const double used = per_lane(p.N) / static_cast<double>(vectors);
    const double pack = 0.8 * static_cast<double>(p.K) / static_cast<double>(p.M);
    return dots < tile / used + pack;
}

enum class Path { tiles, dots, dots_turning_b, turned_around };

struct Plan {
    Path path = Path::tiles;
    Way way;
};

/// The whole product decides, so that every element is summed in the same order whatever the number
/// of threads is. The thresholds are measured: one way against another, over the shapes of
/// bench/gemm.cpp.
template <class T>
Plan choose_plan(const Product<T>& p) {
    constexpr Index L = lanes<T>;
    const Index l2 = caches().l2 / Index{sizeof(T)};
    const bool plain_a = p.trans_a == Trans::no, plain_b = p.trans_b == Trans::no;
    if (plain_a && !plain_b) {
        const bool stays = smaller(p.M, p.N) * p.K <= l2 / 2;
        if (dots_pay(p) && stays) return {.path = Path::dots, .way = {}};
    }
    if (turns_b(p)) return {.path = Path::dots_turning_b, .way = {}};
    if (turns_around(p)) return {.path = Path::turned_around, .way = {}};

    const bool in_l2 = p.elements() <= l2, large = p.M >= 256 && p.N >= 256;
    // A C that L2 has no room for is streamed row after row, past a block of B that stays there. So
    // is A, but not a long A', whose rows lie apart: it is copied, and strip after strip of B the
    // copy is used more often. Few rows do not pay for a block of B.
    const bool short_k = p.K <= 128 && (p.M >= 128 || p.K * p.N <= l2 / 2);
    const bool rows_first = p.M * p.N > l2 * 3 / 4 && (short_k || (plain_a && large));
    const bool big = p.M > 256 && p.N > 256 && p.M * p.N * p.K > 512 * 512 * 512;
    if (!rows_first && (big || (!plain_a && plain_b && !in_l2 && large))) return {};
    Way way = as_it_lies<T>;
    way.rows_first = rows_first;
    if (rows_first) way.kc = 0;
    // Half of L1 is for what a column of tiles reads again: a strip of B, and of A' whole lines.
    const Index each_k = NR<T> + (plain_a ? 0 : few<T>);
    const bool long_strips = !l2_feeds_strips && p.K * each_k * Index{sizeof(T)} > caches().l1 / 2;
    // Rows of A' a multiple of a page apart share one set of L1.
    way.pack_a = !plain_a && p.N >= 2 * NR<T> &&
                 (p.lda * Index{sizeof(T)} % 4096 == 0 || (long_strips && p.K >= 256));
    // Rows of B shorter than a vector: packed, each starts on a cache line of its own. Long strips
    // pay for their copy by the rows that use it, or by coming from beyond L2 only once.
    way.pack_b = !plain_b || (p.N < L && p.M >= 64) ||
                 (rows_first && (p.K > few_pages || collide<T>(p.K, p.ldb))) ||
                 (long_strips && (p.M >= 64 || !in_l2));
    // Few rows of A use a piece of B once or twice. In short pieces its rows follow each other in
    // memory, and the caches keep them even where they are a multiple of a page apart. There that
    // holds for more rows as well, until these pay for a copy of long ones.
    const Index large_b = l2_feeds_strips ? l2 / 2 : l2;
    const bool more_rows = p.M >= 64 && p.M < 64 * MR && p.M * p.N * p.K > most_of_small;
    if (plain_b && p.M < 64 && p.K * p.N >= large_b)
        way.kc = 64;
    else if (!way.pack_b && more_rows && collide<T>(p.K, p.ldb))
        way.kc = 128;
    return {.path = Path::tiles, .way = way};
}

template <class T>
Grid choose_grid(const Product<T>& p, const Plan& plan, int threads) {
    // Where nothing is packed but a few rows, reading twice is cheap, and moving C is not. Whole
    // rows are what a thread of an elementwise kernel has too: in a training step the halves of a
    // weight's gradient then stay with their cores from this product to the optimiser.
    const bool copies_b = plan.way.pack_b && !(plan.way.rows_first && p.K <= few_pages);
    const bool copies = plan.path == Path::dots || copies_b;
    if (!copies && p.M >= 2 * MR * threads) return {threads, 1};
    return squarest_grid(p, threads);
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
    if (!way.rows_first && part.N > NR<T>)
        way.pack_b |=
            part.ldb % line<T> != 0 ? part.M >= 8 * MR : part.M >= 16 * MR && part.K >= 128;
    const Index kc = way.kc > 0 ? smaller(part.K, way.kc) : part.K;
    const bool stays = kc * part.N * Index{sizeof(T)} <= caches().l2 / 2;
    way.rows_first |= part.M < whole.M && stays && !way.pack_b;
    return way;
}

template <class T>
void multiply_part(const Product<T>& p, const Plan& plan, const Product<T>& whole) {
    switch (plan.path) {
        case Path::tiles:
            return multiply_by_tiles(p, way_of_part(plan, whole, p));
        case Path::dots:
            return multiply_by_dots(p);
        case Path::dots_turning_b:
            return multiply_by_dots_turning_b(p);
        case Path::turned_around:
            return multiply_turned_around(p);
    }
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
            multiply_part(piece, choose_plan(piece), piece);
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

/// A column without gaps is a row: A times it is a row of dot products.
template <class T>
Product<T> column_as_row(Product<T> p) {
    if (p.N == 1 && p.ldb == 1 && p.trans_a == Trans::no) {
        p.trans_b = Trans::yes;
        p.ldb = p.K;
    }
    return p;
}

template <class T>
void multiply_by_shape(const Product<T>& product) {
    if (is_small(product)) return multiply_small(product);
    const Product<T> p = column_as_row(product);
    if (is_long(p)) return multiply_by_pieces_of_k(p);
    const Plan plan = choose_plan(p);
    share_out(
        p, [&](const Product<T>& whole, int threads) { return choose_grid(whole, plan, threads); },
        [&](const Product<T>& part, Range, Range) { multiply_part(part, plan, p); });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
