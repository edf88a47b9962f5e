// The product of the CPU; see Backend::gemm and its neighbours for the arguments.
#pragma once

#include "kernels/cpu/isa.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A, Index lda,
          const T* B, Index ldb, T beta, T* C, Index ldc);

template <class T>
void linear_forward(T* y, const T* x, const T* w, const T* bias, bool relu, Index rows, Index in,
                    Index out);

template <class T>
void linear_backward_weight(T* dw, T* db, const T* dy, const T* x, Index rows, Index in, Index out);

}  // namespace handgrad::cpu::HANDGRAD_ISA
