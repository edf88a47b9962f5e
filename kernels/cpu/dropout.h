// Dropout by a counter-based generator: the numbers of an element depend on its place alone, so
// that any thread can draw them, on any device, and again in backward.
#pragma once

#include "kernels/cpu/elementwise.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Counters that are turned into numbers together, as many as make whole vectors, and the numbers
/// that they give.
inline constexpr Index philox_counters = 16;
inline constexpr Index philox_block = 4 * philox_counters;

/// bits[i] = number first + i of call c, for a whole block; `first` is a multiple of 4.
/// Philox4x32-10: ten rounds of two multiplications of 32 by 32 bits, whose low halves move on and
/// whose high halves are mixed with the other words and a key that changes from round to round.
inline void philox(std::uint32_t* bits, std::uint64_t seed, std::uint64_t c, Index first) {
    std::uint32_t w0[philox_counters], w1[philox_counters], w2[philox_counters],
        w3[philox_counters];
    for (Index j = 0; j < philox_counters; ++j) {
        const std::uint64_t group = static_cast<std::uint64_t>(first / 4 + j);
        w0[j] = static_cast<std::uint32_t>(c);
        w1[j] = static_cast<std::uint32_t>(c >> 32);
        w2[j] = static_cast<std::uint32_t>(group);
        w3[j] = static_cast<std::uint32_t>(group >> 32);
    }
    auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9U, key1 += 0xBB67AE85U)
        for (Index j = 0; j < philox_counters; ++j) {
            const std::uint64_t a = std::uint64_t{0xD2511F53U} * w0[j];
            const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * w2[j];
            w0[j] = static_cast<std::uint32_t>(b >> 32) ^ w1[j] ^ key0;
            w1[j] = static_cast<std::uint32_t>(b);
            w2[j] = static_cast<std::uint32_t>(a >> 32) ^ w3[j] ^ key1;
            w3[j] = static_cast<std::uint32_t>(a);
        }
    for (Index j = 0; j < philox_counters; ++j) {
        bits[4 * j] = w0[j];
        bits[4 * j + 1] = w1[j];
        bits[4 * j + 2] = w2[j];
        bits[4 * j + 3] = w3[j];
    }
}

template <class T>
void dropout(T* y, const T* x, const Index* call, const DropoutDraw& draw, T scale, Index n) {
    const auto number = static_cast<std::uint64_t>(*call);
    Cost cost = streaming<T>(n, 2);
    cost.flops = 10 * n;  // what ten rounds come to for each of a counter's four numbers
    parallel_ranges(
        n, cost,
        [=](Index begin, Index end) {
            std::uint32_t bits[philox_block];
            for (Index first = begin; first < end; first += philox_block) {
                philox(bits, draw.seed, number, first);
                const Index count = smaller(philox_block, end - first);
                for (Index i = 0; i < count; ++i)
                    y[first + i] = x[first + i] * (bits[i] <= draw.last_kept ? scale : T{0});
            }
        },
        philox_block);
}

inline void count(Index* number) {
    ++*number;
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
