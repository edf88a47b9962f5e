// Sums in double of numbers that may be float.
#pragma once

#include "kernels/cpu/vectors.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// A vector of T, each lane as a double.
template <class T>
struct Wide {
    static constexpr int parts = int{sizeof(double)} / int{sizeof(T)};
    Vector<double> part[parts];

    [[gnu::always_inline]] friend Wide operator+(Wide a, Wide b) {
        for (int i = 0; i < parts; ++i) a.part[i] += b.part[i];
        return a;
    }
    [[gnu::always_inline]] friend Wide operator-(Wide a, Wide b) {
        for (int i = 0; i < parts; ++i) a.part[i] -= b.part[i];
        return a;
    }
    [[gnu::always_inline]] friend Wide operator*(Wide a, Wide b) {
        for (int i = 0; i < parts; ++i) a.part[i] *= b.part[i];
        return a;
    }
    [[gnu::always_inline]] friend Wide operator*(Wide a, double b) {
        for (int i = 0; i < parts; ++i) a.part[i] *= b;
        return a;
    }
    [[gnu::always_inline]] friend Wide operator-(Wide a, double b) {
        for (int i = 0; i < parts; ++i) a.part[i] -= b;
        return a;
    }
};

typedef float FloatsOfDoubles __attribute__((vector_size(vector_bytes / 2)));

/// GCC 12 makes four conversions of one, where it is not told which.
[[gnu::always_inline]] inline Vector<double> widen_half(FloatsOfDoubles x) {
#if defined(__AVX512F__)
    return reinterpret_cast<Vector<double>>(
        _mm512_maskz_cvtps_pd(0xff, reinterpret_cast<__m256>(x)));
#elif defined(__AVX2__)
    return reinterpret_cast<Vector<double>>(_mm256_cvtps_pd(reinterpret_cast<__m128>(x)));
#else
    return __builtin_convertvector(x, Vector<double>);
#endif
}

template <int... lane>
[[gnu::always_inline]] inline Wide<float> widen(Vector<float> x,
                                                std::integer_sequence<int, lane...>) {
    return {widen_half(__builtin_shufflevector(x, x, lane...)),
            widen_half(__builtin_shufflevector(x, x, (lanes<double> + lane)...))};
}
[[gnu::always_inline]] inline Wide<float> widen(Vector<float> x) {
    return widen(x, LaneNumbers<double>{});
}
[[gnu::always_inline]] inline Wide<double> widen(Vector<double> x) {
    return {x};
}

/// The first n elements at x, or all lanes where n is more, as doubles; the others are zero. Halves
/// that are loaded one by one take no exchange.
[[gnu::always_inline]] inline Wide<float> load_wide(const float* x, Index n) {
    if (n < lanes<float>) return widen(load_padded(x, n, 0.0F));
    FloatsOfDoubles half[2];
    __builtin_memcpy(half, x, sizeof(half));
    return {widen_half(half[0]), widen_half(half[1])};
}
[[gnu::always_inline]] inline Wide<double> load_wide(const double* x, Index n) {
    return widen(load_padded(x, n, 0.0));
}

template <int... lane>
[[gnu::always_inline]] inline Vector<float> join(FloatsOfDoubles a, FloatsOfDoubles b,
                                                 std::integer_sequence<int, lane...>) {
    return __builtin_shufflevector(a, b, lane...);
}
[[gnu::always_inline]] inline Vector<float> narrow(Wide<float> x) {
    return join(__builtin_convertvector(x.part[0], FloatsOfDoubles),
                __builtin_convertvector(x.part[1], FloatsOfDoubles), LaneNumbers<float>{});
}
[[gnu::always_inline]] inline Vector<double> narrow(Wide<double> x) {
    return x.part[0];
}

template <class T>
[[gnu::always_inline]] inline double sum_of_wide(Wide<T> x) {
    Vector<double> sum = x.part[0];
    for (int i = 1; i < Wide<T>::parts; ++i) sum += x.part[i];
    return sum_of_lanes<double>(sum);
}

/// What a vector of elements adds to each of several sums.
template <class T, int count>
struct Terms {
    Wide<T> term[count];
};

/// Several sums in double, each in a fixed order: by lanes, and then over the lanes.
template <class T, int count>
class Sums {
  public:
    /// Adds f(i, n - i) for every lanes<T>-th i < n: the terms of at most n - i elements, and
    /// zeros.
    template <class F>
    [[gnu::always_inline]] void add(Index n, F f) {
        // Sums of their own, so that errors do not grow with all that was added before; two, so
        // that neither waits for itself.
        Terms<T, count> even = {}, odd = {};
        Index i = 0;
        for (; i + 2 * lanes<T> <= n; i += 2 * lanes<T>) {
            add(even, f(i, Index{lanes<T>}));
            add(odd, f(i + lanes<T>, Index{lanes<T>}));
        }
        for (; i < n; i += lanes<T>) add(even, f(i, n - i));
        add(even, odd);
        add(sums_, even);
    }
    [[nodiscard]] double operator[](int s) const { return sum_of_wide(sums_.term[s]); }

  private:
    [[gnu::always_inline]] static void add(Terms<T, count>& sums, const Terms<T, count>& t) {
        for (int s = 0; s < count; ++s) sums.term[s] = sums.term[s] + t.term[s];
    }

    Terms<T, count> sums_ = {};
};

}  // namespace handgrad::cpu::HANDGRAD_ISA
