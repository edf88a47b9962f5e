// The lesson's kernels, as functions that main.cpp can call. Arrays are the device's.
#pragma once

#include "kernels/backend.h"

namespace handgrad {

/// How a block's threads halve their partial sums.
enum class Halving { interleaved, strided, halves, shuffles };
/// How the threads of a block share out the elements of C.
enum class Product { down_columns, along_rows, tiled, tiled_transposed };

/// Each function starts kernels; it does not wait for them. Two sets exist, of the same code.
struct FirstKernels {
    /// y[i] = a[i] + b[i]
    void (*add)(float* y, const float* a, const float* b, Index n);
    /// y[i] = x[i stride], for i < n: neighbouring threads read `stride` floats apart.
    void (*read_apart)(float* y, const float* x, Index n, Index stride);
    /// partial[b] = the sum of block b's 256 elements of x, for ceil(n / 256) blocks.
    void (*sum_blocks)(Halving how, float* partial, const float* x, Index n);
    /// C = A B, with A (M, K), B (K, N), C (M, N).
    void (*product)(Product how, float* C, const float* A, const float* B, Index M, Index N,
                    Index K);
    /// sum_blocks with a barrier left out.
    void (*sum_without_barrier)(float* partial, const float* x, Index n);
};

namespace cuda {
const FirstKernels& first_kernels();
}
namespace emulated {
const FirstKernels& first_kernels();
}

}  // namespace handgrad
