// The road to the fast product: every rung as a function, to be tested, timed and read.
//
// The files are numbered, one idea each. 0_naive.h is the definition. 1 to 4 are plain loops, each
// complete in its file; 5 to 8 are what CpuBackend runs, each built on the one before.
#pragma once

#include <string_view>

#include "kernels/cpu/cpu_backend.h"

namespace handgrad::ladder {

/// Arguments as Backend::gemm. Right for every size, transposition, alpha, beta, leading dimension.
template <class T>
using Gemm = void (*)(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A,
                      Index lda, const T* B, Index ldb, T beta, T* C, Index ldc);

inline constexpr int last_rung = 8;

/// Rung 1 to last_rung, compiled for an instruction set, which must be supported().
template <class T>
Gemm<T> rung(int number, cpu::Isa isa);

/// "register block", for 0 to last_rung.
std::string_view name_of_rung(int number);

/// The last rung with its epilogue: C = op(A) op(B), + bias (N) in every row unless it is null,
/// then max(C, 0) if relu. Dense matrices.
template <class T>
using FusedGemm = void (*)(Trans trans_a, Trans trans_b, Index M, Index N, Index K, const T* A,
                           const T* B, const T* bias, bool relu, T* C);
template <class T>
FusedGemm<T> fused_rung(cpu::Isa isa);

}  // namespace handgrad::ladder
