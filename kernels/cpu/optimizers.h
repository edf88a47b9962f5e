// Optimiser steps: one pass over memory each, which is what bounds them. Every loop is written for
// the compiler to vectorise.
//
// A loop stands in a function of its own, with its arrays __restrict and its numbers passed by
// value: the compiler then knows that no store changes them. Arrays that may be absent are template
// arguments, so that no loop asks for them.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// p + i, or null for an array that is absent.
template <class T>
T* from(T* p, Index i) {
    return p == nullptr ? nullptr : p + i;
}

// ---- SGD ----------------------------------------------------------------------------------------

template <class T>
void sgd_plain(T* __restrict w, const T* __restrict dw, SgdStep<T> s, Index n) {
    for (Index i = 0; i < n; ++i) w[i] -= s.lr * (dw[i] + s.weight_decay * w[i]);
}

template <bool nesterov, class T>
void sgd_momentum(T* __restrict w, T* __restrict v, const T* __restrict dw, SgdStep<T> s, Index n) {
    for (Index i = 0; i < n; ++i) {
        const T g = s.gain * (dw[i] + s.weight_decay * w[i]);
        v[i] = s.momentum * v[i] + g;
        w[i] -= s.lr * (nesterov ? s.momentum * v[i] + g : v[i]);
    }
}

template <class T>
void sgd_step(T* w, T* v, const T* dw, const SgdStep<T>& s, Index n) {
    parallel_ranges(n, streaming<T>(n, v == nullptr ? 2 : 3), [=](Index begin, Index end) {
        if (v == nullptr)
            sgd_plain(w + begin, dw + begin, s, end - begin);
        else if (s.nesterov)
            sgd_momentum<true>(w + begin, v + begin, dw + begin, s, end - begin);
        else
            sgd_momentum<false>(w + begin, v + begin, dw + begin, s, end - begin);
    });
}

// ---- Adam ---------------------------------------------------------------------------------------

template <bool amsgrad, class T>
void adam_range(T* __restrict w, T* __restrict m, T* __restrict v, T* __restrict v_max,
                const T* __restrict dw, AdamStep<T> s, Index n) {
    for (Index i = 0; i < n; ++i) {
        const T g = dw[i] + s.weight_decay * w[i];
        m[i] = s.beta1 * m[i] + s.gain1 * g;
        v[i] = s.beta2 * v[i] + s.gain2 * g * g;
        T second = v[i];
        if constexpr (amsgrad) second = v_max[i] = v_max[i] > second ? v_max[i] : second;
        w[i] = s.keep * w[i] - s.lr * m[i] / (s.root_scale * sqrt(second) + s.eps);
    }
}

template <class T>
void adam_step(T* w, T* m, T* v, T* v_max, const T* dw, const AdamStep<T>& s, Index n) {
    const int arrays = v_max == nullptr ? 4 : 5;
    parallel_ranges(n, streaming<T>(n, arrays), [=](Index begin, Index end) {
        const auto range = v_max == nullptr ? adam_range<false, T> : adam_range<true, T>;
        range(w + begin, m + begin, v + begin, from(v_max, begin), dw + begin, s, end - begin);
    });
}

// ---- Adagrad ------------------------------------------------------------------------------------

template <class T>
void adagrad_range(T* __restrict w, T* __restrict sum, const T* __restrict dw, AdagradStep<T> s,
                   Index n) {
    for (Index i = 0; i < n; ++i) {
        const T g = dw[i] + s.weight_decay * w[i];
        sum[i] += g * g;
        w[i] -= s.lr * g / (sqrt(sum[i]) + s.eps);
    }
}

template <class T>
void adagrad_step(T* w, T* sum, const T* dw, const AdagradStep<T>& s, Index n) {
    parallel_ranges(n, streaming<T>(n, 3), [=](Index begin, Index end) {
        adagrad_range(w + begin, sum + begin, dw + begin, s, end - begin);
    });
}

// ---- RMSprop ------------------------------------------------------------------------------------

template <bool centered, bool momentum, class T>
void rmsprop_range(T* __restrict w, T* __restrict q, T* __restrict a, T* __restrict v,
                   const T* __restrict dw, RmspropStep<T> s, Index n) {
    for (Index i = 0; i < n; ++i) {
        const T g = dw[i] + s.weight_decay * w[i];
        q[i] = s.alpha * q[i] + s.gain * g * g;
        T variance = q[i];
        if constexpr (centered) {
            a[i] = s.alpha * a[i] + s.gain * g;
            variance -= a[i] * a[i];
            // Rounding may take it below 0. NaN passes.
            variance = variance < T{0} ? T{0} : variance;
        }
        T d = g / (sqrt(variance) + s.eps);
        if constexpr (momentum) d = v[i] = s.momentum * v[i] + d;
        w[i] -= s.lr * d;
    }
}

template <class T>
void rmsprop_step(T* w, T* q, T* a, T* v, const T* dw, const RmspropStep<T>& s, Index n) {
    const int arrays = 3 + (a == nullptr ? 0 : 1) + (v == nullptr ? 0 : 1);
    parallel_ranges(n, streaming<T>(n, arrays), [=](Index begin, Index end) {
        const auto plain =
            v == nullptr ? rmsprop_range<false, false, T> : rmsprop_range<false, true, T>;
        const auto centered =
            v == nullptr ? rmsprop_range<true, false, T> : rmsprop_range<true, true, T>;
        const auto range = a == nullptr ? plain : centered;
        range(w + begin, q + begin, from(a, begin), from(v, begin), dw + begin, s, end - begin);
    });
}

// ---- clipping -----------------------------------------------------------------------------------

template <class T>
double squares_of_part(const T* x, Index n) {
    constexpr Index step = 32;
    double partial[step] = {};
    Index i = 0;
    for (; i + step <= n; i += step)
        for (Index u = 0; u < step; ++u) {
            const double value = x[i + u];
            partial[u] += value * value;
        }
    double total = 0;
    for (; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    for (const double p : partial) total += p;
    return total;
}

template <class T>
void add_squares(double* out, const T* x, Index n) {
    double sums[most_parts];
    const int parts = parts_of_sum(n);
    each_part(n, parts, streaming<T>(n, 1), [=, &sums](int part, Range range) {
        sums[part] = squares_of_part(x + range.begin, range.end - range.begin);
    });
    for (int part = 0; part < parts; ++part) out[0] += sums[part];
}

template <class T>
void scale(T* x, T factor, Index n) {
    parallel_ranges(n, streaming<T>(n, 1), [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) x[i] *= factor;
    });
}

template <class T>
void clamp(T* x, T limit, Index n) {
    parallel_ranges(n, streaming<T>(n, 1), [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
            const T below = x[i] > limit ? limit : x[i];
            x[i] = below < -limit ? -limit : below;
        }
    });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
