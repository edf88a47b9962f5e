// What every kernel stands on: how many threads, in which stream, and the loops that most of them
// are. Kernels for a whole array are written as on the CPU, as what happens to element i:
//
//     each(n, [=] __device__(Index i) { y[i] = x[i] * scale[i]; });
#pragma once

#include <math.h>  // NOLINT(modernize-deprecated-headers): exp(float) without std::, as CUDA has it

#include <string>

#include "kernels/cuda/failure.h"
#include "kernels/cuda/portable.h"

namespace handgrad::HANDGRAD_GPU {

/// Throws cuda::Failure unless the call succeeded.
inline void check(cudaError_t status, const std::string& call) {
    if (status == cudaSuccess) return;
    cudaGetLastError();  // or the next launch would be blamed for it
    throw cuda::Failure(call, cudaGetErrorString(status));
}

/// The stream that all work goes to.
cudaStream_t stream();

/// Device memory for what a sum in two steps leaves between them: numbers as wide as a double or
/// less, 8 MiB in all. Work in a stream is ordered, so one is enough.
double* scratch();
inline constexpr Index scratch_size = 1 << 20;

/// Threads in a block: a multiple of the warp that leaves each thread 255 registers, and gives a
/// multiprocessor of 2048 threads enough blocks to hide what each waits for.
inline constexpr unsigned block_threads = 256;
inline constexpr int warp_threads = 32;
inline constexpr int block_warps = block_threads / warp_threads;

/// The number of blocks that have `per_block` of n things each.
inline unsigned blocks_for(Index n, Index per_block = block_threads) {
    return static_cast<unsigned>((n + per_block - 1) / per_block);
}

/// Threads in a block where n of them have work: whole warps, at least one.
inline unsigned threads_for(Index n) {
    if (n <= warp_threads) return warp_threads;
    return n < block_threads ? blocks_for(n, warp_threads) * warp_threads : block_threads;
}

/// The number of this thread among all of a launch.
__device__ inline Index global_thread() {
    return Index{blockIdx.x} * blockDim.x + threadIdx.x;
}

template <class F>
__global__ void __launch_bounds__(block_threads) each_kernel(Index n, F f) {
    const Index i = global_thread();
    if (i < n) f(i);
}

/// f(i) for each i < n, a thread for each.
template <class F>
void each(Index n, F f) {
    if (n > 0) launch(each_kernel<F>, blocks_for(n), threads_for(n), 0, stream(), n, f);
}

// ---- reductions --------------------------------------------------------------------------------

// combine(a, b) of the values of a warp's lanes, given to all of them. Lane l takes the value of
// lane l ^ 16, then of l ^ 8, ...: after five steps each has met all 32. All lanes combine the same
// pairs, so all have the same bits.
template <class T, class Combine>
__device__ T over_warp(T value, Combine combine) {
    for (int d = warp_threads / 2; d > 0; d /= 2)
        value = combine(value, __shfl_xor_sync(0xffffffffU, value, d));
    return value;
}
template <class T>
__device__ T warp_sum(T value) {
    return over_warp(value, [](T a, T b) { return a + b; });
}
/// The greater of two; NaN where either is.
template <class T>
__device__ T greater(T a, T b) {
    return b > a || isnan(b) ? b : a;
}
template <class T>
__device__ T warp_max(T value) {
    return over_warp(value, [](T a, T b) { return greater(a, b); });
}

/// The sum of a block's values, given to all threads. To be called by all.
template <class T>
__device__ T block_sum(T value) {
    __shared__ T warp_sums[block_warps];
    value = warp_sum(value);
    __syncthreads();  // the last call's sums have been read
    if (threadIdx.x % warp_threads == 0) warp_sums[threadIdx.x / warp_threads] = value;
    __syncthreads();
    T sum = 0;
    for (unsigned w = 0; w < blockDim.x / warp_threads; ++w) sum += warp_sums[w];
    return sum;
}

template <class S, class F, class Finish>
__global__ void __launch_bounds__(block_threads) sum_kernel(Index n, F f, Finish finish) {
    S sum = 0;
    for (Index i = global_thread(); i < n; i += Index{gridDim.x} * blockDim.x) sum += f(i);
    sum = block_sum(sum);
    if (threadIdx.x == 0) finish(blockIdx.x, sum);
}

/// Blocks' worth of elements that a block of a sum takes, so that it does not wait for its start
/// alone.
inline constexpr Index worth_a_block = 16;
inline constexpr Index most_sums = 1024;

/// The sums of blocks, in scratch(): written by one launch, read by the next.
template <class S>
struct PartialSums {
    S* sums;

    __device__ void operator()(unsigned block, S sum) const { sums[block] = sum; }
    __device__ S operator()(Index i) const { return sums[i]; }
};

/// finish(0, the sum), on the device, of what the blocks of step(blocks, f) give to f(block, sum).
/// The sum of each is kept in scratch(), then one block sums those. At most most_sums blocks; where
/// `blocks` is 0 or 1, one does it all.
template <class S, class Step, class Finish>
void sum_of_blocks(Index blocks, Step step, Finish finish) {
    if (blocks <= 1) return step(1U, finish);
    const PartialSums<S> partial{reinterpret_cast<S*>(scratch())};
    const Index count = blocks < most_sums ? blocks : most_sums;
    step(static_cast<unsigned>(count), partial);
    launch(sum_kernel<S, PartialSums<S>, Finish>, 1, threads_for(count), 0, stream(), count,
           partial, finish);
}

/// finish(0, sum over i < n of f(i)), on the device, summed in S: the order depends on n alone.
template <class S, class F, class Finish>
void sum_all(Index n, F f, Finish finish) {
    sum_of_blocks<S>(
        n / (worth_a_block * block_threads),
        [&](unsigned blocks, auto finish_block) {
            launch(sum_kernel<S, F, decltype(finish_block)>, blocks, threads_for(n), 0, stream(), n,
                   f, finish_block);
        },
        finish);
}

template <class F>
__global__ void __launch_bounds__(block_threads) each_block_kernel(F f) {
    f(Index{blockIdx.x});
}

/// f(i) for each i < n, by all blockDim.x threads of a block, which may use block_sum: as many as
/// `work` things for each i are worth.
template <class F>
void each_block(Index n, Index work, F f) {
    if (n > 0)
        launch(each_block_kernel<F>, static_cast<unsigned>(n), threads_for(work), 0, stream(), f);
}

// ---- rows --------------------------------------------------------------------------------------

/// One lane of the warp that works on a row.
struct RowLane {
    Index row;
    int lane;

    /// f(i) for this lane's part of the elements i of the row, which has `cols`.
    template <class F>
    __device__ void each(Index cols, F f) const {
        for (Index c = lane; c < cols; c += warp_threads) f(row * cols + c);
    }
};

template <class F>
__global__ void __launch_bounds__(block_threads) each_row_kernel(Index rows, F f) {
    const Index row = global_thread() / warp_threads;
    // All lanes of a warp have one row: they leave together, and f may use warp functions.
    if (row < rows) f(RowLane{row, static_cast<int>(threadIdx.x % warp_threads)});
}

/// f(lane) on a warp for each row.
template <class F>
void each_row(Index rows, F f) {
    if (rows > 0)
        launch(each_row_kernel<F>, blocks_for(rows, block_warps), threads_for(rows * warp_threads),
               0, stream(), rows, f);
}

}  // namespace handgrad::HANDGRAD_GPU
