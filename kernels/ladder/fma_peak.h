// The roof over every product: how many multiply-adds this machine makes when nothing else has to
// be done.
#pragma once

#include <chrono>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/parallel.h"

namespace handgrad::ladder {

// Ten independent chains fill the pipeline: latency times throughput is eight on most processors.
// They start from different numbers, none the fixed point 4/3 of what they repeat, since a compiler
// makes one chain of ten equal ones and none of one that stays; and they go to
// *out, since it drops what nobody reads. A macro, since each copy needs its own instruction set.
// Returns the operations done.
#define HANDGRAD_FMA_CHAINS(name, isa, bytes)                                          \
    template <class T>                                                                 \
    isa double name(T* out) {                                                          \
        typedef T V __attribute__((vector_size(bytes)));                               \
        constexpr int rounds = 100000, lanes = bytes / int{sizeof(T)};                 \
        const V f = V{} + T(0.25), g = V{} + T(1);                                     \
        V a = g, b = a + g, c = b + g, d = c + g, e = d + g, v = e + g, w = v + g;     \
        V x = w + g, y = x + g, z = y + g;                                             \
        for (int r = 0; r < rounds; ++r) {                                             \
            a = a * f + g, b = b * f + g, c = c * f + g, d = d * f + g, e = e * f + g; \
            v = v * f + g, w = w * f + g, x = x * f + g, y = y * f + g, z = z * f + g; \
        }                                                                              \
        *out = (a + b + c + d + e + v + w + x + y + z)[0];                             \
        return 10.0 * 2.0 * rounds * lanes;                                            \
    }
HANDGRAD_FMA_CHAINS(fma_chains_portable, , 16)
#if defined(__x86_64__)
HANDGRAD_FMA_CHAINS(fma_chains_avx2, __attribute__((target("avx2,fma"))), 32)
HANDGRAD_FMA_CHAINS(fma_chains_avx512, __attribute__((target("avx512f"))), 64)
#endif
#undef HANDGRAD_FMA_CHAINS

template <class T>
double fma_chains(cpu::Isa isa, T* out) {
#if defined(__x86_64__)
    if (isa == cpu::Isa::avx512) return fma_chains_avx512(out);
    if (isa == cpu::Isa::avx2) return fma_chains_avx2(out);
#endif
    (void)isa;
    return fma_chains_portable(out);
}

/// GFLOP/s of multiply-adds from registers to registers, by so many threads at once, in less than a
/// millisecond. Not the machine's best but its present state: clocks and neighbours change.
template <class T>
double fma_peak(cpu::Isa isa, int threads) {
    constexpr int unmeasured = 1, measured = 3;
    double operations = 0;
    std::chrono::duration<double> seconds{};
    volatile T sink = 0;
    cpu::parallel(threads, [&](int thread, int team) {
        T out = 0;
        auto start = std::chrono::steady_clock::now();
        double done = 0;
        for (int i = 0; i < unmeasured + measured; ++i) {
            if (i == unmeasured) {
                start = std::chrono::steady_clock::now();
                done = 0;
            }
            done += fma_chains<T>(isa, &out);
        }
        if (thread == 0) {
            operations = done * team;
            seconds = std::chrono::steady_clock::now() - start;
            sink = out;
        }
    });
    return operations / seconds.count() / 1e9;
}

}  // namespace handgrad::ladder
