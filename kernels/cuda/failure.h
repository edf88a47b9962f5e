// What is thrown when a call of the CUDA runtime fails.
#pragma once

#include <stdexcept>
#include <string>

namespace handgrad::cuda {

/// what(): "cudaMalloc of 400 bytes: out of memory".
class Failure : public std::runtime_error {
  public:
    Failure(const std::string& call, const std::string& reason)
        : std::runtime_error("CUDA: " + call + ": " + reason) {}
};

}  // namespace handgrad::cuda
