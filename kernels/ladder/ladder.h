// The road to the fast product: every rung as a function, to be tested, timed and read.
//
// The files are numbered, one idea each. 0_naive.h is the definition. 1 to 4 are plain loops, each
// complete in its file; 5 to 8 are what CpuBackend runs, each built on the one before. 9 and 10
// leave float: CpuBackend runs them where kernels/cpu/precision.h is told so.
#pragma once

#include <string_view>
#include <type_traits>

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

/// Beyond: rung<float> alone, where has_tiles(isa). Their operands are rounded to bf16, or split
/// into three of them.
inline constexpr int bf16_rung = 9, bf16x3_rung = 10;

/// avx512 has tiles where the processor has AMX and the system permits it; portable has plain C++
/// that does the same, slowly.
bool has_tiles(cpu::Isa isa);

/// The rung that cpu::set_precision put in the place of the product in float, or null.
inline Gemm<float> rounding = nullptr;
template <class T>
[[gnu::always_inline]] inline Gemm<T> rounding_rung() {
    if constexpr (std::is_same_v<T, float>)
        return rounding;
    else
        return nullptr;
}

/// "register block", for 0 to bf16x3_rung.
std::string_view name_of_rung(int number);

/// How far an element of a float product of K terms may be from the exact one, as a share of the
/// sum of the terms' magnitudes; the rungs derive it. Holds for alpha = 1 and beta = 0.
double error_bound(int number, Index K);

/// GFLOP/s of one thread's tiles, each loaded from L1 before it is multiplied, in about a
/// millisecond. As fma_peak, it tells the machine's present state.
double tile_peak(cpu::Isa isa);

/// The last rung with its epilogue: C = op(A) op(B), + bias (N) in every row unless it is null,
/// then max(C, 0) if relu. Where A is transposed, row_sums[m] += the sum of op(A)'s row m, unless
/// it is null. Dense matrices.
template <class T>
using FusedGemm = void (*)(Trans trans_a, Trans trans_b, Index M, Index N, Index K, const T* A,
                           const T* B, const T* bias, bool relu, T* row_sums, T* C);
template <class T>
FusedGemm<T> fused_rung(cpu::Isa isa);

}  // namespace handgrad::ladder
