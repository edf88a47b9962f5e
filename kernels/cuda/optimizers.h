// Optimiser steps and penalties: one pass over memory each, of all parameters together. Formulas
// stand in kernels/backend.h.
#pragma once

#include "kernels/cuda/math.h"

namespace handgrad::HANDGRAD_GPU {

/// Parameters as an argument of a kernel, which has room for 4 KiB: no list has to be brought to
/// the device, and a recorded graph holds it. Blocks of threads are dealt out parameter by
/// parameter.
template <class T>
struct ParameterList {
    static constexpr int most = 64;
    ParameterArrays<T> parameters[most];
    unsigned first_block[most + 1];
    unsigned threads;  // of a block

    [[nodiscard]] unsigned blocks() const { return first_block[most]; }
};

/// The first 64 of the parameters.
template <class T>
ParameterList<T> list_of(const ParameterArrays<T>* parameters, Index count) {
    ParameterList<T> list{};
    Index longest = 1;
    for (int k = 0; k < ParameterList<T>::most && k < count; ++k) {
        list.parameters[k] = parameters[k];
        longest = longest < parameters[k].n ? parameters[k].n : longest;
    }
    list.threads = threads_for(longest);
    for (int k = 0; k < ParameterList<T>::most; ++k)
        list.first_block[k + 1] =
            list.first_block[k] + blocks_for(list.parameters[k].n, list.threads);
    return list;
}

/// f(parameter, i) for this thread's element of the block that was dealt out as number `block`. k
/// is a parameter that is not behind it, and becomes its own.
template <class T, class F>
__device__ void at_element(const ParameterList<T>& list, unsigned block, int& k, F f) {
    while (block >= list.first_block[k + 1]) ++k;
    const ParameterArrays<T>& p = list.parameters[k];
    const Index i = Index{block - list.first_block[k]} * blockDim.x + threadIdx.x;
    if (i < p.n) f(p, i);
}

template <class T, class F>
__global__ void __launch_bounds__(block_threads)
    each_parameter_kernel(const __grid_constant__ ParameterList<T> list, F f) {
    int k = 0;
    at_element(list, blockIdx.x, k, f);
}

/// f(parameter, i) for each element of all parameters: one launch for every 64 of them.
template <class T, class F>
void each_parameter(const ParameterArrays<T>* parameters, Index count, F f) {
    static_assert(sizeof(ParameterList<T>) + sizeof(F) <= 4096, "a kernel's arguments");
    for (Index begin = 0; begin < count; begin += ParameterList<T>::most) {
        const ParameterList<T> list = list_of(parameters + begin, count - begin);
        if (list.blocks() > 0)
            launch(each_parameter_kernel<T, F>, list.blocks(), list.threads, 0, stream(), list, f);
    }
}

template <class T>
void zero_gradients(const ParameterArrays<T>* parameters, Index count) {
    each_parameter(parameters, count,
                   [=] __device__(const ParameterArrays<T>& p, Index i) { p.dw[i] = T(0); });
}

template <class T>
void sgd_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
              const SgdStep<T>& numbers) {
    const SgdStep<T> s = numbers;
    each_parameter(parameters, count, [=] __device__(const ParameterArrays<T>& p, Index i) {
        T *const w = p.w, *const v = p.kept[0];
        const T g = p.dw[i] + s.weight_decay * w[i];
        T d = g;
        if (v != nullptr) {
            const T gain = *step == 1 ? s.first_gain : s.gain;
            v[i] = s.momentum * v[i] + gain * g;
            d = s.nesterov ? s.momentum * v[i] + gain * g : v[i];
        }
        w[i] -= s.lr * d;
    });
}

template <class T>
void adam_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
               const AdamStep<T>& numbers) {
    const AdamStep<T> s = numbers;
    each_parameter(parameters, count, [=] __device__(const ParameterArrays<T>& p, Index i) {
        // 1 - beta^t = -expm1(t log beta) loses no digits where beta is near 1. Each thread finds
        // it anew: that costs less than waiting for another kernel.
        const T t = static_cast<T>(*step);
        T *const w = p.w, *const m = p.kept[0], *const v = p.kept[1], *const v_max = p.kept[2];
        const T g = p.dw[i] + s.weight_decay * w[i];
        m[i] = s.beta1 * m[i] + s.gain1 * g;
        v[i] = s.beta2 * v[i] + s.gain2 * g * g;
        T second = v[i];
        if (v_max != nullptr) second = v_max[i] = v_max[i] > second ? v_max[i] : second;
        const T mean = m[i] / -expm1(t * s.log_beta1), square = second / -expm1(t * s.log_beta2);
        w[i] = s.keep * w[i] - s.lr * mean / (sqrt(square) + s.eps);
    });
}

template <class T>
void adagrad_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                  const AdagradStep<T>& numbers) {
    const AdagradStep<T> s = numbers;
    each_parameter(parameters, count, [=] __device__(const ParameterArrays<T>& p, Index i) {
        T *const w = p.w, *const sum = p.kept[0];
        const T lr = s.lr / (T(1) + static_cast<T>(*step - 1) * s.lr_decay);
        const T g = p.dw[i] + s.weight_decay * w[i];
        sum[i] += g * g;
        w[i] -= lr * g / (sqrt(sum[i]) + s.eps);
    });
}

template <class T>
void rmsprop_step(const ParameterArrays<T>* parameters, Index count,
                  const RmspropStep<T>& numbers) {
    const RmspropStep<T> s = numbers;
    each_parameter(parameters, count, [=] __device__(const ParameterArrays<T>& p, Index i) {
        T *const w = p.w, *const q = p.kept[0];
        const T g = p.dw[i] + s.weight_decay * w[i];
        q[i] = s.alpha * q[i] + s.gain * g * g;
        T variance = q[i];
        if (s.centered) {
            T* const a = p.kept[1];
            a[i] = s.alpha * a[i] + s.gain * g;
            variance -= a[i] * a[i];
            variance = variance < T(0) ? T(0) : variance;  // rounding; NaN passes
        }
        T d = g / (sqrt(variance) + s.eps);
        if (s.momentum != T(0)) {
            T* const v = p.kept[s.centered ? 2 : 1];
            d = v[i] = s.momentum * v[i] + d;
        }
        w[i] -= s.lr * d;
    });
}

template <class T, class F, class Finish>
__global__ void __launch_bounds__(block_threads)
    sum_parameters_kernel(const __grid_constant__ ParameterList<T> list, F f, Finish finish) {
    double sum = 0;
    int k = 0;
    for (unsigned block = blockIdx.x; block < list.first_block[ParameterList<T>::most];
         block += gridDim.x)
        at_element(list, block, k, [&](const ParameterArrays<T>& p, Index i) { sum += f(p, i); });
    sum = block_sum(sum);
    if (threadIdx.x == 0) finish(blockIdx.x, sum);
}

/// finish(first, the sum over all elements of f(parameter, i)), on the device: in as many launches
/// as sum_all makes, for every 64 parameters, of which the first come with `first`.
template <class T, class F, class Finish>
void sum_parameters(const ParameterArrays<T>* parameters, Index count, F f, Finish finish) {
    static_assert(sizeof(ParameterList<T>) + sizeof(F) + sizeof(Finish) <= 4096,
                  "a kernel's arguments");
    Index begin = 0;
    do {
        const bool first = begin == 0;
        const ParameterList<T> list = list_of(parameters + begin, count - begin);
        sum_of_blocks<double>(
            list.blocks() / worth_a_block,
            [&](unsigned blocks, auto finish_block) {
                launch(sum_parameters_kernel<T, F, decltype(finish_block)>, blocks, list.threads, 0,
                       stream(), list, f, finish_block);
            },
            [=] __device__(unsigned, double sum) { finish(first, sum); });
        begin += ParameterList<T>::most;
    } while (begin < count);
}

template <class T>
void sum_squares(double* out, const ParameterArrays<T>* parameters, Index count) {
    sum_parameters(
        parameters, count,
        [=] __device__(const ParameterArrays<T>& p, Index i) {
            const double value = static_cast<double>(p.dw[i]);
            return value * value;
        },
        [=] __device__(bool first, double sum) { out[0] = first ? sum : out[0] + sum; });
}

template <class T>
void clip_gradients(const ParameterArrays<T>* parameters, Index count, const double* squares,
                    double max_norm) {
    each_parameter(parameters, count, [=] __device__(const ParameterArrays<T>& p, Index i) {
        const T norm = static_cast<T>(sqrt(*squares));
        const T factor = static_cast<T>(max_norm) / (norm + T(1e-6));
        if (!(factor >= T(1))) p.dw[i] *= factor;  // NaN takes this way
    });
}

template <class T>
void clamp_gradients(const ParameterArrays<T>* parameters, Index count, T limit) {
    each_parameter(parameters, count, [=] __device__(const ParameterArrays<T>& p, Index i) {
        const T below = p.dw[i] > limit ? limit : p.dw[i];
        p.dw[i] = below < -limit ? -limit : below;
    });
}

template <class T>
void penalty_forward(Penalty R, T* out, const ParameterArrays<T>* parameters, Index count,
                     T strength) {
    sum_parameters(
        parameters, count,
        [=] __device__(const ParameterArrays<T>& p, Index i) {
            const double w = static_cast<double>(p.w[i]);
            return R == Penalty::l1 ? fabs(w) : w * w;
        },
        [=] __device__(bool first, double sum) {
            const T part = static_cast<T>(static_cast<double>(strength) * sum);
            out[0] = first ? part : out[0] + part;
        });
}

template <class T>
void penalty_backward(Penalty R, const ParameterArrays<T>* parameters, Index count, T strength) {
    each_parameter(parameters, count, [=] __device__(const ParameterArrays<T>& p, Index i) {
        p.dw[i] += R == Penalty::l1 ? strength * sign(p.w[i]) : 2 * strength * p.w[i];
    });
}

}  // namespace handgrad::HANDGRAD_GPU
