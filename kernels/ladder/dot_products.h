// The dot products of rung 7: of A B' both operands lie along k, and so do the vectors here.
//
// A tile of dot products loads each vector once for a whole row or column of the tile; the lanes of
// each sum are added at the end.
#pragma once

#include <limits>
#include <utility>

#include "kernels/ladder/tile_loops.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Is it too large for L3, which other cores use too?
template <class T>
bool from_memory(const Product<T>& p) {
    return p.elements() * Index{sizeof(T)} > caches().l3 / 2;
}

/// How far apart a copy puts rows of K elements, so that no number of them collides.
template <class T>
Index apart(Index K) {
    const Index ld = even_piece(K, K, line<T>) + line<T>;
    return collide<T>(std::numeric_limits<Index>::max(), ld) ? ld + line<T> : ld;
}

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int DOT_ROWS = 4, DOT_COLUMNS = 5;  // 20 of 32 registers for sums, 6 to load
#else
inline constexpr int DOT_ROWS = 4, DOT_COLUMNS = 3;  // 12 of 16 registers for sums, 4 to load
#endif

/// Lines of what comes next that a tile asks for with each vector of k. From memory six keep it
/// busy, though most of them are asked for again and again where tiles share the work; the
/// multiply-adds of shorter vectors leave no time for so many.
constexpr int dot_lines_ahead(int columns, bool memory) {
    return vector_bytes == 64 ? (memory ? 6 : 2) : columns == DOT_COLUMNS ? 1 : 2;
}

// Where all sums of a tile are under way, it reads a vector for each row and column in the time of
// rows x columns multiply-adds, two a cycle. L2 delivers some 48 bytes a cycle on the processors
// that have AVX-512, and 32 at best on others.
inline constexpr bool l2_feeds_dots = 2 * (DOT_ROWS + DOT_COLUMNS) * vector_bytes <=
                                      (vector_bytes == 64 ? 48 : 32) * DOT_ROWS * DOT_COLUMNS;

/// Rows of the tallest tile of so many columns. Those of fewer columns than the widest have as many
/// sums as a vector has lanes, or a multiple.
constexpr int most_dot_rows(int columns) {
    return columns == DOT_COLUMNS ? DOT_ROWS : DOT_ROWS * (DOT_COLUMNS - 1) / columns;
}

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
    const T* bias = nullptr;  // rung 8: to be added to C, with a leading dimension of its own,
    Index ld_bias = 0;
    bool relu = false;         // and then negative elements become zero
    const T* ahead = nullptr;  // some lines of it are fetched for each vector of k,
    Index ahead_next = 0;      // each time so much further on
    bool from_memory = false;  // not from L3
};

/// flatten: see multiply_tile.
template <class T, int rows, int columns>
[[gnu::flatten]] void multiply_dot_tile(const DotTile<T>& tile) {
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
    const auto fetch_as_well = [&](auto memory) {
        constexpr int lines = dot_lines_ahead(columns, decltype(memory)::value);
        const T* ahead = tile.ahead;
        for (Index k = 0; k < whole_k; k += L) {
            HANDGRAD_UNROLL
            for (int i = 0; i < lines; ++i) __builtin_prefetch(ahead + i * line<T>, 0, 2);  // L2
            ahead += tile.ahead_next;
            add_products(k, whole);
        }
    };
    if (tile.ahead == nullptr) {
        HANDGRAD_UNROLL_BY_4
        for (Index k = 0; k < whole_k; k += L) add_products(k, whole);
    } else if (tile.from_memory) {
        fetch_as_well(std::true_type{});
    } else {
        fetch_as_well(std::false_type{});
    }
    if (whole_k < tile.K) {
        const FirstLanes<T> last(tile.K - whole_k);
        add_products(whole_k, [&](const T* p) { return last.load(p); });
    }

    // Row after row of the tile, in as few vectors as they fill.
    Vector<T> total[groups + 1] = {};
    HANDGRAD_UNROLL
    for (int g = 0; g < groups; ++g) total[g] = tile.alpha * sums_of_lanes<T>(sum + g * L);
    const T beta = tile.beta;
    T* const c = tile.c;
    const T* const bias = tile.bias;
    const Index ldc = tile.ldc, ld_bias = tile.ld_bias;
    const bool relu = tile.relu;
    // Calls store(x, count, at, at_bias) with `count` sums in the first lanes of x, which C has
    // from `at` on.
    const auto each = [&](auto&& store) {
        if (ldc == columns && (bias == nullptr || ld_bias == columns)) {
            HANDGRAD_UNROLL
            for (int i = 0; i < dots; i += L)
                store(total[i / L], dots - i < L ? dots - i : L, i, i);
            return;
        }
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            HANDGRAD_UNROLL
            for (int j = 0; j < columns; j += L) {
                const int count = columns - j < L ? columns - j : L;
                const int first = (i * columns + j) % L, group = (i * columns + j) / L;
                const Vector<T> x = total[group];
                const Vector<T> y = first + count <= L ? x : total[group + 1];
                store(lanes_from<T>(first, x, y, LaneNumbers<T>{}), count, i * ldc + j,
                      i * ld_bias + j);
            }
        }
    };
    if (beta == T{0} && bias == nullptr && !relu) {
        each([&](Vector<T> x, int count, Index at, Index) {
            FirstLanes<T>(count).store(c + at, x);
        });
    } else {
        each([&](Vector<T> x, int count, Index at, Index at_bias) {
            const FirstLanes<T> in(count);
            if (beta != T{0}) x += beta * in.load(c + at);
            if (bias != nullptr) x += in.load(bias + at_bias);
            if (relu) x = x < Vector<T>{} ? Vector<T>{} : x;
            in.store(c + at, x);
        });
    }
}

template <class T>
using DotFunction = void (*)(const DotTile<T>&);

/// multiply_dot_tile for every tile, at [columns - 1][rows - 1].
template <class T>
class DotFunctions {
  public:
    constexpr DotFunctions() { fill(std::make_integer_sequence<int, DOT_COLUMNS>{}); }
    DotFunction<T> at[DOT_COLUMNS][most_dot_rows(1)] = {};

  private:
    template <int... j>
    constexpr void fill(std::integer_sequence<int, j...>) {
        (fill_rows<j + 1>(std::make_integer_sequence<int, most_dot_rows(j + 1)>{}), ...);
    }
    template <int columns, int... i>
    constexpr void fill_rows(std::integer_sequence<int, i...>) {
        ((at[columns - 1][i] = multiply_dot_tile<T, i + 1, columns>), ...);
    }
};
template <class T>
inline constexpr DotFunctions<T> dot_functions;

/// What the whole product decides about the dot products that make a part of it.
struct DotWay {
    Index length;      // values of k to sum at once
    bool from_memory;  // not from L3
};

/// Where L2 is too slow to feed a tile, sums are cut so that what it reads stays in L1. Of 64-byte
/// vectors that is all of the smaller operand, if its rows are few enough to leave long sums, which
/// pay for the adding of their lanes. Shorter vectors wait for memory whatever is cut.
template <class T>
DotWay choose_dot_way(const Product<T>& whole) {
    constexpr bool wide = vector_bytes == 64;
    const Index l1 = caches().l1 / Index{sizeof(T)}, few_rows = smaller(whole.M, whole.N);
    const bool memory = from_memory(whole),
               read_again = whole.M > DOT_ROWS && whole.N > DOT_COLUMNS;
    if (l2_feeds_dots || !read_again || (wide ? few_rows * whole.K <= l1 : memory))
        return {whole.K, memory};
    const Index most = l1 / (DOT_ROWS + (wide ? few_rows : DOT_COLUMNS));
    const bool short_sums = wide && most < 48 * lanes<T>;
    return {short_sums ? whole.K : even_piece(whole.K, most, lanes<T>), memory};
}

/// C = alpha A B' + beta C, with A (M, K) and B (N, K) as they lie; then, if it is given, + bias,
/// with a leading dimension of its own, and max(C, 0).
template <class T>
void multiply_dot_tiles(const Product<T>& p, DotWay way, const T* bias, Index ld_bias, bool relu) {
    const Index length = way.length;
    const Index columns = even_piece(p.N, DOT_COLUMNS);
    // Rows that come from afar should not be too many streams.
    const bool far = p.elements() * Index{sizeof(T)} > caches().l2;
    const Index most_rows = most_dot_rows(static_cast<int>(columns));
    const Index rows = even_piece(p.M, far ? smaller(most_rows, DOT_ROWS + 2) : most_rows);
    DotTile<T> tile;
    tile.lda = p.lda;
    tile.ldb = p.ldb;
    tile.ldc = p.ldc;
    tile.alpha = p.alpha;
    tile.ld_bias = ld_bias;
    // A single column takes all that L3 gives by itself, and so do 32-byte vectors, or any where L3
    // is near.
    const bool large_b = p.M <= p.N, cut = length < p.K;
    const Index ld = large_b ? p.ldb : p.lda;
    const bool from_l3 = p.N > 1 && vector_bytes == 64 && !caches().near_l3;
    const bool asks_ahead = memory_is_slow && far && ld <= 2 * p.K && (way.from_memory || from_l3);
    // The larger operand is read once. A smaller one that L1 just fails to hold comes slower again
    // and again than the larger one does.
    const Index l1 = caches().l1 / Index{sizeof(T)}, few_rows = smaller(p.M, p.N);
    const bool just_fails = vector_bytes == 64 && !far && !cut &&
                            (few_rows + DOT_ROWS) * p.K > l1 && few_rows * p.K < 3 * l1;
    const bool along_b = large_b != just_fails;
    // What is cut goes by blocks of so many rows that the smaller operand's values of k, which they
    // share, are worth their way from L2. All tiles of a block fetch their shares of the next one,
    // one after the other.
    const Index step = along_b ? columns : rows, all = along_b ? p.N : p.M;
    const Index block = cut ? 32 / step * step : asks_ahead ? step : all;
    tile.from_memory = way.from_memory;
    Index share = 0;
    if (asks_ahead) {
        const Index sharers = along_b ? (p.M + rows - 1) / rows : (p.N + columns - 1) / columns;
        const Index tiles = block / step * sharers * ((p.K + length - 1) / length);
        share = block * ld / tiles;
        tile.ahead_next = share * lanes<T> / smaller(length, p.K);
    }
    const auto multiply = [&](Index i, Index j, Index k, Index m, Index n, bool last_k) {
        tile.a = p.a(i, k);
        tile.b = p.b(k, j);
        tile.c = p.c(i, j);
        if (last_k) tile.bias = bias_from(bias, i * ld_bias + j);
        dot_functions<T>.at[n - 1][m - 1](tile);
        if (tile.ahead != nullptr) tile.ahead += share;
    };
    for (Index first = 0; first < all; first += block) {
        const Index end = smaller(all, first + block);
        const Index row_end = along_b ? p.M : end, column_end = along_b ? end : p.N;
        tile.ahead = nullptr;
        if (asks_ahead && end < all)
            tile.ahead = (along_b ? p.B : p.A) + first * ld + larger(block * ld, far_ahead<T>);
        for (Index k = 0; k < p.K; k += length) {
            const bool last_k = p.K - k <= length;
            tile.K = last_k ? p.K - k : length;
            tile.beta = k == 0 ? p.beta : T{1};
            tile.bias = nullptr;
            tile.relu = relu && last_k;
            Index n = 0;
            if (along_b) {
                for (Index j = first; j < column_end; j += n) {
                    n = next_piece(column_end - j, columns, 1);
                    for (Index i = 0; i < row_end; i += rows)
                        multiply(i, j, k, smaller(row_end - i, rows), n, last_k);
                }
            } else {
                for (Index i = first; i < row_end; i += rows)
                    for (Index j = 0; j < column_end; j += n) {
                        n = next_piece(column_end - j, columns, 1);
                        multiply(i, j, k, smaller(row_end - i, rows), n, last_k);
                    }
            }
        }
    }
}

/// The same with bias (N) in every row.
template <class T>
void multiply_by_dots(const Product<T>& p, DotWay way, const T* bias, bool relu) {
    const bool collides = p.M > p.N && collide<T>(p.N, p.ldb);
    if (p.M > 1 && !collides) return multiply_dot_tiles(p, way, bias, 0, relu);
    Product<T> q = p;
    if (p.M == 1) {
        // One row of C is the column B A'.
        std::swap(q.A, q.B);
        std::swap(q.lda, q.ldb);
        std::swap(q.M, q.N);
        q.ldc = 1;
    } else {
        // All rows of B are in use at once; a copy that puts them further apart keeps them in L1.
        q.ldb = apart<T>(p.K);
        T* copy = scratch_for<T>(Scratch::packed_b, p.N * q.ldb + lanes<T>);
        pack_along(copy, q.ldb, p.B, p.ldb, p.K, p.N);
        q.B = copy;
    }
    multiply_dot_tiles(q, way, bias, p.M == 1 ? 1 : 0, relu);
}

/// B (K, N) as (N, K), in scratch memory.
template <class T>
Product<T> turn_b(Product<T> p) {
    constexpr Index L = lanes<T>;
    const Index ld = apart<T>(p.K);
    T* turned = scratch_for<T>(Scratch::packed_b, p.N * ld);
    if (p.N < 4)
        for (Index n = 0; n < p.N; ++n)
            for (Index k = 0; k < p.K; ++k) turned[n * ld + k] = p.B[k * p.ldb + n];
    else
        for (Index k = 0; k < p.K; k += L)
            pack_across<T, L>(turned + k, ld, p.b(k, 0), p.ldb, smaller(p.K - k, L), p.N);
    p.trans_b = Trans::yes;
    p.B = turned;
    p.ldb = ld;
    return p;
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
