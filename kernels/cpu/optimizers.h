// Optimiser steps and penalties: one pass over memory each, which is what bounds them. Every loop
// is written for the compiler to vectorise.
//
// A loop stands in a function of its own, with its arrays __restrict and its numbers passed by
// value: the compiler then knows that no store changes them. Arrays that may be absent are template
// arguments, so that no loop asks for them.
//
// Bounds: |new - exact| <= (|new| + c size) u, where numbers round by u of themselves at most. The
// size of a sum is that of its terms' magnitudes, |dw| + |weight_decay w| of g; of w, the step's.
// c counts roundings, 2 for g and one for each operation behind it. What is under a root has up to
// 9 for each K = size / value, which the root halves: a quotient by it has K times its size. K is 1
// unless weight decay cancels g or RMSprop is centred. With K u far below 1, and no denormals, c is
//   SGD: v 3, w 3, with momentum 5, with Nesterov's 7.  Adagrad: sum 5, w 12.
//   Adam: m 3, v 6, w 20, but (2 |new| + 21 size) u where keep is not 1.
//   RMSprop: q 6, a 3, v 10, w 12.
#pragma once

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/wide.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
Index elements_of(const ParameterArrays<T>* parameters, Index count) {
    Index total = 0;
    for (Index k = 0; k < count; ++k) total += parameters[k].n;
    return total;
}

/// part(parameter, from, to) for what lies between `begin` and `end` when the elements of all
/// parameters are numbered in turn.
template <class T, class Part>
void each_between(const ParameterArrays<T>* parameters, Index count, Index begin, Index end,
                  Part part) {
    Index first = 0;  // of the parameter's elements, among those of all
    for (Index k = 0; k < count; first += parameters[k++].n) {
        const Index from = larger(begin - first, 0);
        const Index to = smaller(end - first, parameters[k].n);
        if (from < to) part(parameters[k], from, to);
    }
}

/// range(parameter, begin, end) for parts of all parameters, which go through `arrays` arrays: one
/// region of threads for all, however small each of them is.
template <class T, class Range>
void each_parameter(const ParameterArrays<T>* parameters, Index count, int arrays, Range range) {
    const Index total = elements_of(parameters, count);
    parallel_ranges(total, streaming<T>(total, arrays), [=](Index begin, Index end) {
        each_between(parameters, count, begin, end, range);
    });
}

/// p + i, or null for an array that is absent.
template <class T>
T* from(T* p, Index i) {
    return p == nullptr ? nullptr : p + i;
}

template <class T>
void zero_gradients(const ParameterArrays<T>* parameters, Index count) {
    each_parameter(parameters, count, 1, [](const ParameterArrays<T>& p, Index begin, Index end) {
        for (Index i = begin; i < end; ++i) p.dw[i] = 0;
    });
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
void sgd_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
              const SgdStep<T>& step_of_any_number) {
    SgdStep<T> s = step_of_any_number;
    if (*step == 1) s.gain = s.first_gain;
    const int arrays = count == 0 || parameters->kept[0] == nullptr ? 2 : 3;
    each_parameter(
        parameters, count, arrays, [s](const ParameterArrays<T>& p, Index begin, Index end) {
            T *const w = p.w + begin, *const dw = p.dw + begin, *const v = from(p.kept[0], begin);
            if (v == nullptr)
                sgd_plain(w, dw, s, end - begin);
            else if (s.nesterov)
                sgd_momentum<true>(w, v, dw, s, end - begin);
            else
                sgd_momentum<false>(w, v, dw, s, end - begin);
        });
}

// ---- Adam ---------------------------------------------------------------------------------------

/// lr / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).
template <class T>
struct AdamRates {
    T lr, root_scale;
};

template <bool amsgrad, class T>
void adam_range(T* __restrict w, T* __restrict m, T* __restrict v, T* __restrict v_max,
                const T* __restrict dw, AdamStep<T> s, AdamRates<T> rates, Index n) {
    for (Index i = 0; i < n; ++i) {
        const T g = dw[i] + s.weight_decay * w[i];
        m[i] = s.beta1 * m[i] + s.gain1 * g;
        v[i] = s.beta2 * v[i] + s.gain2 * g * g;
        T second = v[i];
        if constexpr (amsgrad) second = v_max[i] = v_max[i] > second ? v_max[i] : second;
        w[i] = s.keep * w[i] - rates.lr * m[i] / (rates.root_scale * sqrt(second) + s.eps);
    }
}

template <class T>
void adam_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
               const AdamStep<T>& s) {
    // 1 - beta^t = -expm1(t log beta) loses no digits where beta is near 1.
    const double t = static_cast<double>(*step);
    const double first = -__builtin_expm1(t * static_cast<double>(s.log_beta1));
    const double second = -__builtin_expm1(t * static_cast<double>(s.log_beta2));
    const AdamRates<T> rates{static_cast<T>(static_cast<double>(s.lr) / first),
                             static_cast<T>(1 / __builtin_sqrt(second))};
    const int arrays = count == 0 || parameters->kept[2] == nullptr ? 4 : 5;
    each_parameter(
        parameters, count, arrays, [s, rates](const ParameterArrays<T>& p, Index begin, Index end) {
            const auto range = p.kept[2] == nullptr ? adam_range<false, T> : adam_range<true, T>;
            range(p.w + begin, p.kept[0] + begin, p.kept[1] + begin, from(p.kept[2], begin),
                  p.dw + begin, s, rates, end - begin);
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
void adagrad_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                  const AdagradStep<T>& first_step) {
    AdagradStep<T> s = first_step;
    s.lr /= T{1} + static_cast<T>(*step - 1) * s.lr_decay;
    each_parameter(parameters, count, 3, [s](const ParameterArrays<T>& p, Index begin, Index end) {
        adagrad_range(p.w + begin, p.kept[0] + begin, p.dw + begin, s, end - begin);
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
void rmsprop_step(const ParameterArrays<T>* parameters, Index count, const RmspropStep<T>& s) {
    const bool momentum = s.momentum != T{0};
    const auto plain = momentum ? rmsprop_range<false, true, T> : rmsprop_range<false, false, T>;
    const auto centered = momentum ? rmsprop_range<true, true, T> : rmsprop_range<true, false, T>;
    const auto range = s.centered ? centered : plain;
    const int arrays = 3 + (s.centered ? 1 : 0) + (momentum ? 1 : 0);
    each_parameter(parameters, count, arrays,
                   [s, range](const ParameterArrays<T>& p, Index begin, Index end) {
                       range(p.w + begin, p.kept[0] + begin, from(p.kept[1], begin),
                             from(p.kept[s.centered ? 2 : 1], begin), p.dw + begin, s, end - begin);
                   });
}

// ---- clipping -----------------------------------------------------------------------------------

template <class T>
double squares_of_part(const T* x, Index n) {
    Sums<T, 1> sums;
    sums.add(n, [=](Index i, Index left) {
        prefetch_ahead(x + i);
        const Wide<T> v = load_wide(x + i, left);
        return Terms<T, 1>{v * v};
    });
    return sums[0];
}

template <class T>
void sum_squares(double* out, const ParameterArrays<T>* parameters, Index count) {
    double sums[most_parts] = {};
    const Index total = elements_of(parameters, count);
    const int parts = parts_of_sum(total);
    each_part(total, parts, streaming<T>(total, 1), [=, &sums](int part, Range range) {
        each_between(parameters, count, range.begin, range.end,
                     [&](const ParameterArrays<T>& p, Index begin, Index end) {
                         sums[part] += squares_of_part(p.dw + begin, end - begin);
                     });
    });
    out[0] = 0;
    for (int part = 0; part < parts; ++part) out[0] += sums[part];
}

template <class T>
void clip_gradients(const ParameterArrays<T>* parameters, Index count, const double* squares,
                    double max_norm) {
    const double factor = max_norm / (__builtin_sqrt(*squares) + 1e-6);
    if (factor >= 1) return;  // NaN does not
    each_parameter(
        parameters, count, 1,
        [f = static_cast<T>(factor)](const ParameterArrays<T>& p, Index begin, Index end) {
            for (Index i = begin; i < end; ++i) p.dw[i] *= f;
        });
}

template <class T>
void clamp_gradients(const ParameterArrays<T>* parameters, Index count, T limit) {
    each_parameter(parameters, count, 1,
                   [limit](const ParameterArrays<T>& p, Index begin, Index end) {
                       for (Index i = begin; i < end; ++i) {
                           const T below = p.dw[i] > limit ? limit : p.dw[i];
                           p.dw[i] = below < -limit ? -limit : below;
                       }
                   });
}

// ---- penalties ----------------------------------------------------------------------------------

template <class T>
void penalty_forward(Penalty R, T* out, const ParameterArrays<T>* parameters, Index count,
                     T strength) {
    using V = Vector<T>;
    T sum = 0;
    for (Index k = 0; k < count; ++k) {
        const T* const w = parameters[k].w;
        const Index n = parameters[k].n;
        sum += R == Penalty::l1 ? sum_of(w, n, [](V v) { return fabs<T>(v); })
                                : sum_of(w, n, [](V v) { return v * v; });
    }
    out[0] = strength * sum;
}

template <class T>
void penalty_backward(Penalty R, const ParameterArrays<T>* parameters, Index count, T strength) {
    using V = Vector<T>;
    for (Index k = 0; k < count; ++k) {
        const auto& [w, dw, kept, n] = parameters[k];
        if (R == Penalty::l1)
            map_vectors(
                n, 0, [=](V d, V v) { return d + strength * sign<T>(v); }, dw, dw, w);
        else
            map_vectors(
                n, 0, [=](V d, V v) { return d + 2 * strength * v; }, dw, dw, w);
    }
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
