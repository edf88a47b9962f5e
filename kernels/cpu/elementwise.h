// Kernels that treat every element alone. Those without a function of math.h are bound by memory.
#pragma once

#include "kernels/cpu/caches.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
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

// ---- results beyond the caches ------------------------------------------------------------------

/// Does a kernel go through more memory than the last-level cache holds? Then its results go past
/// the caches, which saves reading their lines before they are written: a third of what y = f(x)
/// moves. Not where y is one of the inputs, whose lines are in cache.
inline bool beyond_caches(Cost cost) {
    return cost.bytes > caches().l3;
}

/// The elements from p on to the next whole vector.
template <class T>
Index to_alignment(const T* p) {
    const auto beyond = static_cast<Index>(reinterpret_cast<std::uintptr_t>(p) % vector_bytes);
    return (vector_bytes - beyond) % vector_bytes / Index{sizeof(T)};
}

/// to[i] = from[i] for i < n, past the caches.
template <class T>
[[gnu::noinline]] void copy_past_caches(T* to, const T* from, Index n) {
    Index i = 0;
    for (const Index first = smaller(to_alignment(to), n); i < first; ++i) to[i] = from[i];
    for (; i + lanes<T> <= n; i += lanes<T>) store_past_caches(to + i, load(from + i));
    for (; i < n; ++i) to[i] = from[i];
}

/// Results wait here for copy_past_caches: in L1 where an item is no larger than usual.
inline constexpr Index usual_buffer = 4 << 10, largest_buffer = 128 << 10;

/// Makes results [begin, end) of `size` elements each, one behind the other in y, on this thread:
/// body(to, begin, end) makes those of [begin, end), at `to`, which is a buffer where they go past
/// the caches.
template <class T, class Body>
void make_results(Index begin, Index end, Index size, T* y, bool past_caches, Body body) {
    const Index bytes = size * Index{sizeof(T)};
    if (!past_caches || bytes > largest_buffer) return body(y + begin * size, begin, end);
    // As many items as are whole vectors, where there may be several.
    Index some = larger(1, usual_buffer / bytes);
    some -= some > lanes<T> ? some % lanes<T> : 0;
    T* const buffer = static_cast<T*>(
        scratch(Scratch::results, static_cast<std::size_t>(larger(usual_buffer, bytes))));
    for (Index i = begin; i < end; i += some) {
        const Index count = smaller(some, end - i);
        body(buffer, i, i + count);
        copy_past_caches(y + i * size, buffer, count * size);
    }
    end_of_stores_past_caches();
}

/// The same for all n results, on threads.
template <class T, class Body>
void each_result(Index n, Index size, T* y, bool in_place, Cost cost, Index grain, Body body) {
    const bool past_caches = !in_place && beyond_caches(cost);
    parallel_ranges(
        n, cost,
        [=](Index begin, Index end) { make_results(begin, end, size, y, past_caches, body); },
        grain);
}

// ---- each element alone -------------------------------------------------------------------------

/// y[i] = f(x[i] ..) for i < n, a multiple of lanes<T>; past the caches if y is aligned so.
template <class T, class F, class... Inputs>
[[gnu::flatten, gnu::noinline]] void map_whole_vectors(Index n, bool past_caches, F f, T* y,
                                                       const Inputs*... x) {
    for (Index i = 0; i < n; i += lanes<T>) {
        (prefetch_ahead(x + i), ...);
        const Vector<T> v = f(load(x + i)...);
        if (past_caches) {
            store_past_caches(y + i, v);
        } else {
            prefetch_ahead(y + i);
            store(y + i, v);
        }
    }
}

/// The same for n < lanes<T>, in vectors that are filled up with zeros.
template <class T, class F, class... Inputs>
void map_part_of_vector(Index n, F f, T* y, const Inputs*... x) {
    if (n == 0) return;
    struct Filled {
        T values[lanes<T>];
        explicit Filled(Vector<T> v) { HANDGRAD_ISA::store(values, v); }
    };
    const FirstLanes<T> part(n);
    const auto map = [&](const auto&... filled) {
        T result[lanes<T>];
        map_whole_vectors(lanes<T>, false, f, result, filled.values...);
        part.store(y, load(result));
    };
    map(Filled(part.load(x))...);
}

/// y[i] = f(x[i] ..) for i < n, where f takes vectors, gives one, and calls `functions` of math.h.
/// May be in place.
template <class T, class F, class... Inputs>
void map_vectors(Index n, int functions, F f, T* y, const Inputs*... x) {
    const bool in_place = ((y == x) || ...);
    Cost cost = streaming<T>(n, (in_place ? 0 : 1) + int{sizeof...(x)});
    cost.flops = n * functions * function_flops;
    const bool past_caches = !in_place && beyond_caches(cost);
    parallel_ranges(n, cost, [=](Index begin, Index end) {
        Index i = begin;
        if (past_caches) {
            i += smaller(to_alignment(y + begin), end - begin);
            map_part_of_vector(i - begin, f, y + begin, (x + begin)...);
        }
        const Index rest = (end - i) % lanes<T>, whole = end - i - rest;
        map_whole_vectors(whole, past_caches, f, y + i, (x + i)...);
        map_part_of_vector(rest, f, y + i + whole, (x + i + whole)...);
        if (past_caches) end_of_stores_past_caches();
    });
}

template <class T>
void fill(T* x, T value, Index n) {
    each_result(n, 1, x, false, streaming<T>(n, 1), 16, [=](T* to, Index begin, Index end) {
        for (Index i = 0; i < end - begin; ++i) to[i] = value;
    });
}

template <class T>
void multiply(T* y, const T* x, const T* scale, Index n) {
    map_vectors(
        n, 0, [](Vector<T> a, Vector<T> b) { return a * b; }, y, x, scale);
}

/// The parts that a sum of n elements is cut into, for threads to share: by n alone, so that its
/// order never depends on the threads.
inline constexpr int most_parts = 16;
inline int parts_of_sum(Index n) {
    constexpr Index least = Index{1} << 16;
    return static_cast<int>(larger(1, smaller(most_parts, n / least)));
}

/// body(part, range) for each part of [0, n), on threads.
template <class Body>
void each_part(Index n, int parts, Cost cost, Body body, Index grain = 64) {
    if (parts == 1) return body(0, Range{0, n});
    const auto some = [&](Index begin, Index end) {
        for (int part = static_cast<int>(begin); part < end; ++part)
            body(part, share_of(n, part, parts, grain));
    };
    parallel_ranges(parts, cost, some, 1);
}

/// sum_i f(x[i]) for i < n, where f takes and gives vectors and f(0) = 0.
template <class T, class F>
T sum_of_part(const T* x, Index n, F f) {
    // With four vectors of partial sums the error grows with n / (4 lanes) instead of n.
    constexpr int unroll = 4;
    constexpr Index step = unroll * lanes<T>;
    Vector<T> partial[unroll] = {};
    Index i = 0;
    for (; i + step <= n; i += step) {
        HANDGRAD_UNROLL
        for (int u = 0; u < unroll; ++u) {
            prefetch_ahead(x + i + u * lanes<T>);
            partial[u] += f(load(x + i + u * lanes<T>));
        }
    }
    for (; i < n; i += lanes<T>) partial[0] += f(load_padded(x + i, n - i, T{0}));
    return sum_of_lanes<T>((partial[0] + partial[1]) + (partial[2] + partial[3]));
}
template <class T, class F>
T sum_of(const T* x, Index n, F f) {
    T sums[most_parts];
    const int parts = parts_of_sum(n);
    each_part(n, parts, streaming<T>(n, 1), [=, &sums](int part, Range range) {
        sums[part] = sum_of_part(x + range.begin, range.end - range.begin, f);
    });
    for (int part = 1; part < parts; ++part) sums[0] += sums[part];
    return sums[0];
}

template <class T>
void sum(T* out, const T* x, T scale, Index n) {
    out[0] = scale * sum_of(x, n, [](Vector<T> v) { return v; });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
