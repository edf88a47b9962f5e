// What the tests of kernels share: numbers, comparisons, and every backend in turn.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/share_always.h"
#include "kernels/cuda/device_query.h"
#include "kernels/on_host_memory.h"

namespace handgrad {

/// Numbers in [-1, 1) that look random and are the same on every machine.
template <class T>
std::vector<T> numbers(Index n, std::uint32_t seed) {
    std::vector<T> values(static_cast<std::size_t>(n));
    for (T& v : values) {
        seed = seed * 1664525 + 1013904223;
        v = static_cast<T>(seed >> 8) / static_cast<T>(1 << 23) - T{1};
    }
    return values;
}

template <class T>
bool close(const std::vector<T>& got, const std::vector<T>& expected, double tolerance) {
    for (std::size_t i = 0; i < expected.size(); ++i)
        if (!(std::abs(double{got[i]} - double{expected[i]}) <= tolerance)) return false;
    return got.size() == expected.size();
}

/// The next larger precision, in which what is exact beside a T is computed; and T's bits.
template <class T>
struct Wider;
template <>
struct Wider<float> {
    using type = double;
    using Bits = std::uint32_t;
};
template <>
struct Wider<double> {
    using type = long double;
    using Bits = std::uint64_t;
};

/// u: numbers of T round by this part of themselves at most.
template <class T>
constexpr T unit_roundoff = std::numeric_limits<T>::epsilon() / 2;

/// The highest |got[i] - exact| / bound, where {exact, bound} = limits(i): above 1 where one is
/// broken, as by NaN.
template <class T, class Limits>
double part_of_bound(const std::vector<T>& got, Limits limits) {
    double highest = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const auto [exact, bound] = limits(i);
        if (got[i] == exact) continue;  // infinities too, which have no difference
        const auto part = static_cast<double>(std::abs(got[i] - exact) / bound);
        if (std::isnan(part)) return std::numeric_limits<double>::infinity();
        highest = std::max(highest, part);
    }
    return highest;
}

/// Calls body(backend) for the emulated GPU, then for a real one where there is one.
template <class T, class Body>
void on_every_gpu(Body&& body) {
    {
        INFO("emulated GPU");
        body(OnHostMemory<T>(emulated::gpu(), emulated::backend<T>()));
    }
#ifdef HANDGRAD_CUDA
    if (!cuda::query().found.empty()) {
        INFO("GPU");
        body(OnHostMemory<T>(cuda::gpu(), cuda::backend<T>()));
    }
#endif
}

/// Calls body(backend) for each instruction set of the CPU, on one thread and on two however small
/// the work, then for every GPU.
template <class T, class Body>
void on_every_backend(Body&& body) {
    for (const cpu::Isa isa : {cpu::Isa::portable, cpu::Isa::avx2, cpu::Isa::avx512}) {
        if (!cpu::supported(isa)) continue;
        for (const int threads : {1, 2}) {
            const cpu::ShareAlways set(threads);
            INFO(cpu::name_of(isa) << ", " << threads << " threads");
            body(cpu::backend<T>(isa));
        }
    }
    on_every_gpu<T>(body);
}

/// Around the vector widths, and two that are worth threads or nearly.
inline const std::vector<Index> sizes = {0,  1,  2,  3,  7,  8,   15,   16,    17,
                                         31, 33, 63, 64, 65, 127, 1009, 100003};

}  // namespace handgrad
