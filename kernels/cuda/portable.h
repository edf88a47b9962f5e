// What every file of kernels includes. nvcc takes the CUDA runtime; any other compiler takes the
// emulator, which gives the same names a meaning on a processor. A kernel is written once:
//
//     namespace handgrad::HANDGRAD_GPU {
//     template <class T>
//     __global__ void fill_kernel(T* x, T value, Index n) {
//         const Index i = global_thread();
//         if (i < n) x[i] = value;
//     }
//     ...
//     launch(fill_kernel<T>, blocks_for(n), block_threads, 0, stream(), x, value, n);
//
// with launch() in place of <<<>>> and dynamic_shared<T>() in place of extern __shared__, which are
// all that C++ cannot say.
#pragma once

#include "kernels/backend.h"

#if defined(__CUDACC__)

    #include <cuda_runtime.h>
    #include <cxxabi.h>

    #include <cstddef>
    #include <cstdlib>
    #include <string>
    #include <type_traits>

    #include "kernels/cuda/failure.h"

    #define HANDGRAD_GPU cuda

namespace handgrad::cuda {

/// "launch of kernel fill_kernel<float>", as far as the runtime knows it.
inline std::string name_of_launch(const void* kernel) {
    std::string name = "launch of a kernel";
    #if CUDART_VERSION >= 12030
    const char* mangled = nullptr;
    if (cudaFuncGetName(&mangled, kernel) == cudaSuccess) {
        int status = 0;
        char* readable = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
        name += std::string(" ") + (status == 0 ? readable : mangled);
        std::free(readable);
    }
    #endif
    return name;
}

/// Throws Failure where the launch is refused. A mistake that the kernel makes is found by a later
/// call: that which waits for it.
template <class... P>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, std::size_t dynamic_bytes,
            cudaStream_t stream, std::type_identity_t<P>... args) {
    kernel<<<grid, block, dynamic_bytes, stream>>>(args...);
    const cudaError_t status = cudaGetLastError();
    if (status != cudaSuccess)
        throw Failure(name_of_launch(reinterpret_cast<const void*>(kernel)),
                      cudaGetErrorString(status));
}

template <class T>
__device__ T* dynamic_shared() {
    extern __shared__ __align__(16) unsigned char raw_dynamic_shared[];
    return reinterpret_cast<T*>(raw_dynamic_shared);
}

// 16 bytes from global to shared memory while the thread goes on computing. Before compute
// capability 8.0 the copy is an ordinary one.
__device__ inline void copy_async16(void* shared, const void* global) {
    #if __CUDA_ARCH__ >= 800
    const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
    #else
    *static_cast<float4*>(shared) = *static_cast<const float4*>(global);
    #endif
}
__device__ inline void copy_async_commit() {
    #if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
    #endif
}
/// Waits until at most `groups_left` of the groups that this thread committed are under way.
template <int groups_left>
__device__ void copy_async_wait() {
    #if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(groups_left) : "memory");
    #endif
}

}  // namespace handgrad::cuda

#else

    #include "kernels/emulator/emulator.h"

    #define HANDGRAD_GPU emulated

#endif
