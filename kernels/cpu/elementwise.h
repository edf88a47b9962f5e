// Kernels that treat every element alone. All are bound by memory: the loops are written for the
// compiler to vectorise, which -O3 does for each of them.
#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/parallel.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// The cost of n elements of each of `arrays` arrays of T; one that is read and written counts
/// once.
template <class T>
Cost streaming(Index n, int arrays) {
    return {.flops = 0, .bytes = n * arrays * Index{sizeof(T)}};
}

/// body(i) for i < n, where each touches `arrays` arrays of T and calls `functions` of math.h.
template <class T, class Body>
void each(Index n, int arrays, int functions, Body body) {
    Cost cost = streaming<T>(n, arrays);
    cost.flops = n * functions * function_flops;
    parallel_ranges(n, cost, [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) body(i);
    });
}

template <class T>
void fill(T* x, T value, Index n) {
    parallel_ranges(n, streaming<T>(n, 1), [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) x[i] = value;
    });
}

template <class T>
void multiply(T* y, const T* x, const T* scale, Index n) {
    parallel_ranges(n, streaming<T>(n, 3), [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) y[i] = x[i] * scale[i];
    });
}

template <class T>
void sum(T* out, const T* x, T scale, Index n) {
    // One thread and four vectors of partial sums: the order never depends on the thread count,
    // and the error grows with n / (4 lanes) instead of n.
    constexpr int unroll = 4;
    constexpr Index step = unroll * lanes<T>;
    Vector<T> partial[unroll] = {};
    Index i = 0;
    for (; i + step <= n; i += step)
        for (int u = 0; u < unroll; ++u) partial[u] += load(x + i + u * lanes<T>);
    const Vector<T> lanes_sum = (partial[0] + partial[1]) + (partial[2] + partial[3]);
    T total = 0;
    for (int lane = 0; lane < lanes<T>; ++lane) total += lanes_sum[lane];
    for (; i < n; ++i) total += x[i];
    out[0] = scale * total;
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
