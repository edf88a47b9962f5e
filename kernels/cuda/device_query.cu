#include <cuda_runtime.h>

#include "kernels/cuda/device_query.h"

namespace handgrad::cuda {

Gpus query() {
    Gpus gpus;
    int count = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    for (int device = 0; status == cudaSuccess && device < count; ++device) {
        cudaDeviceProp properties{};
        status = cudaGetDeviceProperties(&properties, device);
        if (status == cudaSuccess)
            gpus.found.push_back(
                {properties.name, properties.totalGlobalMem, properties.major, properties.minor});
    }
    cudaGetLastError();  // it has been dealt with, or is about to be
    if (gpus.found.empty())
        gpus.reason = status == cudaSuccess ? "the driver lists none" : cudaGetErrorString(status);
    return gpus;
}

}  // namespace handgrad::cuda
