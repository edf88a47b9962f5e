// Dropout by a counter-based generator: the numbers of an element depend on its place alone, so
// that any thread can draw them, on any device, and again in backward.
#pragma once

#include "kernels/cpu/elementwise.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// A word for each of several counters, in the low half of a lane; what stands above does not
/// count.
using PhiloxWords = Vector<std::uint64_t>;

/// The products of the low halves, in whole lanes.
[[gnu::always_inline]] inline PhiloxWords multiply_low_halves(PhiloxWords a, PhiloxWords b) {
#if defined(__AVX512F__)
    // Of all lanes: without a mask GCC 12 warns of its own header.
    return reinterpret_cast<PhiloxWords>(
        _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
    return reinterpret_cast<PhiloxWords>(
        _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#else
    return (a & 0xffffffffU) * (b & 0xffffffffU);
#endif
}

/// Stores x0 y0 x1 y1 .., the low half of each before the high one.
template <int... lane>
[[gnu::always_inline]] inline void store_interleaved(std::uint32_t* to, PhiloxWords x,
                                                     PhiloxWords y,
                                                     std::integer_sequence<int, lane...>) {
    constexpr int L = lanes<std::uint64_t>;
    const PhiloxWords parts[2] = {
        __builtin_shufflevector(x, y, (lane / 2 + lane % 2 * L)...),
        __builtin_shufflevector(x, y, (L / 2 + lane / 2 + lane % 2 * L)...)};
    __builtin_memcpy(to, parts, sizeof(parts));
}

/// Counters that are turned into numbers together: four vectors of them, so that one can be
/// multiplied while the others wait for their products.
inline constexpr Index philox_vectors = 4;
inline constexpr Index philox_counters = philox_vectors * lanes<std::uint64_t>;
inline constexpr Index philox_block = 4 * philox_counters;

/// bits[i] = number first + i of call c, for a whole block; `first` is a multiple of 4.
/// Philox4x32-10: ten rounds of two multiplications of 32 by 32 bits, whose low halves move on and
/// whose high halves are mixed with the other words and a key that changes from round to round.
inline void philox(std::uint32_t* bits, std::uint64_t seed, std::uint64_t c, Index first) {
    PhiloxWords w[4][philox_vectors];
    HANDGRAD_UNROLL
    for (Index v = 0; v < philox_vectors; ++v) {
        PhiloxWords group{};
        HANDGRAD_UNROLL
        for (Index j = 0; j < lanes<std::uint64_t>; ++j)
            group[j] = static_cast<std::uint64_t>(first / 4 + v * lanes<std::uint64_t> + j);
        w[0][v] = PhiloxWords{} + c;
        w[1][v] = PhiloxWords{} + (c >> 32);
        w[2][v] = group;
        w[3][v] = group >> 32;
    }
    const PhiloxWords m0 = PhiloxWords{} + 0xD2511F53U, m1 = PhiloxWords{} + 0xCD9E8D57U;
    PhiloxWords key0 = PhiloxWords{} + seed, key1 = PhiloxWords{} + (seed >> 32);
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9U, key1 += 0xBB67AE85U) {
        HANDGRAD_UNROLL
        for (Index v = 0; v < philox_vectors; ++v) {
            const PhiloxWords a = multiply_low_halves(m0, w[0][v]);
            const PhiloxWords b = multiply_low_halves(m1, w[2][v]);
            w[0][v] = (b >> 32) ^ w[1][v] ^ key0;
            w[1][v] = b;
            w[2][v] = (a >> 32) ^ w[3][v] ^ key1;
            w[3][v] = a;
        }
    }
    // A counter's four words lie beside each other: two in a lane, and two in the next.
    HANDGRAD_UNROLL
    for (Index v = 0; v < philox_vectors; ++v) {
        PhiloxWords words[2];
        HANDGRAD_UNROLL
        for (Index half = 0; half < 2; ++half)
            words[half] = (w[2 * half][v] & 0xffffffffU) | (w[2 * half + 1][v] << 32);
        store_interleaved(bits + 4 * v * lanes<std::uint64_t>, words[0], words[1],
                          std::make_integer_sequence<int, lanes<std::uint64_t>>{});
    }
}

/// `scale` in the lanes whose word is at most last_kept, zero in the others. In vectors by hand: as
/// a loop over elements the choice was a branch, which nothing can predict.
template <class T>
[[gnu::always_inline]] inline Vector<T> kept(const std::uint32_t* bits, std::uint32_t last_kept,
                                             T scale) {
    typedef std::uint32_t Words __attribute__((vector_size(lanes<T> * sizeof(std::uint32_t))));
    Words words;
    __builtin_memcpy(&words, bits, sizeof(words));
    using Mask = decltype(Vector<T>{} > Vector<T>{});
    const Mask is_kept = __builtin_convertvector(words <= last_kept, Mask);
    return is_kept ? Vector<T>{} + scale : Vector<T>{};
}

template <class T>
void dropout(T* y, const T* x, const Index* call, const DropoutDraw& draw, T scale, Index n) {
    const auto number = static_cast<std::uint64_t>(*call);
    Cost cost = streaming<T>(n, 2);
    cost.flops = 2 * function_flops * n;  // about two exps
    parallel_ranges(
        n, cost,
        [=](Index begin, Index end) {
            std::uint32_t bits[philox_block];
            for (Index first = begin; first < end; first += philox_block) {
                philox(bits, draw.seed, number, first);
                const Index count = smaller(philox_block, end - first);
                for (Index i = 0; i < count; i += lanes<T>) {
                    prefetch_ahead(x + first + i);
                    prefetch_ahead(y + first + i);
                    store_first(y + first + i, count - i,
                                load_padded(x + first + i, count - i, T{0}) *
                                    kept<T>(bits + i, draw.last_kept, scale));
                }
            }
        },
        philox_block);
}

inline void count(Index* number) {
    ++*number;
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
