// The language of CUDA kernels as C++, for a processor. Kernel files include
// kernels/cuda/portable.h, which takes this file wherever the compiler is not nvcc.
//
// A block's threads are fibers: they run one after another, each until it waits at a barrier or for
// the other threads of its warp. Blocks run one after another. What CUDA leaves open (which thread
// comes first) is thus fixed here, and the mistakes that depend on it would not show; so every
// access to memory is looked at (access.cpp) and two that no barrier orders are reported,
// whichever came first.
//
// Left out: textures, constant and managed memory, dynamic parallelism, grids that synchronise.
#pragma once

#include <math.h>  // NOLINT(modernize-deprecated-headers): exp(float) without std::, as CUDA has it

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __global__ static __attribute__((noinline, noclone))
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

// An array in shared memory is a static variable. The guard before it keeps two arrays apart, so
// that an index just past one does not fall into the next. `used`: the compiler may not drop an
// array that is never written, since reading it is the mistake to be found.
#define HANDGRAD_JOIN_TOKENS(a, b) a##b
#define HANDGRAD_JOIN(a, b) HANDGRAD_JOIN_TOKENS(a, b)
#define __shared__                                                                     \
    static __attribute__((used)) char HANDGRAD_JOIN(handgrad_guard_, __COUNTER__)[64]; \
    static __attribute__((used, aligned(16)))

// For what the emulator does on behalf of a kernel: its own accesses are not the kernel's.
#define HANDGRAD_NOT_WATCHED \
    __attribute__((no_sanitize("thread"), no_sanitize("address"), noinline))

namespace handgrad::emulator {

// ---- places ------------------------------------------------------------------------------------

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1)  // NOLINT
        : x(x_), y(y_), z(z_) {}
};
struct alignas(16) float4 {
    float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) {
    return {x, y, z, w};
}

// Constant for each thread, so that the compiler may ask once.
[[gnu::const]] uint3 thread_index();
[[gnu::const]] uint3 block_index();
[[gnu::const]] dim3 block_size();
[[gnu::const]] dim3 grid_size();
[[gnu::const]] unsigned lane();
void* dynamic_shared_memory();

#define threadIdx (::handgrad::emulator::thread_index())
#define blockIdx (::handgrad::emulator::block_index())
#define blockDim (::handgrad::emulator::block_size())
#define gridDim (::handgrad::emulator::grid_size())
inline constexpr int warpSize = 32;

/// Dynamic shared memory, as long as the launch asked for.
template <class T>
T* dynamic_shared() {
    return static_cast<T*>(dynamic_shared_memory());
}

/// A line of a kernel file.
struct Where {
    const char* file;
    int line;
    static constexpr Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
};

// ---- barriers ----------------------------------------------------------------------------------

/// Waits for the block. Returns how many of its threads came with a `flag`.
int block_barrier(bool flag, const char* name, Where where);

inline void __syncthreads(Where where = Where::here()) {
    block_barrier(false, "__syncthreads", where);
}
inline int __syncthreads_count(int flag, Where where = Where::here()) {
    return block_barrier(flag != 0, "__syncthreads_count", where);
}
inline int __syncthreads_or(int flag, Where where = Where::here()) {
    return block_barrier(flag != 0, "__syncthreads_or", where) > 0;
}

// ---- warps -------------------------------------------------------------------------------------

inline constexpr std::size_t slot_bytes = 16;
struct Slot {
    alignas(16) unsigned char bytes[slot_bytes];
};

/// Gives `mine` to the other lanes of `mask` and takes what they gave: 32 slots, by lane.
/// Everything that a warp does together is made of this.
const Slot* exchange(const void* mine, std::size_t bytes, unsigned mask, const char* name,
                     Where where);
void warp_barrier(unsigned mask, Where where);

inline void __syncwarp(unsigned mask = ~0U, Where where = Where::here()) {
    warp_barrier(mask, where);
}

/// Reports a shuffle that takes from a lane which is not in its mask.
void require_lane(unsigned mask, unsigned source, const char* name, Where where);

template <class T>
HANDGRAD_NOT_WATCHED T shuffle(unsigned mask, T value, unsigned source, const char* name,
                               Where where) {
    static_assert(sizeof(T) <= slot_bytes, "a shuffle moves at most 16 bytes");
    require_lane(mask, source, name, where);
    const Slot* slots = exchange(&value, sizeof value, mask, name, where);
    T result;
    std::memcpy(&result, slots[source].bytes, sizeof result);
    return result;
}

// A lane outside its segment of `width` lanes gives its own value, as on the device.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, Where where = Where::here()) {
    const unsigned w = static_cast<unsigned>(width);
    const unsigned first = lane() / w * w;
    return shuffle(mask, value, first + static_cast<unsigned>(source) % w, "__shfl_sync", where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 Where where = Where::here()) {
    const bool inside = lane() % static_cast<unsigned>(width) >= delta;
    return shuffle(mask, value, inside ? lane() - delta : lane(), "__shfl_up_sync", where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   Where where = Where::here()) {
    const unsigned w = static_cast<unsigned>(width);
    const bool inside = lane() % w + delta < w;
    return shuffle(mask, value, inside ? lane() + delta : lane(), "__shfl_down_sync", where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, Where where = Where::here()) {
    const unsigned source = lane() ^ static_cast<unsigned>(lanes);
    const unsigned w = static_cast<unsigned>(width);
    const bool inside = source / w <= lane() / w;
    return shuffle(mask, value, inside ? source : lane(), "__shfl_xor_sync", where);
}

/// combine(...) of what the lanes of `mask` gave.
template <class T, class Combine>
HANDGRAD_NOT_WATCHED T reduce_lanes(unsigned mask, T value, const char* name, Where where,
                                    Combine combine) {
    const Slot* slots = exchange(&value, sizeof value, mask, name, where);
    T result{};
    bool first = true;
    for (unsigned i = 0; i < 32; ++i) {
        if ((mask >> i & 1U) == 0) continue;
        T other;
        std::memcpy(&other, slots[i].bytes, sizeof other);
        result = first ? other : combine(result, other);
        first = false;
    }
    return result;
}
inline unsigned __ballot_sync(unsigned mask, int flag, Where where = Where::here()) {
    return reduce_lanes(mask, flag != 0 ? 1U << lane() : 0U, "__ballot_sync", where,
                        [](unsigned a, unsigned b) { return a | b; });
}
inline int __any_sync(unsigned mask, int flag, Where where = Where::here()) {
    return reduce_lanes(mask, static_cast<int>(flag != 0), "__any_sync", where,
                        [](int a, int b) { return a | b; });
}
inline int __all_sync(unsigned mask, int flag, Where where = Where::here()) {
    return reduce_lanes(mask, static_cast<int>(flag != 0), "__all_sync", where,
                        [](int a, int b) { return a & b; });
}
template <class T>  // int or unsigned
T __reduce_add_sync(unsigned mask, T value, Where where = Where::here()) {
    return reduce_lanes(mask, value, "__reduce_add_sync", where, [](T a, T b) { return a + b; });
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, Where where = Where::here()) {
    return reduce_lanes(mask, value, "__reduce_max_sync", where,
                        [](T a, T b) { return a > b ? a : b; });
}

// ---- memory ------------------------------------------------------------------------------------

enum class Access : std::uint8_t { read, write, atomic };
/// Called at each access of a kernel, before it happens. `pc` is where it stands in the code. A GPU
/// reads and writes at a multiple of `alignment` alone.
void on_access(const void* address, std::size_t bytes, Access access, const void* pc,
               std::size_t alignment = 1);

template <class T>
__forceinline__ T __ldg(const T* p) {
    return *p;
}

/// *p = change(*p) in one step; returns what stood there.
template <class T, class Change>
HANDGRAD_NOT_WATCHED T atomic(T* p, const void* pc, Change change) {
    on_access(p, sizeof(T), Access::atomic, pc, sizeof(T));
    const T old = *p;
    *p = change(old);
    return old;
}
#define HANDGRAD_ATOMIC(name, expression)                                                        \
    template <class T>                                                                           \
    HANDGRAD_NOT_WATCHED T name(T* p, std::type_identity_t<T> value) {                           \
        return atomic(p, __builtin_return_address(0), [=](T old) -> T { return (expression); }); \
    }
HANDGRAD_ATOMIC(atomicAdd, old + value)
HANDGRAD_ATOMIC(atomicMax, old > value ? old : value)
HANDGRAD_ATOMIC(atomicMin, old < value ? old : value)
HANDGRAD_ATOMIC(atomicExch, (static_cast<void>(old), value))
#undef HANDGRAD_ATOMIC
template <class T>
HANDGRAD_NOT_WATCHED T atomicCAS(T* p, std::type_identity_t<T> expected,
                                 std::type_identity_t<T> value) {
    return atomic(p, __builtin_return_address(0),
                  [=](T old) { return old == expected ? value : old; });
}

// Copies from global to shared memory that go on while the thread computes. They happen as late as
// they may, in copy_async_wait, so that a wait that is missing shows.
void copy_later(void* shared, const void* global, const void* pc);
void copy_commit();
void copy_wait(int groups_left);

HANDGRAD_NOT_WATCHED inline void copy_async16(void* shared, const void* global) {
    copy_later(shared, global, __builtin_return_address(0));
}
inline void copy_async_commit() {
    copy_commit();
}
template <int groups_left>
void copy_async_wait() {
    copy_wait(groups_left);
}

// ---- the host's side ---------------------------------------------------------------------------

// As much of the CUDA runtime as kernels/cuda/ calls. Work in a stream is done at once, but for two
// things: while a graph is captured it is written down; and a copy from the host to the device is
// done as late as it may be, when somebody waits for it, so that a wait that is missing shows.
// (That may be late from memory of any kind: CUDA does not say that a copy from memory that can be
// paged out has been read when the call returns.)
enum cudaError_t : std::uint8_t {
    cudaSuccess,
    cudaErrorMemoryAllocation,
    cudaErrorInvalidValue,
    cudaErrorLaunchFailure,
    cudaErrorStreamCaptureUnsupported,
    cudaErrorStreamCaptureIsolation
};
enum cudaMemcpyKind : std::uint8_t {
    cudaMemcpyHostToDevice,
    cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice,
    cudaMemcpyDefault
};
enum cudaStreamCaptureMode : std::uint8_t { cudaStreamCaptureModeRelaxed };
enum : std::uint8_t { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
struct Graph;
using cudaStream_t = struct Stream*;
using cudaEvent_t = struct Event*;
using cudaGraph_t = Graph*;
using cudaGraphExec_t = Graph*;

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaMalloc(void** p, std::size_t bytes);
cudaError_t cudaFree(void* p);
cudaError_t cudaMallocHost(void** p, std::size_t bytes);
cudaError_t cudaFreeHost(void* p);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph,
                                 unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable);

/// A kernel to be run. `call` holds its arguments, in `call_bytes` bytes.
struct Launch {
    const void* kernel;
    dim3 grid, block;
    std::size_t dynamic_bytes;
    const void* call;
    std::size_t call_bytes;
    void (*run)(const void* call);
};
/// Runs it, or adds it to the graph that the stream captures. Throws Mistake, also where an error
/// of an earlier call was not taken by cudaGetLastError: on a GPU the launch would be blamed for
/// it.
void submit(const Launch& launch, cudaStream_t stream);

template <class... P>
HANDGRAD_NOT_WATCHED void launch(void (*kernel)(P...), dim3 grid, dim3 block,
                                 std::size_t dynamic_bytes, cudaStream_t stream,
                                 std::type_identity_t<P>... args) {
    static_assert((std::is_trivially_copyable_v<P> && ...), "arguments are copied as bytes");
    const auto call = [=]() __attribute__((no_sanitize("thread"), no_sanitize("address"))) {
        kernel(args...);
    };
    const auto run =
        [](const void* c) __attribute__((no_sanitize("thread"), no_sanitize("address"))) {
        (*static_cast<decltype(call)*>(c))();
    };
    submit({reinterpret_cast<const void*>(kernel), grid, block, dynamic_bytes, &call, sizeof call,
            run},
           stream);
}

}  // namespace handgrad::emulator

// Kernel files write CUDA's names without a namespace.
using namespace handgrad::emulator;  // NOLINT(google-build-using-namespace)
