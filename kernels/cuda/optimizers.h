// Optimiser steps: one pass over memory each. Formulas stand in kernels/backend.h.
#pragma once

#include "kernels/cuda/math.h"

namespace handgrad::HANDGRAD_GPU {

template <class T>
void sgd_step(T* w, T* v, const T* dw, const SgdStep<T>& step, Index n) {
    const SgdStep<T> s = step;
    each(n, [=] __device__(Index i) {
        const T g = dw[i] + s.weight_decay * w[i];
        T d = g;
        if (v != nullptr) {
            v[i] = s.momentum * v[i] + s.gain * g;
            d = s.nesterov ? s.momentum * v[i] + s.gain * g : v[i];
        }
        w[i] -= s.lr * d;
    });
}

template <class T>
void adam_step(T* w, T* m, T* v, T* v_max, const T* dw, const AdamStep<T>& step, Index n) {
    const AdamStep<T> s = step;
    each(n, [=] __device__(Index i) {
        const T g = dw[i] + s.weight_decay * w[i];
        m[i] = s.beta1 * m[i] + s.gain1 * g;
        v[i] = s.beta2 * v[i] + s.gain2 * g * g;
        T second = v[i];
        if (v_max != nullptr) second = v_max[i] = v_max[i] > second ? v_max[i] : second;
        w[i] = s.keep * w[i] - s.lr * m[i] / (s.root_scale * sqrt(second) + s.eps);
    });
}

template <class T>
void adagrad_step(T* w, T* sum, const T* dw, const AdagradStep<T>& step, Index n) {
    const AdagradStep<T> s = step;
    each(n, [=] __device__(Index i) {
        const T g = dw[i] + s.weight_decay * w[i];
        sum[i] += g * g;
        w[i] -= s.lr * g / (sqrt(sum[i]) + s.eps);
    });
}

template <class T>
void rmsprop_step(T* w, T* q, T* a, T* v, const T* dw, const RmspropStep<T>& step, Index n) {
    const RmspropStep<T> s = step;
    each(n, [=] __device__(Index i) {
        const T g = dw[i] + s.weight_decay * w[i];
        q[i] = s.alpha * q[i] + s.gain * g * g;
        T variance = q[i];
        if (a != nullptr) {
            a[i] = s.alpha * a[i] + s.gain * g;
            variance -= a[i] * a[i];
            variance = variance < T(0) ? T(0) : variance;  // rounding; NaN passes
        }
        T d = g / (sqrt(variance) + s.eps);
        if (v != nullptr) d = v[i] = s.momentum * v[i] + d;
        w[i] -= s.lr * d;
    });
}

template <class T>
void add_squares(double* out, const T* x, Index n) {
    sum_all<double>(
        n,
        [=] __device__(Index i) {
            const double value = static_cast<double>(x[i]);
            return value * value;
        },
        [=] __device__(unsigned, double sum) { out[0] += sum; });
}

template <class T>
void scale(T* x, T factor, Index n) {
    each(n, [=] __device__(Index i) { x[i] *= factor; });
}

template <class T>
void clamp(T* x, T limit, Index n) {
    each(n, [=] __device__(Index i) {
        const T below = x[i] > limit ? limit : x[i];
        x[i] = below < -limit ? -limit : below;
    });
}

}  // namespace handgrad::HANDGRAD_GPU
