#include "kernels/cpu/gemm.h"

#include "kernels/ladder/0_naive.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A, Index lda,
          const T* B, Index ldb, T beta, T* C, Index ldc) {
    ladder::gemm_naive(trans_a, trans_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
}

template void gemm<float>(Trans, Trans, Index, Index, Index, float, const float*, Index,
                          const float*, Index, float, float*, Index);
template void gemm<double>(Trans, Trans, Index, Index, Index, double, const double*, Index,
                           const double*, Index, double, double*, Index);

}  // namespace handgrad::cpu::HANDGRAD_ISA
