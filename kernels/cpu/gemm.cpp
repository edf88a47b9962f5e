// The product that CpuBackend runs, which is the last rung of the ladder, and the rungs before it.
#include "kernels/cpu/gemm.h"

#include "kernels/ladder/1_loop_order.h"
#include "kernels/ladder/2_register_block.h"
#include "kernels/ladder/3_cache_blocking.h"
#include "kernels/ladder/4_packing.h"
#include "kernels/ladder/8_fused_epilogue.h"
#include "kernels/ladder/ladder.h"
#include "kernels/ladder/packed_operand.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void gemm(const Product<T>& p) {
    multiply_fused(p);
}

template <class T>
void linear_forward(T* y, const T* x, const T* w, const T* bias, bool relu, Index rows, Index in,
                    Index out) {
    multiply_fused<T>({Trans::no, Trans::yes, rows, out, in, T{1}, x, in, w, in, T{0}, y, out},
                      {.bias = bias, .relu = relu});
}

template <class T>
Index packed_weight_size(Index in, Index out) {
    return packed_size<T>(in, out);
}

template <class T>
void pack_weight(T* packed, const T* w, Index in, Index out) {
    pack_operand(packed, w, in, out);
}

template <class T>
void linear_forward_packed(T* y, const T* x, const T* w, const T* packed, const T* bias, bool relu,
                           Index rows, Index in, Index out) {
    if (rows == 0 || rows > most_rows_for_packed || in == 0)
        return linear_forward(y, x, w, bias, relu, rows, in, out);
    multiply_packed<T>(
        {Trans::no, Trans::no, rows, out, in, T{1}, x, in, packed, out, T{0}, y, out}, bias, relu);
}

template <class T>
void linear_backward_weight(T* dw, T* db, const T* dy, const T* x, Index rows, Index in,
                            Index out) {
    multiply_fused<T>({Trans::yes, Trans::no, out, in, rows, T{1}, dy, out, x, in, T{1}, dw, in},
                      {.row_sums = db});
}

/// Rung `multiply` with Backend::gemm's arguments.
template <class T, void (*multiply)(const Product<T>&)>
void as_gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A,
             Index lda, const T* B, Index ldb, T beta, T* C, Index ldc) {
    const Product<T> p{trans_a, trans_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc};
    if (!trivial(p)) multiply(p);
}

template <class T>
ladder::Gemm<T> rung(int number) {
    switch (number) {
        case 1:
            return as_gemm<T, multiply_in_loop_order>;
        case 2:
            return as_gemm<T, multiply_by_register_blocks>;
        case 3:
            return as_gemm<T, multiply_by_cache_blocks>;
        case 4:
            return as_gemm<T, multiply_packed_by_compiler>;
        case 5:
            return as_gemm<T, multiply_all_packed>;
        case 6:
            return as_gemm<T, multiply_by_threads>;
        case 7:
            return as_gemm<T, multiply_by_shape>;
        default:
            return as_gemm<T, gemm<T>>;
    }
}

template <class T>
ladder::FusedGemm<T> fused_rung() {
    return [](Trans trans_a, Trans trans_b, Index M, Index N, Index K, const T* A, const T* B,
              const T* bias, bool relu, T* row_sums, T* C) {
        multiply_fused<T>({trans_a, trans_b, M, N, K, T{1}, A, trans_a == Trans::yes ? M : K, B,
                           trans_b == Trans::yes ? K : N, T{0}, C, N},
                          {bias, relu, row_sums});
    };
}

#define HANDGRAD_INSTANTIATE(T)                                                                   \
    template void gemm<T>(const Product<T>&);                                                     \
    template void linear_forward<T>(T*, const T*, const T*, const T*, bool, Index, Index, Index); \
    template Index packed_weight_size<T>(Index, Index);                                           \
    template void pack_weight<T>(T*, const T*, Index, Index);                                     \
    template void linear_forward_packed<T>(T*, const T*, const T*, const T*, const T*, bool,      \
                                           Index, Index, Index);                                  \
    template void linear_backward_weight<T>(T*, T*, const T*, const T*, Index, Index, Index);     \
    template ladder::Gemm<T> rung(int);                                                           \
    template ladder::FusedGemm<T> fused_rung();
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad::cpu::HANDGRAD_ISA
