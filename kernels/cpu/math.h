// The functions of mathematics that kernels call, one number at a time, for float and double.
//
// The only place that calls the C library's, so that vector versions have one place to go. The
// builtins are the C functions; std::exp and its like are inline functions of the C++ library,
// which isa.h forbids.
#pragma once

#include "kernels/cpu/isa.h"

namespace handgrad::cpu::HANDGRAD_ISA {

#define HANDGRAD_MATH(name)                               \
    [[gnu::always_inline]] inline float name(float x) {   \
        return __builtin_##name##f(x);                    \
    }                                                     \
    [[gnu::always_inline]] inline double name(double x) { \
        return __builtin_##name(x);                       \
    }
HANDGRAD_MATH(exp)
HANDGRAD_MATH(expm1)  // exp(x) - 1, exact near 0
HANDGRAD_MATH(log)
HANDGRAD_MATH(log1p)  // log(1 + x), exact near 0
HANDGRAD_MATH(sqrt)
HANDGRAD_MATH(tanh)
HANDGRAD_MATH(erf)
HANDGRAD_MATH(erfc)  // 1 - erf(x), exact where that is near 0
HANDGRAD_MATH(fabs)
#undef HANDGRAD_MATH

/// a^b
[[gnu::always_inline]] inline float pow(float a, float b) {
    return __builtin_powf(a, b);
}
[[gnu::always_inline]] inline double pow(double a, double b) {
    return __builtin_pow(a, b);
}

/// -1, 0 or 1; NaN stays NaN.
template <class T>
[[gnu::always_inline]] inline T sign(T x) {
    return x > T{0} ? T{1} : x < T{0} ? T{-1} : x;
}

/// 1 / (1 + exp(-x)). Only exp of a negative number is taken, which cannot overflow.
template <class T>
[[gnu::always_inline]] inline T sigmoid(T x) {
    const T e = exp(-fabs(x));
    return (x >= T{0} ? T{1} : e) / (T{1} + e);
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which cannot overflow.
template <class T>
[[gnu::always_inline]] inline T softplus(T x) {
    return (x > T{0} ? x : T{0}) + log1p(exp(-fabs(x)));
}

/// What one exp, log or tanh costs, in the floating-point operations of Cost.
inline constexpr Index function_flops = 200;

}  // namespace handgrad::cpu::HANDGRAD_ISA
