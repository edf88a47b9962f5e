// Rung 0: the definition of the product, and nothing else.
//
// The oracle that every other GEMM is tested against, and the first lesson on it. It stays slow.
#pragma once

#include "kernels/backend.h"

namespace handgrad::ladder {

/// C = alpha op(A) op(B) + beta C; arguments as Backend::gemm. Sums in type Sum (double for float
/// makes a reference that is exact to the last bit for all but huge K).
template <class T, class Sum = T>
void gemm_naive(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A,
                Index lda, const T* B, Index ldb, T beta, T* C, Index ldc) {
    for (Index m = 0; m < M; ++m) {
        for (Index n = 0; n < N; ++n) {
            Sum sum = 0;
            for (Index k = 0; alpha != T{0} && k < K; ++k) {
                const T a = trans_a == Trans::yes ? A[k * lda + m] : A[m * lda + k];
                const T b = trans_b == Trans::yes ? B[n * ldb + k] : B[k * ldb + n];
                sum += static_cast<Sum>(a) * static_cast<Sum>(b);
            }
            T& c = C[m * ldc + n];
            const Sum old = beta == T{0} ? Sum{0} : static_cast<Sum>(beta) * static_cast<Sum>(c);
            c = static_cast<T>(static_cast<Sum>(alpha) * sum + old);
        }
    }
}

}  // namespace handgrad::ladder
