// Kernels that treat every element alone. All are bound by memory. Loops without functions of
// math.h are written for the compiler to vectorise, which -O3 does for each of them.
#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vectors.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// The cost of n elements of each of `arrays` arrays of T; one that is read and written counts
/// once.
template <class T>
Cost streaming(Index n, int arrays) {
    return {.flops = 0, .bytes = n * arrays * Index{sizeof(T)}};
}

/// What one function of math.h costs, in the floating-point operations of Cost.
inline constexpr Index function_flops = 30;

/// body(i) for i < n, where each touches `arrays` arrays of T.
template <class T, class Body>
void each(Index n, int arrays, Body body) {
    parallel_ranges(n, streaming<T>(n, arrays), [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) body(i);
    });
}

/// y[i] = f(x[i] ..) for i < n, a multiple of lanes<T>.
template <class T, class F, class... Inputs>
[[gnu::flatten, gnu::noinline]] void map_whole_vectors(Index n, F f, T* y, const Inputs*... x) {
    for (Index i = 0; i < n; i += lanes<T>) store(y + i, f(load(x + i)...));
}

/// y[i] = f(x[i] ..) for i < n, where f takes vectors, gives one, and calls `functions` of math.h.
/// May be in place.
template <class T, class F, class... Inputs>
void map_vectors(Index n, int functions, F f, T* y, const Inputs*... x) {
    Cost cost = streaming<T>(n, 1 + int{sizeof...(x)});
    cost.flops = n * functions * function_flops;
    parallel_ranges(n, cost, [=](Index begin, Index end) {
        const Index whole = end - (end - begin) % lanes<T>;
        map_whole_vectors(whole - begin, f, y + begin, (x + begin)...);
        if (whole == end) return;
        // What is left goes through a vector that is filled up with zeros.
        struct Filled {
            T values[lanes<T>];
            explicit Filled(Vector<T> v) { HANDGRAD_ISA::store(values, v); }
        };
        const FirstLanes<T> rest(end - whole);
        const auto map_rest = [&](const auto&... filled) {
            T result[lanes<T>];
            map_whole_vectors(lanes<T>, f, result, filled.values...);
            rest.store(y + whole, load(result));
        };
        map_rest(Filled(rest.load(x + whole))...);
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

/// sum_i f(x[i]) for i < n, where f takes and gives vectors and f(0) = 0.
template <class T, class F>
T sum_of(const T* x, Index n, F f) {
    // One thread and four vectors of partial sums: the order never depends on the thread count,
    // and the error grows with n / (4 lanes) instead of n.
    constexpr int unroll = 4;
    constexpr Index step = unroll * lanes<T>;
    Vector<T> partial[unroll] = {};
    Index i = 0;
    for (; i + step <= n; i += step)
        for (int u = 0; u < unroll; ++u) partial[u] += f(load(x + i + u * lanes<T>));
    for (; i < n; i += lanes<T>) partial[0] += f(load_padded(x + i, n - i, T{0}));
    return sum_of_lanes<T>((partial[0] + partial[1]) + (partial[2] + partial[3]));
}

template <class T>
void sum(T* out, const T* x, T scale, Index n) {
    out[0] = scale * sum_of(x, n, [](Vector<T> v) { return v; });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
