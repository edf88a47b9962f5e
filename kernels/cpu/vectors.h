// Vector registers as rows of a small matrix: parts of a vector, transposes, sums across lanes.
#pragma once

#include <utility>

#include "kernels/cpu/isa.h"

/// Before a loop with constant bounds over an array of vectors: unrolled completely, its elements
/// become registers. HANDGRAD_UNROLL_BY_4 is for loops whose own instructions would take time.
#if defined(__clang__)
    #define HANDGRAD_UNROLL _Pragma("clang loop unroll(full)")
    #define HANDGRAD_UNROLL_BY_4 _Pragma("clang loop unroll_count(4)")
#else
    #define HANDGRAD_UNROLL _Pragma("GCC unroll 64")
    #define HANDGRAD_UNROLL_BY_4 _Pragma("GCC unroll 4")
#endif

namespace handgrad::cpu::HANDGRAD_ISA {

// ---- the first lanes of a vector ----------------------------------------------------------------

/// Loads and stores the first n lanes of a vector, 0 <= n <= lanes<T>, and touches no memory beyond
/// them. The other lanes load as zero.
template <class T>
class FirstLanes;

#if defined(__AVX512F__)

template <>
class FirstLanes<float> {
  public:
    explicit FirstLanes(Index n) : mask_(static_cast<__mmask16>((1U << n) - 1)) {}
    [[gnu::always_inline]] Vector<float> load(const float* p) const {
        return reinterpret_cast<Vector<float>>(_mm512_maskz_loadu_ps(mask_, p));
    }
    [[gnu::always_inline]] void store(float* p, Vector<float> v) const {
        _mm512_mask_storeu_ps(p, mask_, reinterpret_cast<__m512>(v));
    }

  private:
    __mmask16 mask_;
};

template <>
class FirstLanes<double> {
  public:
    explicit FirstLanes(Index n) : mask_(static_cast<__mmask8>((1U << n) - 1)) {}
    [[gnu::always_inline]] Vector<double> load(const double* p) const {
        return reinterpret_cast<Vector<double>>(_mm512_maskz_loadu_pd(mask_, p));
    }
    [[gnu::always_inline]] void store(double* p, Vector<double> v) const {
        _mm512_mask_storeu_pd(p, mask_, reinterpret_cast<__m512d>(v));
    }

  private:
    __mmask8 mask_;
};

#elif defined(__AVX2__)

// Stored in halves, quarters and so on: AMD's processors take 12 cycles or more for a masked store.

template <>
class FirstLanes<float> {
  public:
    explicit FirstLanes(Index n)
        : n_(n),
          mask_(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                                   _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}
    [[gnu::always_inline]] Vector<float> load(const float* p) const {
        return reinterpret_cast<Vector<float>>(_mm256_maskload_ps(p, mask_));
    }
    [[gnu::always_inline]] void store(float* p, Vector<float> v) const {
        const __m256 all = reinterpret_cast<__m256>(v);
        if (n_ == 8) return _mm256_storeu_ps(p, all);
        __m128 rest = _mm256_castps256_ps128(all);
        if (n_ & 4) {
            _mm_storeu_ps(p, rest);
            rest = _mm256_extractf128_ps(all, 1);
        }
        if (n_ & 2) {
            _mm_storel_pi(reinterpret_cast<__m64*>(p + (n_ & 4)), rest);
            rest = _mm_movehl_ps(rest, rest);
        }
        if (n_ & 1) _mm_store_ss(p + (n_ & 6), rest);
    }

  private:
    Index n_;
    __m256i mask_;
};

template <>
class FirstLanes<double> {
  public:
    explicit FirstLanes(Index n)
        : n_(n), mask_(_mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3))) {}
    [[gnu::always_inline]] Vector<double> load(const double* p) const {
        return reinterpret_cast<Vector<double>>(_mm256_maskload_pd(p, mask_));
    }
    [[gnu::always_inline]] void store(double* p, Vector<double> v) const {
        const __m256d all = reinterpret_cast<__m256d>(v);
        if (n_ == 4) return _mm256_storeu_pd(p, all);
        __m128d rest = _mm256_castpd256_pd128(all);
        if (n_ & 2) {
            _mm_storeu_pd(p, rest);
            rest = _mm256_extractf128_pd(all, 1);
        }
        if (n_ & 1) _mm_store_sd(p + (n_ & 2), rest);
    }

  private:
    Index n_;
    __m256i mask_;
};

#else

template <class T>
class FirstLanes {
  public:
    explicit FirstLanes(Index n) : n_(n) {}
    [[gnu::always_inline]] Vector<T> load(const T* p) const {
        Vector<T> v = {};
        HANDGRAD_UNROLL
        for (int lane = 0; lane < lanes<T>; ++lane)
            if (lane < n_) v[lane] = p[lane];
        return v;
    }
    [[gnu::always_inline]] void store(T* p, Vector<T> v) const {
        HANDGRAD_UNROLL
        for (int lane = 0; lane < lanes<T>; ++lane)
            if (lane < n_) reinterpret_cast<Element*>(p)[lane] = v[lane];
    }

  private:
    typedef T Element __attribute__((may_alias));
    Index n_;
};

#endif

// ---- exchanges between two vectors --------------------------------------------------------------

template <class T>
using LaneNumbers = std::make_integer_sequence<int, lanes<T>>;

/// Every other unit of x, from the first or (odd) the second on, then the same of y. Processors
/// have an instruction for two kinds of them: single lanes, in each 16 bytes of x and y by
/// themselves, and units of 16 bytes. The second is for s * sizeof(T) of 16 bytes or more.
template <class T, int s, bool odd, int... lane>
[[gnu::always_inline]] inline Vector<T> every_other(Vector<T> x, Vector<T> y,
                                                    std::integer_sequence<int, lane...>) {
    constexpr int in_16_bytes = 16 / sizeof(T);
    constexpr int unit = s < in_16_bytes ? 1 : in_16_bytes;
    constexpr int group = s < in_16_bytes ? in_16_bytes : lanes<T>;
    constexpr auto from = [](int i) {
        const int at = i % group, in_half = at % (group / 2);
        const int other = in_half / unit * 2 * unit + in_half % unit + (odd ? unit : 0);
        return i - at + other + (at < group / 2 ? 0 : lanes<T>);
    };
    return __builtin_shufflevector(x, y, from(lane)...);
}

/// With the lanes of x and y cut into blocks of s, x = x0 x1 x2 x3 .., y = y0 y1 y2 y3 ..: x0 y0 x2
/// y2 .. or (odd) x1 y1 x3 y3 ..
template <class T, int s, bool odd, int... lane>
[[gnu::always_inline]] inline Vector<T> alternating(Vector<T> x, Vector<T> y,
                                                    std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(x, y,
                                   ((lane & s ? lanes<T> + lane - s : lane) + (odd ? s : 0))...);
}

/// Lanes 0, 2, 4 .. of x, then those of y.
template <class T, int... lane>
[[gnu::always_inline]] inline Vector<T> even_lanes(Vector<T> x, Vector<T> y,
                                                   std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(x, y, 2 * lane...);
}

/// Lanes 1, 3, 5 .. of x, then those of y.
template <class T, int... lane>
[[gnu::always_inline]] inline Vector<T> odd_lanes(Vector<T> x, Vector<T> y,
                                                  std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(x, y, (2 * lane + 1)...);
}

/// Lanes first, first + 1, .. of x, then those of y: as many as a vector has.
template <class T, int... lane>
[[gnu::always_inline]] inline Vector<T> lanes_from(int first, Vector<T> x, Vector<T> y,
                                                   std::integer_sequence<int, lane...>) {
#if defined(__clang__)
    const auto take = [&](int i) { return i < lanes<T> ? x[i] : y[i - lanes<T>]; };
    return Vector<T>{take(first + lane)...};
#else
    typedef decltype(x < y) Lanes;
    return __builtin_shuffle(x, y, Lanes{lane...} + first);
#endif
}

/// Transposes each square block of a (rows, lanes) matrix that is held as one vector a row:
/// afterwards lane g * rows + r of x[k] is what lane g * rows + k of x[r] was. `rows` is a power of
/// two, at most lanes<T>, and a row of a block has 16 bytes or more.
///
/// Number rows and lanes in binary. every_other() puts the lowest bit of the lane (or of the 16
/// bytes) in the row's number, and the row's bit above the other bits of the lane: once for each
/// bit, the two numbers have changed places. Where blocks are smaller than a vector but larger than
/// 16 bytes, bits must be exchanged singly.
template <class T, int rows, int s = 1>
[[gnu::always_inline]] inline void transpose_blocks(Vector<T> (&x)[rows]) {
    static_assert(rows * sizeof(T) >= 16);
    if constexpr (s < rows) {
        constexpr bool singly = rows < lanes<T> && s * sizeof(T) >= 16;
        HANDGRAD_UNROLL
        for (int i = 0; i < rows; ++i) {
            if (i & s) continue;
            const Vector<T> a = x[i], b = x[i + s];
            if constexpr (singly) {
                x[i] = alternating<T, s, false>(a, b, LaneNumbers<T>{});
                x[i + s] = alternating<T, s, true>(a, b, LaneNumbers<T>{});
            } else {
                x[i] = every_other<T, s, false>(a, b, LaneNumbers<T>{});
                x[i + s] = every_other<T, s, true>(a, b, LaneNumbers<T>{});
            }
        }
        transpose_blocks<T, rows, 2 * s>(x);
    }
}

/// Lane i of the result is the sum of all lanes of x[i]: a transpose that adds the two rows of each
/// exchange at once, so that half as many vectors are left after each. Overwrites x.
template <class T, int s = 1>
[[gnu::always_inline]] inline Vector<T> sums_of_lanes(Vector<T>* x) {
    if constexpr (s == lanes<T>) {
        return x[0];
    } else {
        HANDGRAD_UNROLL
        for (Index i = 0; i < lanes<T> / (2 * s); ++i)
            x[i] = every_other<T, s, false>(x[2 * i], x[2 * i + 1], LaneNumbers<T>{}) +
                   every_other<T, s, true>(x[2 * i], x[2 * i + 1], LaneNumbers<T>{});
        return sums_of_lanes<T, 2 * s>(x);
    }
}

/// Stores lanes [first, first + count) of v at p.
template <class T, int first, int... i>
[[gnu::always_inline]] inline void store_lanes(T* p, Vector<T> v,
                                               std::integer_sequence<int, i...>) {
#if defined(__AVX512F__)
    // One instruction, of which GCC 12 makes an exchange and a store.
    if constexpr (sizeof...(i) * sizeof(T) == 16) {
        const auto all = reinterpret_cast<__m512>(v);
        return _mm_storeu_ps(reinterpret_cast<float*>(p),
                             _mm512_maskz_extractf32x4_ps(0xf, all, first * sizeof(T) / 16));
    }
#endif
    typedef T Part
        __attribute__((vector_size(sizeof...(i) * sizeof(T)), aligned(alignof(T)), may_alias));
    *reinterpret_cast<Part*>(p) = __builtin_shufflevector(v, v, first + i...);
}

// ---- across the lanes of one vector -------------------------------------------------------------

/// Neighbouring blocks of s lanes exchanged: lane i is lane i ^ s of x.
template <class T, int s, int... lane>
[[gnu::always_inline]] inline Vector<T> exchange_blocks(Vector<T> x,
                                                        std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(x, x, (lane ^ s)...);
}

/// Each lane becomes op over all lanes, by halves; op must give the same for (a, b) and (b, a).
template <class T, class Op, int s = lanes<T> / 2>
[[gnu::always_inline]] inline Vector<T> over_lanes(Vector<T> x, Op op) {
    if constexpr (s == 0)
        return x;
    else
        return over_lanes<T, Op, s / 2>(op(x, exchange_blocks<T, s>(x, LaneNumbers<T>{})), op);
}

template <class T>
[[gnu::always_inline]] inline T sum_of_lanes(Vector<T> x) {
    return over_lanes<T>(x, [](Vector<T> a, Vector<T> b) { return a + b; })[0];
}

template <class T>
[[gnu::always_inline]] inline T highest_lane(Vector<T> x) {
    return over_lanes<T>(x, [](Vector<T> a, Vector<T> b) { return a > b ? a : b; })[0];
}

/// Does a comparison hold in every lane?
template <class Mask>
[[gnu::always_inline]] inline bool all_lanes(Mask mask) {
#if defined(__AVX2__)
    static_assert(sizeof(Mask) % 32 == 0);
    const auto* part = reinterpret_cast<const __m256i*>(&mask);
    __m256i all = part[0];
    if constexpr (sizeof(Mask) == 64) all = _mm256_and_si256(all, part[1]);
    return _mm256_movemask_epi8(all) == -1;
#else
    constexpr int count = sizeof(Mask) / sizeof(mask[0]);
    auto all = mask[0];
    HANDGRAD_UNROLL
    for (int i = 1; i < count; ++i) all &= mask[i];
    return all != 0;
#endif
}

/// The first n elements at x, or all lanes where n is more; the others are `rest`.
template <class T>
[[gnu::always_inline]] inline Vector<T> load_padded(const T* x, Index n, T rest) {
    if (n >= lanes<T>) return load(x);
    Vector<T> number;
    HANDGRAD_UNROLL
    for (int lane = 0; lane < lanes<T>; ++lane) number[lane] = static_cast<T>(lane);
    return number < static_cast<T>(n) ? FirstLanes<T>(n).load(x) : Vector<T>{} + rest;
}

/// Stores the first n lanes, or all where n is more.
template <class T>
[[gnu::always_inline]] inline void store_first(T* y, Index n, Vector<T> v) {
    if (n >= lanes<T>)
        store(y, v);
    else
        FirstLanes<T>(n).store(y, v);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
