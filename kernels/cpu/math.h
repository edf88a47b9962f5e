// The functions of mathematics that kernels call, on vectors of float and double.
//
// Each reduces its argument to a short interval and evaluates a polynomial there. The polynomials
// have the least maximal error for their degree; tools/minimax.py finds them and prints the error
// that is left. Nearly all of a function's error is rounding, then: as compared with the exact
// result, in units of its last place (ulp), at most
//   exp 1, log 1, log1p 1.5, erf 1.51, expm1 1.5, tanh 1.5, softplus 2.1, sigmoid 2.5, x Phi(x) 5.8
//
// tests/kernels/math_test.cpp holds them on samples of float and double, and on every float where
// it is asked to. NaN stays NaN; infinities, zeros with their signs and denormals are right,
// results that overflow or underflow included. No lane depends on its neighbours, so that an
// element gives the same bits wherever in an array it stands.
#pragma once

#include "kernels/cpu/vectors.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Does a b + c round once? The compiler makes one instruction of it then.
#if defined(__FMA__) || defined(__aarch64__)
inline constexpr bool fused = true;
#else
inline constexpr bool fused = false;
#endif

// ---- numbers ------------------------------------------------------------------------------------

/// How T stores 2^e (1 + m / 2^mantissa_bits): sign, e + bias, m. And the polynomials, constants
/// first, as tools/minimax.py prints them.
template <class T>
struct Real;

template <>
struct Real<float> {
    using Bits = std::uint32_t;
    static constexpr Bits mantissa_bits = 23, bias = 127, sign = 0x80000000, low_half = 0xfff;
    static constexpr float least_normal = 0x1p-126F;

    // log 2 = high + low, where high has so few digits that n * high is exact for each exponent n.
    static constexpr float log2_high = 0.693359375F, log2_low = -2.12194440e-4F;
    static constexpr float exp_lowest = -104, exp_highest = 89;  // exp is 0 and infinity there
    static constexpr float expm1_lowest = -18;                   // expm1 is -1 there
    static constexpr float tanh_highest = 10, erf_highest = 4;   // they are 1 there
    static constexpr float tail_highest = 14.5F;                 // phi is 0 there

    static constexpr float exp_terms[] = {4.9999997e-1F, 1.66665435e-1F, 4.16672006e-2F,
                                          8.36651493e-3F, 1.38824945e-3F};
    static constexpr float log_terms[] = {6.66666627e-1F, 4.00008619e-1F, 2.85071313e-1F,
                                          2.40984902e-1F};
    static constexpr float softplus_terms[] = {6.66666746e-1F, 3.9998877e-1F, 2.86168844e-1F,
                                               2.14276582e-1F, 2.43009433e-1F};
    static constexpr float tanh_terms[] = {-3.33332837e-1F, 1.33314908e-1F, -5.37435003e-2F,
                                           2.06505917e-2F, -5.71704796e-3F};
    static constexpr float erf_terms[] = {1.28379166e-1F,  -3.7612626e-1F, 1.12836003e-1F,
                                          -2.68544443e-2F, 5.18953474e-3F, -8.02083407e-4F,
                                          7.88909529e-5F};
    static constexpr float tail_terms[] = {
        7.69193053e-1F,  -6.65382504e-1F, 4.95306402e-1F,  -3.13533962e-1F, 1.65006727e-1F,
        -6.91159368e-2F, 2.08765808e-2F,  -2.96138786e-3F, -9.7151997e-4F,  4.05014318e-4F};
};

template <>
struct Real<double> {
    using Bits = std::uint64_t;
    static constexpr Bits mantissa_bits = 52, bias = 1023, sign = 0x8000000000000000,
                          low_half = 0x7ffffff;
    static constexpr double least_normal = 0x1p-1022;

    static constexpr double log2_high = 6.93145751953125e-1, log2_low = 1.42860682030941723e-6;
    static constexpr double exp_lowest = -746, exp_highest = 710;
    static constexpr double expm1_lowest = -39;
    static constexpr double tanh_highest = 20, erf_highest = 6;
    static constexpr double tail_highest = 39;

    static constexpr double exp_terms[] = {
        5.0000000000000056e-1, 1.6666666666666588e-1, 4.1666666666576833e-2, 8.3333333333895226e-3,
        1.3888888931537903e-3, 1.984126971905825e-4,  2.4801505308067055e-5, 2.7557407518756824e-6,
        2.7626023606410851e-7, 2.5053773198112481e-8};
    static constexpr double log_terms[] = {
        6.6666666666666596e-1, 4.0000000000055941e-1, 2.8571428556007356e-1, 2.2222224276196167e-1,
        1.8181667088295522e-1, 1.5391072449678442e-1, 1.3174261314482794e-1, 1.3838571400245556e-1};
    static constexpr double softplus_terms[] = {
        6.6666666666666674e-1, 3.9999999999993979e-1, 2.8571428572510021e-1, 2.2222222125470517e-1,
        1.8181823202942682e-1, 1.5384451931102394e-1, 1.3336805844559629e-1, 1.1715950312871451e-1,
        1.097256967149712e-1,  6.9942346614643741e-2, 1.6467656997069741e-1};
    static constexpr double tanh_terms[] = {
        -3.3333333333332876e-1, 1.3333333333264913e-1,  -5.3968253932481669e-2,
        2.1869487601959968e-2,  -8.8632213192630198e-3, 3.5919915709883687e-3,
        -1.4549704783887582e-3, 5.8635249347742879e-4,  -2.2863326197874656e-4,
        7.7219203729677951e-5,  -1.6107557991536748e-5};
    static constexpr double erf_terms[] = {
        1.2837916709551259e-1,  -3.7612638903183748e-1, 1.1283791670954885e-1,
        -2.6866170645077875e-2, 5.2239776248284306e-3,  -8.5483269814255422e-4,
        1.205533113295582e-4,   -1.4925595772180906e-5, 1.64610084778027e-6,
        -1.6350396222864617e-7, 1.466032872274226e-8,   -1.1374955736070149e-9,
        5.9606853385209714e-11};
    static constexpr double tail_terms[] = {
        7.6919304975006297e-1,  -6.6538250289005685e-1, 4.9530561596997608e-1,
        -3.1353315667128778e-1, 1.6502036617040711e-1,  -6.9118638706866367e-2,
        2.0795066799265152e-2,  -2.9933767620486818e-3, -7.9786938940855563e-4,
        5.4489899427084517e-4,  -5.9375806135755317e-5, -4.9762463769008076e-5,
        1.6681632142709955e-5,  3.9798284752407188e-6,  -2.7706929443017892e-6,
        -3.3461836965670102e-7, 4.3622995773372655e-7,  4.0224696346097974e-8,
        -7.0055924391178269e-8, -8.5738127946504801e-9, 1.0731400691558143e-8,
        2.2116130967799155e-9,  -1.1394272638152087e-9, -3.7347220642977544e-10};
};

/// The bits of a vector, as unsigned integers.
template <class T>
using Bits = Vector<typename Real<T>::Bits>;

template <class T>
[[gnu::always_inline]] inline Bits<T> bits(Vector<T> x) {
    return reinterpret_cast<Bits<T>>(x);
}
template <class T>
[[gnu::always_inline]] inline Vector<T> from_bits(Bits<T> x) {
    return reinterpret_cast<Vector<T>>(x);
}

template <class T>
[[gnu::always_inline]] inline Vector<T> fabs(Vector<T> x) {
    return from_bits<T>(bits<T>(x) & ~Real<T>::sign);
}

/// |magnitude| with the sign of x, where magnitude is not negative or has that sign already.
template <class T>
[[gnu::always_inline]] inline Vector<T> with_sign_of(Vector<T> magnitude, Vector<T> x) {
    return from_bits<T>(bits<T>(magnitude) | (bits<T>(x) & Real<T>::sign));
}

/// -1, 0 or 1; NaN stays NaN.
template <class T>
[[gnu::always_inline]] inline Vector<T> sign(Vector<T> x) {
    const Vector<T> one = Vector<T>{} + T{1};
    return x > T{0} ? one : x < T{0} ? -one : x;
}

// a < b ? a : b and a > b ? a : b, and so b where either is NaN. One instruction each, where GCC 12
// makes two of a comparison. With AVX-512 the masked forms, with no lane masked: it warns of the
// others.

template <class T>
[[gnu::always_inline]] inline Vector<T> lower(Vector<T> a, Vector<T> b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vector<T>>(
            _mm512_maskz_min_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
    else
        return reinterpret_cast<Vector<T>>(
            _mm512_maskz_min_pd(0xff, reinterpret_cast<__m512d>(a), reinterpret_cast<__m512d>(b)));
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vector<T>>(
            _mm256_min_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
    else
        return reinterpret_cast<Vector<T>>(
            _mm256_min_pd(reinterpret_cast<__m256d>(a), reinterpret_cast<__m256d>(b)));
#else
    return a < b ? a : b;
#endif
}

template <class T>
[[gnu::always_inline]] inline Vector<T> higher(Vector<T> a, Vector<T> b) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vector<T>>(
            _mm512_maskz_max_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
    else
        return reinterpret_cast<Vector<T>>(
            _mm512_maskz_max_pd(0xff, reinterpret_cast<__m512d>(a), reinterpret_cast<__m512d>(b)));
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vector<T>>(
            _mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
    else
        return reinterpret_cast<Vector<T>>(
            _mm256_max_pd(reinterpret_cast<__m256d>(a), reinterpret_cast<__m256d>(b)));
#else
    return a > b ? a : b;
#endif
}

/// x where that is lower than the limit, or NaN.
template <class T>
[[gnu::always_inline]] inline Vector<T> at_most(T limit, Vector<T> x) {
    return lower<T>(Vector<T>{} + limit, x);
}

/// x where that is higher than the limit, or NaN.
template <class T>
[[gnu::always_inline]] inline Vector<T> at_least(T limit, Vector<T> x) {
    return higher<T>(Vector<T>{} + limit, x);
}

/// terms[0] + terms[1] x + terms[2] x^2 + ..
template <class T, int count>
[[gnu::always_inline]] inline Vector<T> polynomial(const T (&terms)[count], Vector<T> x) {
    Vector<T> y = Vector<T>{} + terms[count - 1];
    HANDGRAD_UNROLL
    for (int k = count - 2; k >= 0; --k) y = y * x + terms[k];
    return y;
}

/// The same for an even number of terms, in two chains that do not wait for each other: even powers
/// and odd ones. Where each product rounds by itself that would cost a digit, and is not done.
template <class T, int count>
[[gnu::always_inline]] inline Vector<T> polynomial_in_two(const T (&terms)[count], Vector<T> x) {
    static_assert(count % 2 == 0);
    if constexpr (!fused) return polynomial(terms, x);
    const Vector<T> square = x * x;
    Vector<T> even = Vector<T>{} + terms[count - 2], odd = Vector<T>{} + terms[count - 1];
    HANDGRAD_UNROLL
    for (int k = count - 4; k >= 0; k -= 2) {
        even = even * square + terms[k];
        odd = odd * square + terms[k + 1];
    }
    return even + odd * x;
}

// ---- whole numbers in vectors -------------------------------------------------------------------
//
// A number that is added to 1.5 * 2^mantissa_bits loses what stands behind its point, and the
// lowest bits of the sum are the whole number that it was rounded to, in two's complement. Without
// it, only AVX-512 converts between double and 64-bit integers.

template <class T>
inline constexpr T shift_point = static_cast<T>(typename Real<T>::Bits{3}
                                                << (Real<T>::mantissa_bits - 1));

/// x rounded to the nearest whole number n, |n| below 2^(mantissa_bits - 1): n = shifted -
/// shift_point.
template <class T>
[[gnu::always_inline]] inline Vector<T> shifted_point(Vector<T> x) {
    return x + shift_point<T>;
}

/// The lowest bits of that word, where an exponent stands.
template <class T>
[[gnu::always_inline]] inline Bits<T> exponent_field(Bits<T> shifted) {
    return shifted << Real<T>::mantissa_bits;
}

/// The bits of 1.
template <class T>
inline constexpr typename Real<T>::Bits one_bits = Real<T>::bias << Real<T>::mantissa_bits;

// ---- exponential --------------------------------------------------------------------------------

/// x = n log 2 + r with a whole number n and |r| <= log(2) / 2, and so exp(x) = 2^n exp(r).
/// r = high - low, of which high is exact.
template <class T>
struct Reduced {
    Vector<T> shifted;  // n + shift_point
    Vector<T> high, low;
    Vector<T> n() const { return shifted - shift_point<T>; }
    /// 2^n, for n from 1 - bias to bias.
    Vector<T> two_n() const {
        return from_bits<T>(exponent_field<T>(bits<T>(shifted)) + one_bits<T>);
    }
};

template <class T>
inline constexpr T log2_e = static_cast<T>(1.44269504088896340736);
template <class T>
inline constexpr T log_2 = static_cast<T>(0.693147180559945309417);

template <class T>
[[gnu::always_inline]] inline Reduced<T> reduce_by_log2(Vector<T> x) {
    Reduced<T> y;
    y.shifted = shifted_point<T>(x * log2_e<T>);
    // Exact, as n log2_high is, and near x.
    y.high = x - y.n() * Real<T>::log2_high;
    y.low = y.n() * Real<T>::log2_low;
    return y;
}

/// exp(r) - 1 = r + r^2 p(r), summed so that only the last sum rounds much.
template <class T>
[[gnu::always_inline]] inline Vector<T> expm1_reduced(const Reduced<T>& x) {
    const Vector<T> r = x.high - x.low;
    return x.high + ((r * r) * polynomial(Real<T>::exp_terms, r) - x.low);
}

/// exp(r). Where a product and a sum round once, Horner's rule is as exact and shorter.
template <class T>
[[gnu::always_inline]] inline Vector<T> exp_reduced(const Reduced<T>& x) {
    if constexpr (!fused) return T{1} + expm1_reduced(x);
    const Vector<T> r = x.high - x.low;
    return T{1} + r * (T{1} + r * polynomial(Real<T>::exp_terms, r));
}

/// y 2^n, for n from twice the lowest exponent to twice the highest.
template <class T>
[[gnu::always_inline]] inline Vector<T> times_two_n(Vector<T> y, const Reduced<T>& x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return reinterpret_cast<Vector<T>>(_mm512_maskz_scalef_ps(
            0xffff, reinterpret_cast<__m512>(y), reinterpret_cast<__m512>(x.n())));
    else
        return reinterpret_cast<Vector<T>>(_mm512_maskz_scalef_pd(
            0xff, reinterpret_cast<__m512d>(y), reinterpret_cast<__m512d>(x.n())));
#else
    // In two steps, as 2^n itself may be out of range. Only the second rounds, where it comes to
    // denormals.
    const Bits<T> half = exponent_field<T>(bits<T>(x.shifted) >> 1);
    const Bits<T> rest = exponent_field<T>(bits<T>(x.shifted)) - half;
    return y * from_bits<T>(half + one_bits<T>) * from_bits<T>(rest + one_bits<T>);
#endif
}

/// exp(x + low) for x from a little below exp_lowest to exp_highest, where low is small beside 1: a
/// part of x that T could not hold.
template <class T>
[[gnu::always_inline]] inline Vector<T> exp_of_sum(Vector<T> x, Vector<T> low) {
    Reduced<T> reduced = reduce_by_log2<T>(x);
    reduced.low -= low;
    return times_two_n<T>(exp_reduced(reduced), reduced);
}

/// exp(x) for x <= exp_highest, or NaN.
template <class T>
[[gnu::always_inline]] inline Vector<T> exp_of_negative(Vector<T> x) {
    const Reduced<T> reduced = reduce_by_log2<T>(at_least(Real<T>::exp_lowest, x));
    return times_two_n<T>(exp_reduced(reduced), reduced);
}

template <class T>
[[gnu::always_inline]] inline Vector<T> exp(Vector<T> x) {
    return exp_of_negative<T>(at_most(Real<T>::exp_highest, x));
}

/// exp(x) - 1 for x <= 0, exact near 0.
template <class T>
[[gnu::always_inline]] inline Vector<T> expm1_of_negative(Vector<T> x) {
    const Reduced<T> reduced = reduce_by_log2<T>(at_least(Real<T>::expm1_lowest, x));
    const Vector<T> two_n = reduced.two_n();
    // 2^n exp(r) - 1 = 2^n (exp(r) - 1) + (2^n - 1), whose product and last bracket are exact.
    return with_sign_of<T>(two_n * expm1_reduced(reduced) + (two_n - T{1}), x);
}

/// tanh(x) = 1 - 2 / (exp(2x) + 1), and by a polynomial where that would lose digits.
template <class T>
[[gnu::always_inline]] inline Vector<T> tanh(Vector<T> x) {
    const Vector<T> a = at_most(Real<T>::tanh_highest, fabs<T>(x));
    const Vector<T> z = a * a;
    const Vector<T> near = a + a * (z * polynomial(Real<T>::tanh_terms, z));
    Reduced<T> reduced;
    if constexpr (fused && sizeof(T) == 4) {
        // In one step: what log 2 loses as a float stays below a tenth of an ulp of the result.
        reduced.shifted = shifted_point<T>(a * (2 * log2_e<T>));
        reduced.high = (a + a) - reduced.n() * log_2<T>;
        reduced.low = Vector<T>{};
    } else {
        reduced = reduce_by_log2<T>(a + a);
    }
    const Vector<T> far = T{1} - T{2} / (reduced.two_n() * exp_reduced(reduced) + T{1});
    return with_sign_of<T>(a < T{0.625} ? near : far, x);
}

/// 1 / (1 + exp(-x)). Only exp of a negative number is taken, which cannot overflow.
template <class T>
[[gnu::always_inline]] inline Vector<T> sigmoid(Vector<T> x) {
    const Vector<T> e = exp_of_negative<T>(-fabs<T>(x));
    return (x >= T{0} ? Vector<T>{} + T{1} : e) / (T{1} + e);
}

// ---- logarithm ----------------------------------------------------------------------------------

/// x = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2), so that log(x) = k log 2 + log(1 + f)
/// has no sum that cancels. x must be a normal number.
template <class T>
struct Mantissa {
    Vector<T> k, f;
    Bits<T> biased_k;
};

template <class T>
[[gnu::always_inline]] inline Mantissa<T> mantissa_of(Vector<T> x) {
    using Word = typename Real<T>::Bits;
    constexpr Word one = Real<T>::bias << Real<T>::mantissa_bits;
    constexpr Word sqrt_half = __builtin_bit_cast(Word, static_cast<T>(0.70710678118654752440));
    // Counted from sqrt(1/2), the exponent field is k and the mantissa's the rest.
    const Bits<T> word = bits<T>(x) + (one - sqrt_half);
    Mantissa<T> y;
    y.biased_k = word >> Real<T>::mantissa_bits;
    // The lowest bits of 2^mantissa_bits are a whole number.
    constexpr T whole = static_cast<T>(Word{1} << Real<T>::mantissa_bits);
    y.k = from_bits<T>(y.biased_k | __builtin_bit_cast(Word, whole)) -
          (whole + static_cast<T>(Real<T>::bias));
    constexpr Word mantissa = (Word{1} << Real<T>::mantissa_bits) - 1;
    y.f = from_bits<T>((word & mantissa) + sqrt_half) - T{1};
    return y;
}

/// k log 2 + log(1 + f) for f from sqrt(1/2) - 1 to 1/2. With s = f / (2 + f), log(1 + f) = log((1
/// + s) / (1 - s)) = 2s + s R, R = z p(z), z = s^2. As s f = f - 2s = h - s h with h = f^2 / 2, it
/// is f - (h - s (h + R)), whose first number is exact and whose others are small.
template <class T>
[[gnu::always_inline]] inline Vector<T> log_of(Vector<T> k, Vector<T> f) {
    const Vector<T> s = f / (T{2} + f), z = s * s, h = T{0.5} * f * f;
    const Vector<T> R = z * polynomial(Real<T>::log_terms, z);
    return k * Real<T>::log2_high + (f - (h - (s * (h + R) + k * Real<T>::log2_low)));
}

/// y, or what log(x) is where x has no logarithm, is 0 or is infinite.
template <class T>
[[gnu::always_inline]] inline Vector<T> log_or_limit(Vector<T> y, Vector<T> x) {
    constexpr T infinity = static_cast<T>(__builtin_inf());
    const Vector<T> none = Vector<T>{} + static_cast<T>(__builtin_nan(""));
    y = x < infinity ? y : x;
    y = x == T{0} ? Vector<T>{} - infinity : y;
    return x < T{0} ? none : y;
}

template <class T>
[[gnu::always_inline]] inline Vector<T> log(Vector<T> x) {
    constexpr T infinity = static_cast<T>(__builtin_inf());
    const Mantissa<T> m = mantissa_of<T>(x);
    Vector<T> y = log_of<T>(m.k, m.f);
    const auto normal = x >= Real<T>::least_normal;
    if (all_lanes(normal & (x < infinity))) [[likely]]
        return y;
    if (!all_lanes(normal | (x <= T{0}))) {
        // Denormals: 2^mantissa_bits times as large, they are normal.
        constexpr T digits = Real<T>::mantissa_bits;
        constexpr T large = static_cast<T>(typename Real<T>::Bits{1} << Real<T>::mantissa_bits);
        const Mantissa<T> d = mantissa_of<T>(x * large);
        y = normal ? y : log_of<T>(d.k - digits, d.f);
    }
    return log_or_limit<T>(y, x);
}

/// log(1 + x), exact near 0.
template <class T>
[[gnu::always_inline]] inline Vector<T> log1p(Vector<T> x) {
    const Vector<T> u = T{1} + x;
    // 1 + x = u + c exactly.
    const Vector<T> c = x < T{1} ? x - (u - T{1}) : T{1} - (u - x);
    const Mantissa<T> m = mantissa_of<T>(u);
    const Vector<T> two_minus_k =
        from_bits<T>((2 * Real<T>::bias - m.biased_k) << Real<T>::mantissa_bits);
    // Far out c does not count, and 2^-k is below the normal numbers.
    constexpr T far = static_cast<T>(typename Real<T>::Bits{4} << Real<T>::mantissa_bits);
    const Vector<T> rest = x < far ? c * two_minus_k : Vector<T>{};
    const Vector<T> y = log_or_limit<T>(log_of<T>(m.k, m.f + rest), u);
    return with_sign_of<T>(y, x);
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(-|x|), which cannot overflow. As in log_of,
/// with a polynomial for all of [0, 1], log(1 + e) = e - (h - s (h + R)), where s = e / (2 + e), z
/// = s^2, h = e^2 / 2 and R = z p(z).
template <class T>
[[gnu::always_inline]] inline Vector<T> softplus(Vector<T> x) {
    const Vector<T> e = exp_of_negative<T>(-fabs<T>(x));
    const Vector<T> s = e / (T{2} + e), z = s * s, h = T{0.5} * e * e;
    const Vector<T> R = z * polynomial(Real<T>::softplus_terms, z);
    return (x > T{0} ? x : Vector<T>{}) + (e - (h - s * (h + R)));
}

// ---- normal distribution ------------------------------------------------------------------------

/// Phi(-a) / exp(-a^2 / 2) for 0 <= a <= tail_highest: 1/2 at 0, and far out as slow as 1/a. With
/// w = 1 / (a + 5) it is w p(t), and t = (a - 5) w maps the half line to [-1, 1).
template <class T>
[[gnu::always_inline]] inline Vector<T> tail_factor(Vector<T> a) {
    const Vector<T> w = T{1} / (a + T{5});
    // t as 2 a w - 1 rounds less than the difference does.
    return w * polynomial_in_two(Real<T>::tail_terms, T{2} * (a * w) - T{1});
}

/// The normal distribution at x.
template <class T>
struct Normal {
    Vector<T> density;       // phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
    Vector<T> distribution;  // Phi(x), the integral of phi up to x
};

/// Phi(-|x|) is found as a product, which keeps its digits however small it is.
template <class T>
[[gnu::always_inline]] inline Normal<T> normal(Vector<T> x) {
    constexpr T inverse_sqrt_2pi = static_cast<T>(0.39894228040143267794);
    const Vector<T> a = at_most(Real<T>::tail_highest, fabs<T>(x));
    // -a^2 / 2 = power + low exactly: a relative error e of the power would be one of e a^2 / 2 of
    // phi.
    Vector<T> half = T{-0.5} * a;
    const Vector<T> power = half * a;
    Vector<T> low;
    if constexpr (fused) {
        keep<T>(half);  // or the compiler would take the product for `power`
        low = half * a - power;
    } else {  // Dekker (1971)
        const Vector<T> high = from_bits<T>(bits<T>(a) & ~Real<T>::low_half), rest = a - high;
        low = T{-0.5} * ((high * high + T{2} * power) + T{2} * high * rest) - T{0.5} * rest * rest;
    }
    Normal<T> y;
    const Vector<T> e = exp_of_sum<T>(power, low);
    y.density = inverse_sqrt_2pi * e;
    const Vector<T> tail = e * tail_factor<T>(a);
    y.distribution = x < T{0} ? tail : T{1} - tail;
    return y;
}

/// erf(x) = 1 - 2 Phi(-sqrt(2) x), and by a polynomial where that would lose digits.
template <class T>
[[gnu::always_inline]] inline Vector<T> erf(Vector<T> x) {
    constexpr T sqrt_2 = static_cast<T>(1.41421356237309504880);
    const Vector<T> a = at_most(Real<T>::erf_highest, fabs<T>(x)), z = a * a;
    const Vector<T> near = a + a * polynomial(Real<T>::erf_terms, z);
    const Vector<T> far = T{1} - T{2} * exp_of_negative<T>(-z) * tail_factor<T>(sqrt_2 * a);
    return with_sign_of<T>(a < T{1} ? near : far, x);
}

// ---- one number ---------------------------------------------------------------------------------

[[gnu::always_inline]] inline float sqrt(float x) {
    return __builtin_sqrtf(x);
}
[[gnu::always_inline]] inline double sqrt(double x) {
    return __builtin_sqrt(x);
}

template <class T>
[[gnu::always_inline]] inline Vector<T> sqrt_of(Vector<T> x) {
    HANDGRAD_UNROLL
    for (int lane = 0; lane < lanes<T>; ++lane) x[lane] = sqrt(x[lane]);
    return x;
}

/// a^b and log(a), by the C library. The builtins are the C functions; std::pow and its like are
/// inline functions of the C++ library, which isa.h forbids.
[[gnu::always_inline]] inline float pow(float a, float b) {
    return __builtin_powf(a, b);
}
[[gnu::always_inline]] inline double pow(double a, double b) {
    return __builtin_pow(a, b);
}
[[gnu::always_inline]] inline float log_of_one(float a) {
    return __builtin_logf(a);
}
[[gnu::always_inline]] inline double log_of_one(double a) {
    return __builtin_log(a);
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
