// How a product is organised: which way it goes, who works on what, and in which order.
//
// There are two ways:
//   - Blocked: five loops around the micro-kernel (gemm_microkernel.h), named as in BLIS, keep each
//     operand in the cache that its reuse pays for. Panels of A and of B are packed first
//     (gemm_pack.h), or read where they lie when they are used too few times to pay for a copy.
//   - Dot products (gemm_dot.h), for A times B transposed with few rows or columns in C.
// The shape of the whole product decides, so that every element is summed in the same order
// whatever the number of threads is.
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

// KC: a panel of B is NR * KC elements, 96 KB in float with AVX-512. Each MR rows of A read it from
// L2, which delivers it faster than the multiply-adds use it. A longer KC reads and writes C less
// often.
template <class T>
inline constexpr Index KC = 2048 / Index{sizeof(T)};
// MC: a packed block of A is MC * KC elements, 256 KB. It stays in L2 (1 or 2 MB) while the panels
// of B stream past it.
inline constexpr Index MC = 128;
// NC: a packed block of B is KC * NC elements, 6 MB. It stays in L3, and is read once for each MC
// rows of A.
inline constexpr Index NC = 3072;
static_assert(MC % MR == 0 && NC % NR<float> == 0 && NC % NR<double> == 0,
              "a block must be whole panels, so that only the matrix's edge cuts one");

/// Elements in an L2 cache of 1 MB, the smallest that processors with AVX-512 have.
template <class T>
inline constexpr Index l2 = Index{1024} * 1024 / Index{sizeof(T)};

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

    Index elements() const { return M * K + K * N + M * N; }

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

/// The size of the fewest equal pieces that `total` > 0 can be cut into, none above `most`: a
/// multiple of `grain`. The last piece may be smaller.
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

/// The thresholds are measured: one way against another, over the shapes of bench/gemm.cpp.
template <class T>
Way choose_way(const Product<T>& p) {
    constexpr Index L = lanes<T>;
    if (p.trans_a == Trans::no && p.trans_b == Trans::yes) {
        // Dot products: adding the lanes up must be paid for by a long sum, and what is read again
        // and again must stay in L2. Otherwise a packed B does better: its vectors need no adding
        // up, but are cut where N is small.
        const bool long_sum = p.K >= 4 * L;
        const bool thin = p.N <= 2 * L || (p.M <= 64 && 2 * p.M <= p.K);
        const bool stays = smaller(p.M, p.N) * p.K <= l2<T> / 2;
        if (long_sum && thin && stays) return {.dot = true};
    }
    // A copied element of A is used N / NR times and one of B M / MR times. Until that is often,
    // the caches cope with the order that the matrices lie in.
    const bool big = p.M > 256 && p.N > 256 && p.M * p.N * p.K > 512 * 512 * 512;
    // Rows of B shorter than a vector: packed, each starts on a cache line of its own.
    const bool narrow = p.N < L && p.M >= 64;
    return {.pack_a = big, .pack_b = big || narrow || p.trans_b == Trans::yes};
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

/// C = alpha op(A) op(B) + beta C by tiles of C.
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
    const bool from_afar = p.elements() > l2<T>;
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
                        tile.far = from_afar && (way.pack_b || ic + ir == 0);
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

/// The same by dot products.
template <class T>
void multiply_dots(const Product<T>& p) {
    const Index rows = even_piece(p.M, DOT_ROWS);
    const Index columns = even_piece(p.N, DOT_COLUMNS);
    const auto tile = [&](Index i, Index j) {
        multiply_dot(smaller(p.M - i, rows), smaller(p.N - j, columns), p.K, p.a(i, 0), p.lda,
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

// ---- threads ------------------------------------------------------------------------------------

/// Threads as a grid over C. A part reads M / rows rows of A and N / columns columns of B, so the
/// squarest parts read least.
struct Grid {
    int rows, columns;
};

template <class T>
Grid choose_grid(const Product<T>& p, Way way, int threads) {
    // Where nothing is packed, reading twice is cheap, and moving C is not. Whole rows are what a
    // thread of an elementwise kernel has too: in a training step the halves of a weight's gradient
    // then stay with their cores from this product to the optimiser, and a step of 784-128-10 at
    // batch 16 on two threads takes 29 us instead of up to 77.
    if (!way.dot && !way.pack_b && p.M >= 2 * MR * threads) return {threads, 1};
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

/// Operands that fit in L2 are taken to be there, as in a training step: they cost no time of their
/// own.
template <class T>
Cost cost_of(const Product<T>& p) {
    return {.flops = 2 * p.M * p.N * p.K,
            .bytes = p.elements() > l2<T> ? p.elements() * Index{sizeof(T)} : 0};
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
    Product<T> whole{trans_a, trans_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc};
    if (M == 0 || N == 0) return;
    if (alpha == T{0} || K == 0) return scale_c(whole);
    if (N == 1 && ldb == 1 && trans_a == Trans::no) {  // a column without gaps is a row: dot it
        whole.trans_b = Trans::yes;
        whole.ldb = K;
    }

    const Way way = choose_way(whole);
    parallel(threads_for(cost_of(whole)), [&](int thread, int threads) {
        const Grid grid = choose_grid(whole, way, threads);
        const Range rows = share_of(M, thread / grid.columns, grid.rows, MR);
        const Range columns = share_of(N, thread % grid.columns, grid.columns, lanes<T>);
        const Product<T> part = whole.part(rows, columns);
        if (part.M == 0 || part.N == 0) return;  // fewer tiles than threads
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
