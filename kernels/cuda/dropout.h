// Dropout by a counter-based generator, the twin of kernels/cpu/dropout.h.
#pragma once

#include "kernels/cuda/launch.h"

namespace handgrad::HANDGRAD_GPU {

/// The four numbers that Philox4x32-10 makes of a counter.
struct Philox {
    std::uint32_t words[4];

    __device__ Philox(std::uint64_t seed, std::uint64_t low, std::uint64_t high)
        : words{static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(low >> 32),
                static_cast<std::uint32_t>(high), static_cast<std::uint32_t>(high >> 32)} {
        auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
        for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9U, key1 += 0xBB67AE85U) {
            const std::uint64_t a = std::uint64_t{0xD2511F53U} * words[0];
            const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * words[2];
            words[0] = static_cast<std::uint32_t>(b >> 32) ^ words[1] ^ key0;
            words[1] = static_cast<std::uint32_t>(b);
            words[2] = static_cast<std::uint32_t>(a >> 32) ^ words[3] ^ key1;
            words[3] = static_cast<std::uint32_t>(a);
        }
    }
};

/// A thread has the four elements of one counter.
template <class T>
void dropout(T* y, const T* x, const Index* call, const DropoutDraw& numbers, T scale, Index n) {
    const DropoutDraw draw = numbers;
    each((n + 3) / 4, [=] __device__(Index group) {
        const Philox drawn(draw.seed, static_cast<std::uint64_t>(*call),
                           static_cast<std::uint64_t>(group));
        for (int k = 0; k < 4; ++k) {
            const Index i = 4 * group + k;
            if (i < n) y[i] = x[i] * (drawn.words[k] <= draw.last_kept ? scale : T(0));
        }
    });
}

inline void count(Index* number) {
    each(1, [=] __device__(Index) { ++*number; });
}

}  // namespace handgrad::HANDGRAD_GPU
