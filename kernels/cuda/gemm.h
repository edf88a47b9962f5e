// C = alpha op(A) op(B) + beta C: the tiled product.
//
// A block finds a square tile of C. For each step along K it copies a slice of A and one of B to
// shared memory, where each number is used `tile` times; a thread keeps per_thread x per_thread
// sums in registers, so that 2 per_thread reads of shared memory serve per_thread^2
// multiplications.
//
// Small products take tiles of 16 x 16, one sum for each thread: more blocks, and less of a tile
// that sticks out.
#pragma once

#include "kernels/cuda/launch.h"

namespace handgrad::HANDGRAD_GPU {

/// op(X) for reading: element (i, k) stands at data[i * along_i + k * along_k], where i is a row of
/// op(A) or a column of op(B). One of the two strides is 1.
template <class T>
struct Operand {
    const T* data;
    Index size;  // of i
    Index along_i, along_k;
};

inline constexpr int gemm_depth = 16;  // of a slice along K

/// slice[k][i] = X(first + i, k0 + k), 0 outside. Neighbouring threads read neighbours in memory,
/// whichever way X lies. The column too many keeps the writes of one warp in different banks.
template <class T, int tile>
__device__ void load_slice(T (&slice)[gemm_depth][tile + 1], const Operand<T>& X, Index first,
                           Index k0, Index K) {
    const bool along_k = X.along_k == 1;
    for (int e = static_cast<int>(threadIdx.x); e < tile * gemm_depth;
         e += static_cast<int>(block_threads)) {
        const int i = along_k ? e / gemm_depth : e % tile;
        const int k = along_k ? e % gemm_depth : e / tile;
        const bool inside = first + i < X.size && k0 + k < K;
        slice[k][i] = inside ? X.data[(first + i) * X.along_i + (k0 + k) * X.along_k] : T(0);
    }
}

template <class T, int tile, int per_thread>
__global__ void __launch_bounds__(block_threads)
    gemm_kernel(Operand<T> A, Operand<T> B, Index K, T alpha, T beta, T* C, Index ldc) {
    constexpr int side = tile / per_thread;  // threads along each side of the tile
    static_assert(side * side == static_cast<int>(block_threads),
                  "the sums of all threads make up the tile");
    __shared__ T a_slice[gemm_depth][tile + 1];
    __shared__ T b_slice[gemm_depth][tile + 1];
    const Index M = A.size, N = B.size;
    const Index tiles_across = (N + tile - 1) / tile;
    const Index first_row = blockIdx.x / tiles_across * tile;
    const Index first_col = blockIdx.x % tiles_across * tile;
    const int row = static_cast<int>(threadIdx.x) / side,
              col = static_cast<int>(threadIdx.x) % side;

    T sums[per_thread][per_thread] = {};
    for (Index k0 = 0; k0 < K; k0 += gemm_depth) {
        load_slice<T, tile>(a_slice, A, first_row, k0, K);
        load_slice<T, tile>(b_slice, B, first_col, k0, K);
        __syncthreads();
        for (int k = 0; k < gemm_depth; ++k) {
            // A thread's rows and columns stand `side` apart, so that a warp's threads read
            // neighbours of b_slice, and write neighbours of C.
            T a[per_thread], b[per_thread];
            for (int i = 0; i < per_thread; ++i) a[i] = a_slice[k][row + i * side];
            for (int j = 0; j < per_thread; ++j) b[j] = b_slice[k][col + j * side];
            for (int i = 0; i < per_thread; ++i)
                for (int j = 0; j < per_thread; ++j) sums[i][j] += a[i] * b[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < per_thread; ++i)
        for (int j = 0; j < per_thread; ++j) {
            const Index r = first_row + row + i * side, c = first_col + col + j * side;
            if (r >= M || c >= N) continue;
            T* const to = C + r * ldc + c;
            const T product = alpha * sums[i][j];
            *to = beta == T(0) ? product : product + beta * *to;
        }
}

template <class T, int tile, int per_thread>
void gemm_in_tiles(const Operand<T>& A, const Operand<T>& B, Index K, T alpha, T beta, T* C,
                   Index ldc) {
    const unsigned tiles = blocks_for(A.size, tile) * blocks_for(B.size, tile);
    launch(gemm_kernel<T, tile, per_thread>, tiles, block_threads, 0, stream(), A, B, K, alpha,
           beta, C, ldc);
}

template <class T>
void gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A, Index lda,
          const T* B, Index ldb, T beta, T* C, Index ldc) {
    if (M == 0 || N == 0) return;
    if (alpha == T(0)) K = 0;  // A and B may hold anything
    const Operand<T> a =
        trans_a == Trans::yes ? Operand<T>{A, M, 1, lda} : Operand<T>{A, M, lda, 1};
    const Operand<T> b =
        trans_b == Trans::yes ? Operand<T>{B, N, ldb, 1} : Operand<T>{B, N, 1, ldb};
    if (M >= 64 && N >= 64)
        gemm_in_tiles<T, 64, 4>(a, b, K, alpha, beta, C, ldc);
    else
        gemm_in_tiles<T, 16, 1>(a, b, K, alpha, beta, C, ldc);
}

}  // namespace handgrad::HANDGRAD_GPU
