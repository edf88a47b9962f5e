// What all rungs compute, and how they find their way in it.
#pragma once

#include "kernels/cpu/isa.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Backend::gemm's arguments: C = alpha op(A) op(B) + beta C, or a part of such a product.
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
};

/// The bias of the columns from this one on, where there is one.
template <class T>
const T* bias_from(const T* bias, Index column) {
    return bias == nullptr ? nullptr : bias + column;
}

/// C = beta C, where beta = 0 overwrites whatever stood there, NaN as well.
template <class T>
void scale_c(const Product<T>& p) {
    for (Index m = 0; m < p.M; ++m) {
        T* c = p.c(m, 0);
        for (Index n = 0; n < p.N; ++n) c[n] = p.beta == T{0} ? T{0} : p.beta * c[n];
    }
}

/// Does what is to be done where A and B must not be read. True if that was all.
template <class T>
bool trivial(const Product<T>& p) {
    if (p.M > 0 && p.N > 0 && p.K > 0 && p.alpha != T{0}) return false;
    scale_c(p);
    return true;
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
