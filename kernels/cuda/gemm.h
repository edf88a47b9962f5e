// Tiled products: C = alpha op(A) op(B) + beta C, and with other operands convolutions (conv.h).
//
// A block finds a square tile of C. For each step along K it copies a slice of A and one of B to
// shared memory, where each number is used `tile` times; a thread keeps per_thread x per_thread
// sums in registers, so that 2 per_thread reads of shared memory serve per_thread^2
// multiplications.
//
// Small products take tiles of 16 x 16, one sum for each thread: more blocks, and less of a tile
// that sticks out. Where less than half of those would be in use, a thread finds each number alone,
// and the caches serve what several threads read.
//
// A layer's batch of 16 has few tiles and long sums: 784 products for each of 16 x 128 numbers make
// 8 tiles, and most of a GPU would watch 8 blocks go through 49 slices. So the slices are dealt out
// to several blocks for each tile, whose parts of the sums wait in scratch() for a second launch to
// add them, in their order. How many follows from the sizes alone, and so do all bits.
#pragma once

#include "kernels/cuda/activations.h"

namespace handgrad::HANDGRAD_GPU {

inline constexpr int gemm_depth = 16;  // of a slice along K

/// One side of a product, for reading: number (i, k), where i is a row of A or a column of B. What
/// stands in for it has these members too.
template <class T>
struct Operand {
    const T* data;
    Index along_i, along_k;  // strides

    __device__ T at(Index i, Index k) const { return data[i * along_i + k * along_k]; }
    /// Do neighbours in memory follow k, and not i?
    __device__ bool k_is_fast() const { return along_k == 1; }
};

/// From one row of a slice in shared memory to the next: two words more than a row has. A warp that
/// writes 16 numbers down each of two columns of floats, or of one of doubles, then finds 32 banks.
/// (Where it writes two rows of 16 floats, they meet in two banks.)
template <class T, int tile>
inline constexpr int gemm_pitch = tile + 8 / static_cast<int>(sizeof(T));

/// slice[k][i] = X(first + i, k0 + k), 0 outside of (size, K). Neighbouring threads read neighbours
/// in memory, whichever way X lies.
template <class T, int tile, class X>
__device__ void load_slice(T (&slice)[gemm_depth][gemm_pitch<T, tile>], const X& x, Index first,
                           Index size, Index k0, Index K) {
    const bool k_is_fast = x.k_is_fast();
    for (int e = static_cast<int>(threadIdx.x); e < tile * gemm_depth;
         e += static_cast<int>(block_threads)) {
        const int i = k_is_fast ? e / gemm_depth : e % tile;
        const int k = k_is_fast ? e % gemm_depth : e / tile;
        const bool inside = first + i < size && k0 + k < K;
        slice[k][i] = inside ? x.at(first + i, k0 + k) : T(0);
    }
}

/// Which of several products of equal sizes this thread works on, by one launch: operands and put
/// ask for it.
__device__ inline Index product_number() {
    return blockIdx.y;
}
inline constexpr Index most_products = 65535;  // that a grid holds along y

/// The parts of the sums of a product, each of `depth` numbers along K: blockIdx.z is the part.
/// Without any data, a sum is whole.
template <class T>
struct PartsOfSums {
    T* data;
    Index depth;

    [[nodiscard]] __device__ T* at(Index part, Index i, Index size) const {
        return data + (part * gridDim.y + product_number()) * size + i;
    }
};

/// put(m, n, sum over k of A(m, k) B(n, k)) for each m < M, n < N, or a part of the sum to parts.
template <class T, int tile, int per_thread, class A, class B, class Put>
__global__ void __launch_bounds__(block_threads)
    product_kernel(Index M, Index N, Index K, A a, B b, Put put, PartsOfSums<T> parts) {
    constexpr int side = tile / per_thread;  // threads along each side of the tile
    static_assert(side * side == static_cast<int>(block_threads),
                  "the sums of all threads make up the tile");
    __shared__ T a_slice[gemm_depth][gemm_pitch<T, tile>];
    __shared__ T b_slice[gemm_depth][gemm_pitch<T, tile>];
    const Index tiles_across = (N + tile - 1) / tile;
    const Index first_row = blockIdx.x / tiles_across * tile;
    const Index first_col = blockIdx.x % tiles_across * tile;
    const int row = static_cast<int>(threadIdx.x) / side;
    const int col = static_cast<int>(threadIdx.x) % side;

    const Index first = blockIdx.z * parts.depth;
    const Index last = K - first < parts.depth ? K : first + parts.depth;
    T sums[per_thread][per_thread] = {};
    for (Index k0 = first; k0 < last; k0 += gemm_depth) {
        load_slice<T, tile>(a_slice, a, first_row, M, k0, K);
        load_slice<T, tile>(b_slice, b, first_col, N, k0, K);
        __syncthreads();
        for (int k = 0; k < gemm_depth; ++k) {
            // A thread's rows and columns stand `side` apart, so that a warp's threads read
            // neighbours of b_slice, and write neighbours of C.
            T from_a[per_thread], from_b[per_thread];
            for (int i = 0; i < per_thread; ++i) from_a[i] = a_slice[k][row + i * side];
            for (int j = 0; j < per_thread; ++j) from_b[j] = b_slice[k][col + j * side];
            for (int i = 0; i < per_thread; ++i)
                for (int j = 0; j < per_thread; ++j) sums[i][j] += from_a[i] * from_b[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < per_thread; ++i)
        for (int j = 0; j < per_thread; ++j) {
            const Index m = first_row + row + i * side, n = first_col + col + j * side;
            if (m >= M || n >= N) continue;
            if (parts.data == nullptr)
                put(m, n, sums[i][j]);
            else
                *parts.at(blockIdx.z, m * N + n, M * N) = sums[i][j];
        }
}

/// put(m, n, the sum of its parts)
template <class T, class Put>
__global__ void __launch_bounds__(block_threads)
    sum_parts_kernel(Index M, Index N, Index count, PartsOfSums<T> parts, Put put) {
    const Index i = global_thread();
    if (i >= M * N) return;
    T sum = *parts.at(0, i, M * N);
    for (Index part = 1; part < count; ++part) sum += *parts.at(part, i, M * N);
    put(i / N, i % N, sum);
}

/// Into how many parts to cut sums of K numbers: as many as give 256 blocks to a launch that would
/// have fewer, each of about four slices or more, as far as there is room for `sums` of each.
template <class T>
Index parts_worth(Index blocks, Index sums, Index K) {
    const auto least = [](Index a, Index b) { return a < b ? a : b; };
    const Index room = scratch_size * static_cast<Index>(sizeof(double) / sizeof(T));
    return least(256 / blocks, least(K / (4 * gemm_depth), room / sums));
}

template <class T, int tile, int per_thread, class A, class B, class Put>
void product_by_tiles(Index M, Index N, Index K, A a, B b, Put put, Index count) {
    const auto y = static_cast<unsigned>(count);
    const unsigned tiles = blocks_for(M, tile) * blocks_for(N, tile);
    const auto kernel = product_kernel<T, tile, per_thread, A, B, Put>;
    const Index parts = parts_worth<T>(tiles * count, M * N * count, K);
    if (parts <= 1)
        return launch(kernel, dim3(tiles, y), block_threads, 0, stream(), M, N, K, a, b, put,
                      PartsOfSums<T>{nullptr, K});
    const Index slices = (K + gemm_depth - 1) / gemm_depth;
    const PartsOfSums<T> partial{reinterpret_cast<T*>(scratch()),
                                 (slices + parts - 1) / parts * gemm_depth};
    const unsigned z = blocks_for(K, partial.depth);
    launch(kernel, dim3(tiles, y, z), block_threads, 0, stream(), M, N, K, a, b, put, partial);
    launch(sum_parts_kernel<T, Put>, dim3(blocks_for(M * N), y), threads_for(M * N), 0, stream(), M,
           N, Index{z}, partial, put);
}

/// The same by a thread for each sum.
template <class T, class A, class B, class Put>
__global__ void __launch_bounds__(block_threads)
    small_product_kernel(Index M, Index N, Index K, A a, B b, Put put) {
    const Index i = global_thread(), m = i / N, n = i % N;
    if (m >= M) return;
    T sum = 0;
    for (Index k = 0; k < K; ++k) sum += a.at(m, k) * b.at(n, k);
    put(m, n, sum);
}

/// `count` products together, at most most_products.
template <class T, class A, class B, class Put>
void product(Index M, Index N, Index K, A a, B b, Put put, Index count = 1) {
    if (M == 0 || N == 0 || count == 0) return;
    const Index small_tiles = Index{blocks_for(M, 16)} * blocks_for(N, 16);
    if (2 * M * N <= small_tiles * 16 * 16)
        launch(small_product_kernel<T, A, B, Put>,
               dim3(blocks_for(M * N), static_cast<unsigned>(count)), threads_for(M * N), 0,
               stream(), M, N, K, a, b, put);
    else if (M >= 64 && N >= 64)
        product_by_tiles<T, 64, 4>(M, N, K, a, b, put, count);
    else
        product_by_tiles<T, 16, 1>(M, N, K, a, b, put, count);
}

template <class T>
void gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A, Index lda,
          const T* B, Index ldb, T beta, T* C, Index ldc) {
    const Operand<T> a = trans_a == Trans::yes ? Operand<T>{A, 1, lda} : Operand<T>{A, lda, 1};
    const Operand<T> b = trans_b == Trans::yes ? Operand<T>{B, ldb, 1} : Operand<T>{B, 1, ldb};
    if (alpha == T(0)) K = 0;  // A and B may hold anything, and C where beta is 0
    product<T>(M, N, K, a, b, [=] __device__(Index m, Index n, T sum) {
        T* const to = C + m * ldc + n;
        *to = beta == T(0) ? alpha * sum : alpha * sum + beta * *to;
    });
}

template <class T>
void linear_forward(T* y, const T* x, const T* w, const T* bias, bool relu, Index rows, Index in,
                    Index out) {
    product<T>(rows, out, in, Operand<T>{x, in, 1}, Operand<T>{w, in, 1},
               [=] __device__(Index m, Index n, T sum) {
                   if (bias != nullptr) sum += bias[n];
                   y[m * out + n] = relu ? activation(Activation::relu, sum, T(0), T(0)) : sum;
               });
}

}  // namespace handgrad::HANDGRAD_GPU
