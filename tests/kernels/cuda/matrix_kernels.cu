#include "kernels/cuda/matrix_kernels.h"

#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix_instructions.h"

namespace handgrad::HANDGRAD_GPU {
namespace {

/// A warp for each tile of C, 16 x 8. Slices of A and B, 32 bytes deep, come by asynchronous
/// copies: the next while this one is multiplied. Rows in shared memory are 48 bytes apart, so that
/// eight of them, which load_tiles reads at once, begin in different banks.
template <class Kind, bool wait>
__global__ void product_kernel(float* C, const typename Kind::Stored* A,
                               const typename Kind::Stored* B, Index M, Index N, Index K) {
    using Stored = typename Kind::Stored;
    constexpr int in_copy = 16 / static_cast<int>(sizeof(Stored));  // numbers in a copy of 16 bytes
    constexpr int pitch = 3 * in_copy;
    __shared__ __align__(16) Stored a[2][16 * pitch];
    __shared__ __align__(16) Stored b[2][8 * pitch];
    const Index first_row = Index{blockIdx.x} * 16, first_col = Index{blockIdx.y} * 8;
    const int lane = static_cast<int>(threadIdx.x);

    const auto load = [&](int stage, Index k0) {
        const int row = lane / 2, part = lane % 2 * in_copy;  // two copies make a row
        const auto copy = [&](Stored* to, const Stored* from, Index n, Index rows) {
            if (n < rows && k0 + part < K)
                copy_async16(to, from + n * K + k0 + part);
            else
                for (int i = 0; i < in_copy; ++i) to[i] = Stored{};
        };
        copy(&a[stage][row * pitch + part], A, first_row + row, M);
        if (row < 8) copy(&b[stage][row * pitch + part], B, first_col + row, N);
    };

    FragmentC sums{};
    load(0, 0);
    copy_async_commit();
    int stage = 0;
    for (Index k0 = 0; k0 < K; k0 += Kind::depth, stage ^= 1) {
        if (k0 + Kind::depth < K) load(stage ^ 1, k0 + Kind::depth);
        copy_async_commit();
        if constexpr (wait) copy_async_wait<1>();  // all but the one just begun
        __syncwarp();
        multiply_add<Kind>(sums, load_a(a[stage], pitch), load_b(b[stage], pitch));
        __syncwarp();  // all have read what the next round writes over
    }
    for (int i = 0; i < 4; ++i) {
        const Index row = first_row + lane / 4 + i / 2 * 8, col = first_col + lane % 4 * 2 + i % 2;
        if (row < M && col < N) C[row * N + col] = sums.v[i];
    }
}

template <class Kind, bool wait>
void product_of(float* C, const float* A, const float* B, Index M, Index N, Index K) {
    using Stored = typename Kind::Stored;
    const auto send = [](const float* x, Index n) {
        std::vector<Stored> stored;
        for (Index i = 0; i < n; ++i) stored.push_back(Kind::stored(x[i]));
        void* p = gpu().allocate(static_cast<std::size_t>(n) * sizeof(Stored));
        gpu().copy_in(p, stored.data(), static_cast<std::size_t>(n) * sizeof(Stored));
        return static_cast<Stored*>(p);
    };
    const std::size_t bytes = static_cast<std::size_t>(M * N) * sizeof(float);
    Stored *const a = send(A, M * K), *const b = send(B, N * K);
    auto* const c = static_cast<float*>(gpu().allocate(bytes));
    const auto free_all = [&] {
        for (void* p : {static_cast<void*>(a), static_cast<void*>(b), static_cast<void*>(c)})
            gpu().release(p);
    };
    try {
        launch(product_kernel<Kind, wait>, dim3(blocks_for(M, 16), blocks_for(N, 8)), 32, 0,
               stream(), c, a, b, M, N, K);
    } catch (...) {
        free_all();
        throw;
    }
    gpu().copy_out(C, c, bytes);
    free_all();
}

template <bool wait>
void product(Number kind, float* C, const float* A, const float* B, Index M, Index N, Index K) {
    const auto of_kind = kind == Number::tf32   ? product_of<Tf32, wait>
                         : kind == Number::bf16 ? product_of<Bf16, wait>
                                                : product_of<F16, wait>;
    of_kind(C, A, B, M, N, K);
}

template <class Kind>
double rounded_as(float x) {
    const auto stored = Kind::stored(x);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &stored, sizeof stored);
    return static_cast<double>(Kind::number(bits, 0));
}

double rounded(Number kind, float x) {
    return kind == Number::tf32   ? rounded_as<Tf32>(x)
           : kind == Number::bf16 ? rounded_as<Bf16>(x)
                                  : rounded_as<F16>(x);
}

double rounding(Number kind) {
    return kind == Number::tf32   ? Tf32::rounding
           : kind == Number::bf16 ? Bf16::rounding
                                  : F16::rounding;
}

}  // namespace

const MatrixKernels& matrix_kernels() {
    static const MatrixKernels kernels{rounded, rounding, product<true>, product<false>};
    return kernels;
}

}  // namespace handgrad::HANDGRAD_GPU
