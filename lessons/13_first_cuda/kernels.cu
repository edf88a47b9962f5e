// The kernels of the lesson, from the simplest one on. README.md beside this file goes through
// them.
#include "kernels.h"

#include "kernels/cuda/launch.h"

namespace handgrad::HANDGRAD_GPU {
namespace {

constexpr int threads = 256;  // of a block, where it has one row of them
constexpr int tile = 16;      // a block of a product: 16 x 16 threads

// ---- one thread, one element -------------------------------------------------------------------

__global__ void add_kernel(float* y, const float* a, const float* b, Index n) {
    const Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a[i] + b[i];  // the last block has threads to spare
}

__global__ void read_apart_kernel(float* y, const float* x, Index n, Index stride) {
    const Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i * stride];
}

// ---- sums --------------------------------------------------------------------------------------

/// This thread's element, 0 past the end.
__device__ float element(const float* x, Index n) {
    const Index i = Index{blockIdx.x} * blockDim.x + threadIdx.x;
    return i < n ? x[i] : 0.0F;
}

// In all of these, the block's sums meet in pairs: 256 become 128, 64, ..., 1. A barrier stands
// between the steps, since each reads what other threads wrote in the last one.

/// Thread t adds element t + step to element t, for every t that is a multiple of 2 step. Most
/// threads of each warp have nothing to do, and keep those waiting that do.
__global__ void sum_interleaved_kernel(float* partial, const float* x, Index n) {
    __shared__ float s[threads];
    const unsigned t = threadIdx.x;
    s[t] = element(x, n);
    __syncthreads();
    for (unsigned step = 1; step < threads; step *= 2) {
        if (t % (2 * step) == 0) s[t] += s[t + step];
        __syncthreads();
    }
    if (t == 0) partial[blockIdx.x] = s[0];
}

/// The same pairs, but the first threads do the work. Now whole warps are busy or idle, and a busy
/// warp reads every second, fourth, ... word of shared memory: from half, a quarter, ... of the
/// banks.
__global__ void sum_strided_kernel(float* partial, const float* x, Index n) {
    __shared__ float s[threads];
    const unsigned t = threadIdx.x;
    s[t] = element(x, n);
    __syncthreads();
    for (unsigned step = 1; step < threads; step *= 2) {
        const unsigned i = 2 * step * t;
        if (i < threads) s[i] += s[i + step];
        __syncthreads();
    }
    if (t == 0) partial[blockIdx.x] = s[0];
}

/// The first half of the numbers takes the second half: neighbours read neighbours.
template <bool with_barriers>
__global__ void sum_halves_kernel(float* partial, const float* x, Index n) {
    __shared__ float s[threads];
    const unsigned t = threadIdx.x;
    s[t] = element(x, n);
    __syncthreads();
    for (unsigned half = threads / 2; half > 0; half /= 2) {
        if (t < half) s[t] += s[t + half];
        if (with_barriers) __syncthreads();
    }
    if (t == 0) partial[blockIdx.x] = s[0];
}

/// Within a warp registers can be read across: no memory, no barrier. Shared memory holds one
/// number for each warp.
__global__ void sum_shuffles_kernel(float* partial, const float* x, Index n) {
    __shared__ float of_warp[threads / 32];
    const unsigned t = threadIdx.x, lane = t % 32, warp = t / 32;
    float sum = element(x, n);
    for (unsigned d = 16; d > 0; d /= 2) sum += __shfl_down_sync(0xffffffffU, sum, d);
    if (lane == 0) of_warp[warp] = sum;
    __syncthreads();
    if (t != 0) return;
    sum = 0;
    for (const float s : of_warp) sum += s;
    partial[blockIdx.x] = sum;
}

// ---- products ----------------------------------------------------------------------------------

/// A thread for each element of C. Neighbouring threads (threadIdx.x) have one column and rows that
/// follow one another: they read A, and write C, a whole row apart.
__global__ void product_down_columns_kernel(float* C, const float* A, const float* B, Index M,
                                            Index N, Index K) {
    const Index row = Index{blockIdx.x} * tile + threadIdx.x;
    const Index col = Index{blockIdx.y} * tile + threadIdx.y;
    if (row >= M || col >= N) return;
    float sum = 0;
    for (Index k = 0; k < K; ++k) sum += A[row * K + k] * B[k * N + col];
    C[row * N + col] = sum;
}

/// x and y exchanged: neighbours have one row, and columns that follow one another.
__global__ void product_along_rows_kernel(float* C, const float* A, const float* B, Index M,
                                          Index N, Index K) {
    const Index row = Index{blockIdx.y} * tile + threadIdx.y;
    const Index col = Index{blockIdx.x} * tile + threadIdx.x;
    if (row >= M || col >= N) return;
    float sum = 0;
    for (Index k = 0; k < K; ++k) sum += A[row * K + k] * B[k * N + col];
    C[row * N + col] = sum;
}

/// The block copies 16 x 16 of A and of B to shared memory, each number once, and uses it 16 times.
/// `transposed` keeps A's piece the other way round, in a tile whose columns all lie in two banks.
template <bool transposed>
__global__ void product_tiled_kernel(float* C, const float* A, const float* B, Index M, Index N,
                                     Index K) {
    __shared__ float a[tile][tile];
    __shared__ float b[tile][tile];
    const unsigned tx = threadIdx.x, ty = threadIdx.y;
    const Index row = Index{blockIdx.y} * tile + ty;
    const Index col = Index{blockIdx.x} * tile + tx;
    float sum = 0;
    for (Index k0 = 0; k0 < K; k0 += tile) {
        (transposed ? a[tx][ty] : a[ty][tx]) = row < M && k0 + tx < K ? A[row * K + k0 + tx] : 0.0F;
        b[ty][tx] = k0 + ty < K && col < N ? B[(k0 + ty) * N + col] : 0.0F;
        __syncthreads();
        for (unsigned k = 0; k < tile; ++k) sum += (transposed ? a[k][ty] : a[ty][k]) * b[k][tx];
        __syncthreads();
    }
    if (row < M && col < N) C[row * N + col] = sum;
}

// ---- their launches ----------------------------------------------------------------------------

void add(float* y, const float* a, const float* b, Index n) {
    launch(add_kernel, blocks_for(n, threads), threads, 0, stream(), y, a, b, n);
}

void read_apart(float* y, const float* x, Index n, Index stride) {
    launch(read_apart_kernel, blocks_for(n, threads), threads, 0, stream(), y, x, n, stride);
}

void sum_blocks(Halving how, float* partial, const float* x, Index n) {
    const auto kernel = how == Halving::interleaved ? sum_interleaved_kernel
                        : how == Halving::strided   ? sum_strided_kernel
                        : how == Halving::halves    ? sum_halves_kernel<true>
                                                    : sum_shuffles_kernel;
    launch(kernel, blocks_for(n, threads), threads, 0, stream(), partial, x, n);
}

void sum_without_barrier(float* partial, const float* x, Index n) {
    launch(sum_halves_kernel<false>, blocks_for(n, threads), threads, 0, stream(), partial, x, n);
}

void product(Product how, float* C, const float* A, const float* B, Index M, Index N, Index K) {
    const dim3 block(tile, tile);
    const unsigned down = blocks_for(M, tile), across = blocks_for(N, tile);
    if (how == Product::down_columns) {
        launch(product_down_columns_kernel, dim3(down, across), block, 0, stream(), C, A, B, M, N,
               K);
        return;
    }
    const auto kernel = how == Product::along_rows ? product_along_rows_kernel
                        : how == Product::tiled    ? product_tiled_kernel<false>
                                                   : product_tiled_kernel<true>;
    launch(kernel, dim3(across, down), block, 0, stream(), C, A, B, M, N, K);
}

}  // namespace

const FirstKernels& first_kernels() {
    static const FirstKernels kernels{add, read_apart, sum_blocks, product, sum_without_barrier};
    return kernels;
}

}  // namespace handgrad::HANDGRAD_GPU
