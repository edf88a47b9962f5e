// One source for every instruction set.
//
// The kernels of this folder are compiled once for each instruction set, with HANDGRAD_ISA naming
// it and the compiler flags allowing it, and isa_choice.cpp picks one when the program starts.
// Two rules keep the copies apart:
//   - Everything stands in namespace HANDGRAD_ISA.
//   - No inline function or template of anybody else (std::min, say) is called unless its type
//     arguments belong to this namespace. The linker keeps one copy of such a function for the
//     whole program; were it the AVX-512 one, an older processor would stop at it.
//     The test isa_symbols holds this.
#pragma once

#include "kernels/backend.h"

#if defined(__SSE2__)
    #include <immintrin.h>
#endif

#ifndef HANDGRAD_ISA
    #error "compile this file through the handgrad_isa() function of CMakeLists.txt"
#endif

namespace handgrad::cpu::HANDGRAD_ISA {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;  // SSE2 on x86-64, NEON on Arm
#endif

/// A vector register of T, by GCC's and Clang's vector extensions.
template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(vector_bytes)));
    /// The same in memory that is aligned for T alone.
    typedef T unaligned __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;

/// Elements of T in a vector register.
template <class T>
inline constexpr int lanes = vector_bytes / int{sizeof(T)};

template <class T>
[[gnu::always_inline]] inline Vector<T> load(const T* p) {
    return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(p);
}

template <class T>
[[gnu::always_inline]] inline void store(T* p, Vector<T> v) {
    *reinterpret_cast<typename VectorOf<T>::unaligned*>(p) = v;
}

/// Keeps v in a register. GCC loads it anew for each use where those are few, and a vector that
/// crosses a cache line takes two cycles each time.
template <class T>
[[gnu::always_inline]] inline void keep([[maybe_unused]] Vector<T>& v) {
#if defined(__x86_64__)
    asm("" : "+v"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#endif
}

/// Hides from the compiler how p was computed, so that it is not computed anew for each use.
template <class T>
[[gnu::always_inline]] inline void keep(const T*& p) {
    asm("" : "+r"(p));
}

/// Stores v at p, aligned as a vector is, past the caches where the processor can. Other threads
/// see it after end_of_stores_past_caches().
template <class T>
[[gnu::always_inline]] inline void store_past_caches(T* p, Vector<T> v) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), reinterpret_cast<__m512i>(v));
#elif defined(__AVX2__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(v));
#elif defined(__SSE2__)
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), reinterpret_cast<__m128i>(v));
#else
    store(p, v);
#endif
}
[[gnu::always_inline]] inline void end_of_stores_past_caches() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

/// Asks for the cache line at p, such as one of the next row while this one is in work. p may be
/// beyond an array's end.
[[gnu::always_inline]] inline void prefetch(const void* p) {
    __builtin_prefetch(p);
}

inline constexpr Index half_a_page = 2048;  // bytes

/// The same for what comes half a page behind p, once for each vector of an array: the processor
/// itself looks ahead as far as the page's end, and waits at each of the next.
[[gnu::always_inline]] inline void prefetch_ahead(const void* p) {
    constexpr Index line = 64;
    if constexpr (vector_bytes == line) prefetch(static_cast<const char*>(p) + half_a_page);
}

[[gnu::always_inline]] inline Index smaller(Index a, Index b) {
    return a < b ? a : b;
}
[[gnu::always_inline]] inline Index larger(Index a, Index b) {
    return a > b ? a : b;
}

/// How many elements ahead to ask for the next of rows that follow each other, `row` elements
/// apart: half a page where that is more.
template <class T>
[[gnu::always_inline]] inline Index ahead_of(Index row) {
    return larger(row, half_a_page / Index{sizeof(T)});
}

/// Elements of a row that a thread should have at least where threads share out the columns of what
/// they write: a core fetches what comes after its own, too, and so takes it from another.
template <class T>
inline constexpr Index wide_share = 16384 / Index{sizeof(T)};

}  // namespace handgrad::cpu::HANDGRAD_ISA
