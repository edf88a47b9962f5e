// Kernels on the rows of a matrix (rows, cols), softmax among them.
#pragma once

#include "kernels/cuda/math.h"

namespace handgrad::HANDGRAD_GPU {

template <class T>
void add_to_rows(T* x, const T* bias, Index rows, Index cols) {
    each(rows * cols, [=] __device__(Index i) { x[i] += bias[i % cols]; });
}

/// A block for 32 columns: each of its up to 8 rows of threads sums every 8th row of x, so that a
/// warp reads neighbours; then the first row of threads adds the 8 sums.
template <class T>
__global__ void __launch_bounds__(block_threads)
    sum_rows_kernel(T* sums, const T* x, Index rows, Index cols) {
    __shared__ T partial[block_warps][warp_threads];
    const Index c = Index{blockIdx.x} * warp_threads + threadIdx.x;
    T sum = 0;
    if (c < cols)
        for (Index r = threadIdx.y; r < rows; r += blockDim.y) sum += x[r * cols + c];
    partial[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < cols) {
        for (unsigned w = 1; w < blockDim.y; ++w) sum += partial[w][threadIdx.x];
        sums[c] += sum;
    }
}

template <class T>
void sum_rows(T* sums, const T* x, Index rows, Index cols) {
    if (rows == 0 || cols == 0) return;
    const dim3 block(warp_threads, threads_for(rows * warp_threads) / warp_threads);
    launch(sum_rows_kernel<T>, blocks_for(cols, warp_threads), block, 0, stream(), sums, x, rows,
           cols);
}

template <class T>
void scale_rows(T* y, const T* x, const T* scale, Index rows, Index cols) {
    each(rows * cols, [=] __device__(Index i) { y[i] = x[i] * scale[i / cols]; });
}

template <class T>
void gather_rows(T* out, const T* x, const Index* indices, Index n, Index cols) {
    each(n * cols, [=] __device__(Index i) { out[i] = x[indices[i / cols] * cols + i % cols]; });
}

// ---- softmax -----------------------------------------------------------------------------------

/// logsumexp(x) in two parts, as in kernels/cpu/softmax.h. All lanes of the warp get it.
template <class T>
struct LogSumExp {
    T highest, log_sum;
};

template <class T>
__device__ T highest_of(const RowLane& row, const T* x, Index cols) {
    T highest = -static_cast<T>(INFINITY);
    row.each(cols, [&](Index i) { highest = greater(highest, x[i]); });
    return warp_max(highest);
}

template <class T>
__device__ LogSumExp<T> logsumexp(const RowLane& row, const T* x, Index cols) {
    const T highest = highest_of(row, x, cols);
    T sum = 0;
    row.each(cols, [&](Index i) { sum += exp(x[i] - highest); });
    return {highest, log(warp_sum(sum))};
}

/// y = softmax(x) of a row; returns logsumexp(x).
template <class T>
__device__ LogSumExp<T> softmax(const RowLane& row, T* y, const T* x, Index cols) {
    const T highest = highest_of(row, x, cols);
    T sum = 0;
    row.each(cols, [&](Index i) {
        y[i] = exp(x[i] - highest);
        sum += y[i];
    });
    sum = warp_sum(sum);
    row.each(cols, [&](Index i) { y[i] /= sum; });
    return {highest, log(sum)};
}

template <class T>
void softmax_forward(T* y, const T* x, Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) { softmax(row, y, x, cols); });
}

template <class T>
void softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) {
        T dot = 0;
        row.each(cols, [&](Index i) { dot += dy[i] * y[i]; });
        dot = warp_sum(dot);
        row.each(cols, [&](Index i) { dx[i] = y[i] * (dy[i] - dot); });
    });
}

template <class T>
void log_softmax_forward(T* y, const T* x, Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) {
        const LogSumExp<T> l = logsumexp(row, x, cols);
        row.each(cols, [&](Index i) { y[i] = (x[i] - l.highest) - l.log_sum; });
    });
}

template <class T>
void log_softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) {
        T sum = 0;
        row.each(cols, [&](Index i) { sum += dy[i]; });
        sum = warp_sum(sum);
        row.each(cols, [&](Index i) { dx[i] = dy[i] - exp(y[i]) * sum; });
    });
}

}  // namespace handgrad::HANDGRAD_GPU
