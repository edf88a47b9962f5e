// The GPUs that tests run on: the emulated one, and a real one where there is one.
#pragma once

#include <vector>

#include "core/device.h"
#include "core/error.h"

namespace handgrad {

inline std::vector<Device> gpus() {
    std::vector<Device> found = {Device::emulated};
    try {
        found.push_back(parse_device("cuda"));
    } catch (const DeviceError&) {
        // No GPU, or built without CUDA.
    }
    return found;
}

}  // namespace handgrad
