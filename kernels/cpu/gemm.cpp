// How a product is organised: which way it goes, who works on what, and in which order.
//
// Three ways, chosen from the whole product's shape, so that every element is summed in the same
// order whatever the number of threads:
//   - dot: A times B transposed with few rows of A. See gemm_dot.h.
//   - blocked: five loops around the micro-kernel, as in BLIS, which keep each operand in the cache
//     that its reuse pays for. Panels of A and B are packed first (gemm_pack.h),
//   - or used where they lie, when they are used too few times for a copy to pay.
//
// Threads share out C: each does a product of its own, with its own packed panels, and none waits
// for another.
#include "kernels/cpu/gemm.h"

#include "kernels/cpu/gemm_dot.h"
#include "kernels/cpu/gemm_microkernel.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace handgrad::cpu::HANDGRAD_ISA {
namespace {

// KC: a panel of B is NR * KC elements, 96 KB of the L2 cache in float with AVX-512, and is read
// once for each MR rows of A, far faster than the multiply-adds need it. A longer KC reads and
// writes C less often.
template <class T>
inline constexpr Index KC = 2048 / Index{sizeof(T)};
// MC: a packed block of A is MC * KC elements, 256 KB. It must stay in L2 (1 or 2 MB) while the
// panels of B stream past it.
inline constexpr Index MC = 128;
// NC: a packed block of B is KC * NC elements, 6 MB of the L3 cache, and is read once for each MC
// rows of A.
inline constexpr Index NC = 3072;
static_assert(MC % MR == 0 && NC % NR<float> == 0 && NC % NR<double> == 0,
              "a block must be whole panels, so that only the matrix's edge cuts one");

/// Elements in half of a 1 MB L2 cache.
template <class T>
inline constexpr Index half_l2 = 512 * 1024 / Index{sizeof(T)};

/// A product of Backend::gemm, or the part of it that one thread does.
template <class T>
struct Product {
    Trans trans_a, trans_b;
    Index M, N, K;
    T alpha;
    const T* A;
    Index lda;
    const T* B;
    Index ldb;
    T beta;
    T* C;
    Index ldc;

    /// Where element (m, k) of op(A) lies, (k, n) of op(B) and (m, n) of C.
    const T* a(Index m, Index k) const {
        return trans_a == Trans::yes ? A + k * lda + m : A + m * lda + k;
    }
    const T* b(Index k, Index n) const {
        return trans_b == Trans::yes ? B + n * ldb + k : B + k * ldb + n;
    }
    T* c(Index m, Index n) const { return C + m * ldc + n; }

    /// The product that makes rows and columns [begin, end) of C.
    Product part(Range rows, Range columns) const {
        Product p = *this;
        p.M = rows.end - rows.begin;
        p.N = columns.end - columns.begin;
        p.A = a(rows.begin, 0);
        p.B = b(0, columns.begin);
        p.C = c(rows.begin, columns.begin);
        return p;
    }
};

/// The first of the fewest, nearly equal pieces that `total` can be cut into: none above `most`,
/// and all but the last a multiple of `grain`.
Index even_piece(Index total, Index most, Index grain = 1) {
    const Index pieces = (total + most - 1) / most;
    const Index grains = (total + grain - 1) / grain;
    return (grains + pieces - 1) / pieces * grain;
}

// ---- the ways to do it --------------------------------------------------------------------------

struct Way {
    bool dot = false;
    bool pack_a = false, pack_b = false;
};

// The thresholds are measured, one thread against another way of the same kernels.
template <class T>
Way choose_way(const Product<T>& p) {
    constexpr Index L = lanes<T>;
    const Index thin = smaller(p.M, p.N);
    if (p.trans_a == Trans::no && p.trans_b == Trans::yes && p.K >= 4 * L) {
        // The sums over lanes cost as much as 8 vectors of k, and tiles with few columns or rows
        // waste nothing here. The thin operand must stay in L2.
        const bool few_rows = p.M <= 64 && 2 * p.M <= p.K;
        if ((few_rows || p.N <= 2 * L) && thin * p.K <= half_l2<T>) return {.dot = true};
    }
    // A copy of A is used N / NR times and one of B M / MR times. The caches and their prefetching
    // make up for the order of the original until it is too big for L2 and some hundred rows read
    // it.
    const bool big = p.M > 256 && p.N > 256 && p.M * p.N * p.K > 512 * 512 * 512;
    // A strip of B narrower than a vector lies closer together when packed.
    const bool narrow = p.N < L && p.M >= 64;
    return {.pack_a = big, .pack_b = big || narrow || p.trans_b == Trans::yes};
}

template <class T>
void multiply_dots(const Product<T>& p) {
    const Index rows = even_piece(p.M, DOT_ROWS);
    const Index columns = even_piece(p.N, DOT_COLUMNS);
    const auto tile = [&](Index i, Index j) {
        multiply_dots_tile(smaller(p.M - i, rows), smaller(p.N - j, columns), p.K, p.a(i, 0), p.lda,
                           p.b(0, j), p.ldb, p.c(i, j), p.ldc, p.alpha, p.beta);
    };
    // The larger operand is read once, the smaller one again and again from a cache.
    if (p.M <= p.N) {
        for (Index j = 0; j < p.N; j += columns)
            for (Index i = 0; i < p.M; i += rows) tile(i, j);
    } else {
        for (Index i = 0; i < p.M; i += rows)
            for (Index j = 0; j < p.N; j += columns) tile(i, j);
    }
}

/// Memory for `count` elements of T.
template <class T>
T* scratch_for(Scratch use, Index count) {
    return static_cast<T*>(scratch(use, static_cast<std::size_t>(count) * sizeof(T)));
}

/// Rows ic .. ic + mc and columns pc .. pc + kc of op(A) as panels of MR * kc elements each.
template <class T>
void pack_a_block(T* packed, const Product<T>& p, Index ic, Index mc, Index pc, Index kc) {
    const Index mr = even_piece(mc, MR);
    for (Index ir = 0; ir < mc; ir += mr) {
        pack_a(packed, p.trans_a, p.a(ic + ir, pc), p.lda, smaller(mc - ir, mr), kc);
        packed += MR * kc;
    }
}

template <class T>
void multiply_blocked(const Product<T>& p, Way way) {
    constexpr Index L = lanes<T>;
    const Index kc_most = smaller(p.K, KC<T>);
    T* packed_a = nullptr;
    T* packed_b = nullptr;
    if (way.pack_a)
        packed_a = scratch_for<T>(Scratch::packed_a, (smaller(p.M, MC) + MR) * kc_most + L);
    if (way.pack_b) packed_b = scratch_for<T>(Scratch::packed_b, (smaller(p.N, NC) + L) * kc_most);

    const Trans trans_a = way.pack_a ? Trans::yes : p.trans_a;
    const bool exceeds_l2 = p.M * p.K + p.K * p.N + p.M * p.N > 2 * half_l2<T>;
    const Index jc_step = even_piece(p.N, NC, NR<T>);
    const Index pc_step = even_piece(p.K, KC<T>, L);
    const Index ic_step = even_piece(p.M, MC, MR);
    // 5th loop: blocks of columns; the block of B stays in L3.
    for (Index jc = 0; jc < p.N; jc += jc_step) {
        const Index nc = smaller(p.N - jc, jc_step);
        const Index jr_step = even_piece(nc, NR<T>, L);
        // 4th loop: blocks of k.
        for (Index pc = 0; pc < p.K; pc += pc_step) {
            const Index kc = smaller(p.K - pc, pc_step);
            // 3rd loop: blocks of rows; the block of A stays in L2.
            for (Index ic = 0; ic < p.M; ic += ic_step) {
                const Index mc = smaller(p.M - ic, ic_step);
                const Index ir_step = even_piece(mc, MR);
                if (way.pack_a) pack_a_block(packed_a, p, ic, mc, pc, kc);
                // 2nd loop: panels of B, packed just before their first use.
                for (Index jr = 0; jr < nc; jr += jr_step) {
                    const Index nr = smaller(nc - jr, jr_step);
                    Tile<T> tile{.kc = kc,
                                 .b = p.b(pc, jc + jr),
                                 .ldb = p.ldb,
                                 .ldc = p.ldc,
                                 .alpha = p.alpha,
                                 .beta = pc == 0 ? p.beta : T{1},
                                 .last_columns = nr % L};
                    if (way.pack_b) {
                        T* panel = packed_b + jr * kc;
                        const Index width = (nr + L - 1) / L * L;
                        if (ic == 0) pack_b(panel, width, p.trans_b, tile.b, p.ldb, nr, kc);
                        tile.b = panel;
                        tile.ldb = width;
                    }
                    // 1st loop: panels of A.
                    const T* panel = packed_a;
                    for (Index ir = 0; ir < mc; ir += ir_step) {
                        tile.far = exceeds_l2 && (way.pack_b || ic + ir == 0);
                        tile.a = way.pack_a ? panel : p.a(ic + ir, pc);
                        tile.lda = way.pack_a ? MR : p.lda;
                        tile.c = p.c(ic + ir, jc + jr);
                        tile_function<T>(trans_a, smaller(mc - ir, ir_step), nr)(tile);
                        panel += MR * kc;
                    }
                }
            }
        }
    }
}

// ---- threads ------------------------------------------------------------------------------------

/// Threads as a grid over C, rows x columns. A part needs M/rows rows of A and N/columns columns of
/// B, so the squarest parts read least; no part is thinner than a tile.
struct Grid {
    int rows, columns;
};

template <class T>
Grid choose_grid(const Product<T>& p, int threads) {
    Grid best{1, 1};
    Index least = 0;
    for (int rows = 1; rows <= threads; ++rows) {
        if (threads % rows != 0) continue;
        const int columns = threads / rows;
        const Index reads = (p.M + rows - 1) / rows + (p.N + columns - 1) / columns;
        if (rows == 1 || reads < least) {
            least = reads;
            best = {rows, columns};
        }
    }
    return best;
}

template <class T>
Cost cost_of(const Product<T>& p) {
    const Index elements = p.M * p.K + p.K * p.N + 2 * p.M * p.N;
    return {.flops = 2 * p.M * p.N * p.K, .bytes = elements * Index{sizeof(T)}};
}

/// C = beta C
template <class T>
void scale_c(const Product<T>& p) {
    for (Index m = 0; m < p.M; ++m)
        for (Index n = 0; n < p.N; ++n) {
            T& c = *p.c(m, n);
            c = p.beta == T{0} ? T{0} : p.beta * c;
        }
}

}  // namespace

template <class T>
void gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A, Index lda,
          const T* B, Index ldb, T beta, T* C, Index ldc) {
    const Product<T> whole{trans_a, trans_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc};
    if (M == 0 || N == 0) return;
    if (alpha == T{0} || K == 0) return scale_c(whole);

    const Way way = choose_way(whole);
    parallel(threads_for(cost_of(whole)), [&](int thread, int threads) {
        const Grid grid = choose_grid(whole, threads);
        const Range rows = share_of(M, thread / grid.columns, grid.rows, MR);
        const Range columns = share_of(N, thread % grid.columns, grid.columns, lanes<T>);
        const Product<T> part = whole.part(rows, columns);
        if (way.dot)
            multiply_dots(part);
        else
            multiply_blocked(part, way);
    });
}

template void gemm<float>(Trans, Trans, Index, Index, Index, float, const float*, Index,
                          const float*, Index, float, float*, Index);
template void gemm<double>(Trans, Trans, Index, Index, Index, double, const double*, Index,
                           const double*, Index, double, double*, Index);

}  // namespace handgrad::cpu::HANDGRAD_ISA
