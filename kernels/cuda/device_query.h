// The GPUs of this machine.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace handgrad::cuda {

struct GpuInfo {
    std::string name;  // "NVIDIA H100 80GB HBM3"
    std::size_t memory_bytes = 0;
    int major = 0, minor = 0;  // compute capability
};

struct Gpus {
    std::vector<GpuInfo> found;
    std::string reason;  // in the driver's words, why `found` is empty
};

Gpus query();

}  // namespace handgrad::cuda
