// Rung 4: blocks are copied into the order in which they will be read.
//
// A strip of A (PANEL_ROWS rows) or of B (PANEL_COLUMNS columns) is laid out k by k: all its
// elements for k = 0, then for k = 1, ... Then the innermost loop reads memory from front to back,
// from few pages, whatever the matrix's order and leading dimension; all four transpositions become
// one. Zeros fill the strips that M or N cuts, so that the innermost loops have constant bounds and
// become vector code.
//
// A copy costs a pass over the operand and pays by reuse: an element of B is used by M rows of A.
//
// What is left to be desired: it is up to the compiler which registers the sums are in.
#pragma once

#include "kernels/cpu/caches.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vectors.h"
#include "kernels/ladder/product.h"

namespace handgrad::cpu::HANDGRAD_ISA {

inline constexpr int PANEL_ROWS = 4;
/// Two vectors: long enough for the loop over j to become vector code, in every instruction set.
template <class T>
inline constexpr int PANEL_COLUMNS = 2 * lanes<T>;

/// panel[k * width + i] = in[i * step + k * step_k] for i < n; zero for n <= i < width.
template <class T>
void pack_panel(T* panel, Index width, const T* in, Index step, Index step_k, Index n, Index kc) {
    for (Index k = 0; k < kc; ++k) {
        for (Index i = 0; i < n; ++i) panel[i] = in[i * step + k * step_k];
        for (Index i = n; i < width; ++i) panel[i] = 0;
        panel += width;
    }
}

/// The micro-kernel: C = alpha A B + beta C for packed panels A and B, cut to rows x columns of C.
template <class T>
void multiply_panels(Index kc, const T* a, const T* b, T alpha, T beta, T* c, Index ldc, Index rows,
                     Index columns) {
    constexpr int wide = PANEL_COLUMNS<T>;
    T sum[PANEL_ROWS][wide] = {};
    for (Index k = 0; k < kc; ++k) {
        HANDGRAD_UNROLL
        for (int i = 0; i < PANEL_ROWS; ++i)
            for (int j = 0; j < wide; ++j) sum[i][j] += a[i] * b[j];
        a += PANEL_ROWS;
        b += wide;
    }
    for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < columns; ++j) {
            T& out = c[i * ldc + j];
            out = alpha * sum[i][j] + (beta == T{0} ? T{0} : beta * out);
        }
}

template <class T>
void multiply_packed_by_compiler(const Product<T>& p) {
    constexpr Index size = sizeof(T), wide = PANEL_COLUMNS<T>;
    const Index KC = larger(64, caches().l1 / 2 / (wide * size));
    const Index MC = larger(PANEL_ROWS, caches().l2 / 2 / (KC * size) / PANEL_ROWS * PANEL_ROWS);
    const Index NC = larger(wide, caches().l3 / 2 / (KC * size) / wide * wide);
    const auto bytes = [](Index elements) { return static_cast<std::size_t>(elements * size); };
    const Index kc_most = smaller(p.K, KC);
    T* packed_a = static_cast<T*>(
        scratch(Scratch::packed_a, bytes((smaller(p.M, MC) + PANEL_ROWS) * kc_most)));
    T* packed_b =
        static_cast<T*>(scratch(Scratch::packed_b, bytes((smaller(p.N, NC) + wide) * kc_most)));
    const bool ta = p.trans_a == Trans::yes, tb = p.trans_b == Trans::yes;

    for (Index jc = 0; jc < p.N; jc += NC) {  // 5th loop
        const Index nc = smaller(p.N - jc, NC);
        for (Index pc = 0; pc < p.K; pc += KC) {  // 4th loop
            const Index kc = smaller(p.K - pc, KC);
            for (Index jr = 0; jr < nc; jr += wide)
                pack_panel(packed_b + jr * kc, wide, p.b(pc, jc + jr), tb ? p.ldb : 1,
                           tb ? 1 : p.ldb, smaller(nc - jr, wide), kc);
            for (Index ic = 0; ic < p.M; ic += MC) {  // 3rd loop
                const Index mc = smaller(p.M - ic, MC);
                for (Index ir = 0; ir < mc; ir += PANEL_ROWS)
                    pack_panel(packed_a + ir * kc, PANEL_ROWS, p.a(ic + ir, pc), ta ? 1 : p.lda,
                               ta ? p.lda : 1, smaller(mc - ir, PANEL_ROWS), kc);
                for (Index jr = 0; jr < nc; jr += wide)            // 2nd loop
                    for (Index ir = 0; ir < mc; ir += PANEL_ROWS)  // 1st loop
                        multiply_panels(kc, packed_a + ir * kc, packed_b + jr * kc, p.alpha,
                                        pc == 0 ? p.beta : T{1}, p.c(ic + ir, jc + jr), p.ldc,
                                        smaller(mc - ir, PANEL_ROWS), smaller(nc - jr, wide));
            }
        }
    }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
