#include "kernels/emulator/broken_kernels.h"

#include "kernels/cuda/portable.h"

namespace handgrad::HANDGRAD_GPU {

template <Kernel which>
__global__ void kernel(const float* x, float* y, int n) {
    __shared__ float s[64];
    __shared__ float unset[64];
    __shared__ int count;
    const unsigned t = threadIdx.x;
    if constexpr (which == Kernel::neighbours || which == Kernel::missing_barrier) {
        s[t] = x[t];
        if constexpr (which == Kernel::neighbours) __syncthreads();
        y[t] = s[63 - t];
    }
    if constexpr (which == Kernel::missing_barrier_write_after_read) {
        s[t] = x[t];
        __syncthreads();
        const float other = s[63 - t];
        s[t] = other + 1;
        y[t] = other;
    }
    if constexpr (which == Kernel::writer_has_read) {
        s[t] = x[t];
        __syncthreads();
        if (t < 32) {
            // A shuffle brings the lanes together, but does not order what they do to memory.
            const float first = s[0];
            const float other = __shfl_xor_sync(0xffffffffU, first, 1);
            if (t == 0) s[0] = other + 1;
            y[t] = other;
        }
    }
    if constexpr (which == Kernel::reads_then_writes) {
        s[t] = x[t];
        __syncthreads();
        if (t == 1) y[1] = s[0];
        if (t < 32) __syncwarp();
        if (t == 0) {
            y[0] = s[0];
            s[0] = 1;
        }
    }
    if constexpr (which == Kernel::neighbours_in_warp || which == Kernel::syncwarp_across_warps) {
        s[t] = x[t];
        __syncwarp();
        y[t] = s[t ^ (which == Kernel::neighbours_in_warp ? 31U : 32U)];
    }
    if constexpr (which == Kernel::warp_functions) {
        const int lane = static_cast<int>(t % 32);
        const unsigned all = 0xffffffffU;
        float sum = __shfl_sync(all, x[t], 3);                    // x of lane 3
        sum += 10 * __shfl_up_sync(all, x[t], 1);                 // of the lane before
        sum += 100 * __shfl_down_sync(all, x[t], 2, 8);           // of two later, in its 8
        sum += 1000 * __shfl_xor_sync(all, x[t], 16);             // of the other half
        sum += static_cast<float>(__ballot_sync(all, lane < 3));  // 7
        sum += static_cast<float>(__any_sync(all, lane == 31));   // 1
        sum += static_cast<float>(__all_sync(all, lane < 31));    // 0
        sum += static_cast<float>(__reduce_add_sync(all, lane));  // 496
        sum += static_cast<float>(__reduce_max_sync(all, lane));  // 31
        if (lane < 8) sum += __shfl_sync(0xffU, 0.5F, 0);         // by a part of the warp
        y[t] = sum;
    }
    if constexpr (which == Kernel::count_of_block || which == Kernel::plain_beside_atomic) {
        if (t == 0) count = 0;
        __syncthreads();
        atomicAdd(&count, 1);
        if constexpr (which == Kernel::plain_beside_atomic)
            if (t == 1) count = 5;
        const int odd = __syncthreads_count(static_cast<int>(t % 2));
        y[t] = static_cast<float>(count + 1000 * odd);
    }
    if constexpr (which == Kernel::atomics) {
        __shared__ int least, greatest, last, sum;
        const int i = static_cast<int>(t);
        if (i == 0) least = 1000, greatest = last = -1, sum = 0;
        __syncthreads();
        atomicMin(&least, i);
        atomicMax(&greatest, i);
        atomicExch(&last, i);
        int seen = 0, old = 0;  // sum += i
        do {
            old = seen;
            seen = atomicCAS(&sum, old, old + i);
        } while (seen != old);
        const int any = __syncthreads_or(i == 40);
        const int one_of_all = last >= 0 && last < 64 ? 1 : 0;
        y[t] = static_cast<float>(least + greatest + 1000 * any + 10000 * one_of_all +
                                  (sum == 63 * 64 / 2 ? 100000 : 0));
    }
    if constexpr (which == Kernel::reverse || which == Kernel::missing_wait) {
        float* const d = dynamic_shared<float>();
        if (t < 16) copy_async16(d + 4 * t, x + 4 * t);
        copy_async_commit();
        if constexpr (which == Kernel::reverse) copy_async_wait<0>();
        __syncthreads();
        y[t] = d[63 - t];
    }
    if constexpr (which == Kernel::strided) {
        s[t] = x[t * 33];
        __syncthreads();
        y[t] = s[t * 16 % 64];
    }
    if constexpr (which == Kernel::bytes_beside || which == Kernel::bytes_twice) {
        __shared__ unsigned char bytes[64];
        bytes[which == Kernel::bytes_twice && t == 63 ? 62 : t] = static_cast<unsigned char>(t);
        __syncthreads();
        y[t] = which == Kernel::bytes_beside ? static_cast<float>(bytes[63 - t]) : 0.0F;
    }
    if constexpr (which == Kernel::coalesced) {
        s[t] = x[t];
        __syncthreads();
        y[t] = s[t];
    }
    if constexpr (which == Kernel::two_writers) {
        s[0] = x[t];
        __syncthreads();
        y[t] = s[0];
    }
    if constexpr (which == Kernel::never_written) {
        s[t] = x[t];
        __syncthreads();
        y[t] = s[t] + unset[t];
    }
    if constexpr (which == Kernel::shared_past_end) {
        s[t + 1] = x[t];
        __syncthreads();
        y[t] = s[t];
    }
    if constexpr (which == Kernel::shared_into_next_array) {
        unset[t] = x[t];
        s[t] = x[t];
        __syncthreads();
        y[t] = s[t + static_cast<unsigned>(n) - 63] + unset[t + static_cast<unsigned>(n) - 63];
    }
    if constexpr (which == Kernel::shared_half_past_end) {
        __shared__ float six[6];
        if (t < 6) six[t] = x[t];
        __syncthreads();
        if (t < 2) {
            const float4 four = reinterpret_cast<const float4*>(six)[t];
            y[t] = four.x + four.w;
        }
    }
    if constexpr (which == Kernel::dynamic_past_end) dynamic_shared<float>()[t + 1] = x[t];
    if constexpr (which == Kernel::global_past_end)
        if (static_cast<int>(t) <= n) y[t] = x[t];  // should be <
    if constexpr (which == Kernel::global_half_past_end)
        if (static_cast<int>(4 * t) < n)
            reinterpret_cast<float4*>(y)[t] = make_float4(x[t], x[t], x[t], x[t]);
    if constexpr (which == Kernel::global_before_begin) y[t] = x[static_cast<int>(t) - 1];
    if constexpr (which == Kernel::divergent_barrier) {
        if (t < 40) __syncthreads();  // emulator_test.cpp asks for this line
        y[t] = 0;
    }
    if constexpr (which == Kernel::different_barriers) {
        if (t < 32)
            __syncthreads();
        else
            __syncthreads();
        y[t] = 0;
    }
    if constexpr (which == Kernel::lanes_missing)
        if (t < 20) y[t] = __shfl_xor_sync(0xffffffffU, x[t], 1);
    if constexpr (which == Kernel::lane_not_in_mask) y[t] = __shfl_xor_sync(0xffffU, x[t], 1);
    if constexpr (which == Kernel::shuffle_from_outside)
        if (t < 8) y[t] = __shfl_sync(0xffU, x[t], 8);
    if constexpr (which == Kernel::different_shuffles)
        y[t] = t % 32 < 16 ? __shfl_xor_sync(0xffffffffU, x[t], 16)
                           : __shfl_sync(0xffffffffU, x[t], 0);
    if constexpr (which == Kernel::not_aligned)
        if (t < 8) reinterpret_cast<float4*>(y + 1)[t] = make_float4(x[t], x[t], x[t], x[t]);
    const unsigned i = blockIdx.x * blockDim.x + t;
    if constexpr (which == Kernel::own_elements) y[i] = x[i] + x[0];
    if constexpr (which == Kernel::own_neighbours || which == Kernel::threads_without_barrier) {
        y[i] = x[i];
        if constexpr (which == Kernel::own_neighbours) __syncthreads();
        const float other = y[i - t + (63 - t)];
        __syncthreads();
        y[i] = other;
    }
    if constexpr (which == Kernel::atomics_of_blocks) atomicAdd(&y[t / 32], 1.0F);
    if constexpr (which == Kernel::block_writes_twice) y[t] = x[i];
    if constexpr (which == Kernel::block_reads_written) y[i] = blockIdx.x == 0 ? x[i] : y[i - 64];
    if constexpr (which == Kernel::block_writes_read) {
        // The second block reads its own elements, too, before it writes the first one's.
        const float mine = y[i];
        if (blockIdx.x == 1) y[i - 64] = mine + y[i - 64];
    }
    if constexpr (which == Kernel::plain_beside_atomic_block) {
        if (blockIdx.x == 0)
            atomicAdd(&y[t], 1.0F);
        else
            y[t] = 1;
    }
    if constexpr (which == Kernel::copy_not_aligned) {
        float* const d = dynamic_shared<float>();
        if (t < 8) copy_async16(d + 4 * t + 2, x + 4 * t);
        copy_async_commit();
        copy_async_wait<0>();
        y[t] = 0;
    }
}

template <Kernel... all>
void run_one_of(Kernel which, const float* x, float* y, int n, unsigned threads, unsigned blocks) {
    (void)((which == all &&
            (launch(kernel<all>, blocks, threads, 4 * threads, nullptr, x, y, n), true)) ||
           ...);
}

void run(Kernel which, const float* x, float* y, int n, unsigned threads, unsigned blocks) {
    using enum Kernel;
    run_one_of<bytes_beside, bytes_twice, neighbours, neighbours_in_warp, warp_functions,
               count_of_block, atomics, reverse, strided, coalesced, missing_barrier,
               missing_barrier_write_after_read, writer_has_read, reads_then_writes,
               syncwarp_across_warps, two_writers, plain_beside_atomic, never_written,
               shared_past_end, shared_into_next_array, shared_half_past_end, dynamic_past_end,
               global_past_end, global_half_past_end, global_before_begin, divergent_barrier,
               different_barriers, lanes_missing, lane_not_in_mask, shuffle_from_outside,
               different_shuffles, missing_wait, not_aligned, copy_not_aligned, own_elements,
               own_neighbours, atomics_of_blocks, block_writes_twice, block_reads_written,
               block_writes_read, plain_beside_atomic_block, threads_without_barrier>(
        which, x, y, n, threads, blocks);
}

template <class V>
__global__ void copy_apart_kernel(const V* x, V* y, unsigned offset, unsigned stride,
                                  unsigned lanes) {
    const unsigned t = threadIdx.x;
    if (t < lanes) y[t] = x[offset + stride * t];
}

template <class V>
__global__ void write_shared_kernel(unsigned stride, unsigned lanes) {
    V* const s = dynamic_shared<V>();
    const unsigned t = threadIdx.x;
    if (t < lanes) s[stride * t] = V{};
}

/// f(V{}) for a type of so many bytes.
template <class F>
void with_type_of(unsigned bytes, F f) {
    if (bytes == 1) f(static_cast<unsigned char>(0));
    if (bytes == 4) f(0.0F);
    if (bytes == 8) f(0.0);
    if (bytes == 16) f(float4{});
}

void copy_apart(unsigned bytes, const void* x, void* y, unsigned offset, unsigned stride,
                unsigned lanes) {
    with_type_of(bytes, [&](auto like) {
        using V = decltype(like);
        launch(copy_apart_kernel<V>, 1, 32, 0, nullptr, static_cast<const V*>(x),
               static_cast<V*>(y), offset, stride, lanes);
    });
}

void write_shared(unsigned bytes, unsigned stride, unsigned lanes) {
    with_type_of(bytes, [&](auto like) {
        launch(write_shared_kernel<decltype(like)>, 1, 32, 48 << 10, nullptr, stride, lanes);
    });
}

TwoStreams::TwoStreams() {
    for (void*& stream : streams_) {
        cudaStream_t made = nullptr;
        cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
        stream = made;
    }
    cudaEvent_t event = nullptr;
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    event_ = event;
    cudaMallocHost(&pinned_, 64 * sizeof(float));
    std::memset(pinned_, 0, 64 * sizeof(float));
}

TwoStreams::~TwoStreams() {
    for (void* stream : streams_) {
        cudaStreamSynchronize(static_cast<cudaStream_t>(stream));
        cudaStreamDestroy(static_cast<cudaStream_t>(stream));
    }
    cudaEventDestroy(static_cast<cudaEvent_t>(event_));
    cudaFreeHost(pinned_);
}

void TwoStreams::run(int stream, const float* x, float* y) {
    launch(kernel<Kernel::coalesced>, 1, 64, 0, static_cast<cudaStream_t>(streams_[stream]), x, y,
           64);
}

void TwoStreams::copy(int stream, float* x) {
    cudaMemcpyAsync(x, pinned_, 64 * sizeof(float), cudaMemcpyHostToDevice,
                    static_cast<cudaStream_t>(streams_[stream]));
}

void TwoStreams::mark(int stream) {
    cudaEventRecord(static_cast<cudaEvent_t>(event_), static_cast<cudaStream_t>(streams_[stream]));
}

void TwoStreams::wait_for_mark(int stream) {
    cudaStreamWaitEvent(static_cast<cudaStream_t>(streams_[stream]),
                        static_cast<cudaEvent_t>(event_), 0);
}

void TwoStreams::wait_on_host(int stream) {
    cudaStreamSynchronize(static_cast<cudaStream_t>(streams_[stream]));
}

float* device_array(std::size_t n) {
    void* p = nullptr;
    return cudaMalloc(&p, n * sizeof(float)) == cudaSuccess ? static_cast<float*>(p) : nullptr;
}

void free_device_array(float* p) {
    cudaFree(p);
}

}  // namespace handgrad::HANDGRAD_GPU
