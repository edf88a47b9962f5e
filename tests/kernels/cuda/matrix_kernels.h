// Kernels that multiply by matrix instructions, for matrix_instructions_test.cpp. Two sets of the
// same code: of the GPU, where there is one, and of the emulator.
#pragma once

#include "kernels/backend.h"

namespace handgrad {

enum class Number { tf32, bf16, f16 };

struct MatrixKernels {
    /// As the kind rounds it.
    double (*rounded)(Number kind, float x);
    /// The greatest relative error of that.
    double (*rounding)(Number kind);
    /// C (M, N) = A (M, K) B (N, K)', of numbers rounded so, on the device of this set. K is a
    /// multiple of 8. All arrays are on the host.
    void (*product)(Number kind, float* C, const float* A, const float* B, Index M, Index N,
                    Index K);
    /// The same, without waiting for asynchronous copies.
    void (*product_without_wait)(Number kind, float* C, const float* A, const float* B, Index M,
                                 Index N, Index K);
};

namespace cuda {
const MatrixKernels& matrix_kernels();
}
namespace emulated {
const MatrixKernels& matrix_kernels();
}

}  // namespace handgrad
