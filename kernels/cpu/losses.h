// Losses and penalties: their formulas and derivatives stand in src/losses/.
#pragma once

#include "kernels/cpu/softmax.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// Replaces numbers below `least`; NaN stays NaN.
template <class T>
[[gnu::always_inline]] inline T at_least(T least, T x) {
    return x < least ? least : x;
}

template <class T>
void pointwise_loss_forward(PointwiseLoss l, T* losses, const T* x, const T* target, T a, Index n) {
    constexpr T one = 1, half = T(0.5), lowest_log = -100;
    const T* t = target;
    switch (l) {
        case PointwiseLoss::mse:
            return each<T>(n, 3, 0, [=](Index i) { losses[i] = (x[i] - t[i]) * (x[i] - t[i]); });
        case PointwiseLoss::l1:
            return each<T>(n, 3, 0, [=](Index i) { losses[i] = fabs(x[i] - t[i]); });
        case PointwiseLoss::smooth_l1:
            return each<T>(n, 3, 0, [=](Index i) {
                const T d = fabs(x[i] - t[i]);
                losses[i] = d < a ? half * d * d / a : d - half * a;
            });
        case PointwiseLoss::bce:
            return each<T>(n, 3, 2, [=](Index i) {
                losses[i] = -t[i] * at_least(lowest_log, log(x[i])) -
                            (one - t[i]) * at_least(lowest_log, log1p(-x[i]));
            });
    }
}

template <class T>
void pointwise_loss_backward(PointwiseLoss l, T* dx, const T* dlosses, const T* x, const T* target,
                             T a, Index n) {
    constexpr T one = 1, two = 2, least = T(1e-12);
    const T *t = target, *dl = dlosses;
    switch (l) {
        case PointwiseLoss::mse:
            return each<T>(n, 4, 0, [=](Index i) { dx[i] = dl[i] * two * (x[i] - t[i]); });
        case PointwiseLoss::l1:
            return each<T>(n, 4, 0, [=](Index i) { dx[i] = dl[i] * sign(x[i] - t[i]); });
        case PointwiseLoss::smooth_l1:
            return each<T>(n, 4, 0, [=](Index i) {
                const T d = x[i] - t[i];
                dx[i] = dl[i] * (fabs(d) < a ? d / a : sign(d));
            });
        case PointwiseLoss::bce:
            return each<T>(n, 4, 0, [=](Index i) {
                dx[i] = dl[i] * (x[i] - t[i]) / at_least(least, x[i] * (one - x[i]));
            });
    }
}

template <class T>
void bce_with_logits_forward(T* losses, const T* x, const T* target, const T* pos_weight,
                             Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r)
            for (Index c = 0; c < cols; ++c) {
                const Index i = r * cols + c;
                const T p = pos_weight != nullptr ? pos_weight[c] : T{1};
                // -log sigmoid(x) = softplus(-x) and -log sigmoid(-x) = softplus(x)
                losses[i] = p * target[i] * softplus(-x[i]) + (T{1} - target[i]) * softplus(x[i]);
            }
    };
    parallel_ranges(rows, exp_of_each(rows, cols), body, 1);
}

template <class T>
void bce_with_logits_backward(T* dx, const T* dlosses, const T* x, const T* target,
                              const T* pos_weight, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r)
            for (Index c = 0; c < cols; ++c) {
                const Index i = r * cols + c;
                const T p = pos_weight != nullptr ? pos_weight[c] : T{1};
                dx[i] = dlosses[i] *
                        ((T{1} - target[i]) * sigmoid(x[i]) - p * target[i] * sigmoid(-x[i]));
            }
    };
    parallel_ranges(rows, exp_of_each(rows, cols), body, 1);
}

template <class T>
void cross_entropy_forward(T* losses, T* probabilities, const T* logits, const std::int32_t* labels,
                           Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T* o = logits + r * cols;
            const auto [highest, log_sum] = softmax(probabilities + r * cols, o, cols);
            losses[r] = log_sum + (highest - o[labels[r]]);
        }
    };
    parallel_ranges(rows, exp_of_each(rows, cols), body, 1);
}

template <class T>
void cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                            const std::int32_t* labels, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            for (Index i = r * cols; i < (r + 1) * cols; ++i)
                dlogits[i] = dlosses[r] * probabilities[i];
            dlogits[r * cols + labels[r]] -= dlosses[r];
        }
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 2), body, 1);
}

template <class T>
void soft_cross_entropy_forward(T* losses, T* probabilities, const T* logits, const T* targets,
                                Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            const T* o = logits + r * cols;
            const T* target = targets + r * cols;
            const auto [highest, log_sum] = softmax(probabilities + r * cols, o, cols);
            T loss = 0;
            for (Index c = 0; c < cols; ++c)
                if (target[c] != T{0}) loss += target[c] * (log_sum + (highest - o[c]));
            losses[r] = loss;
        }
    };
    parallel_ranges(rows, exp_of_each(rows, cols), body, 1);
}

template <class T>
void soft_cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                 const T* targets, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r) {
            T sum = 0;
            for (Index i = r * cols; i < (r + 1) * cols; ++i) sum += targets[i];
            for (Index i = r * cols; i < (r + 1) * cols; ++i)
                dlogits[i] = dlosses[r] * (probabilities[i] * sum - targets[i]);
        }
    };
    parallel_ranges(rows, streaming<T>(rows * cols, 3), body, 1);
}

template <class T>
void nll_forward(T* losses, const T* x, const std::int32_t* labels, const T* weight, Index rows,
                 Index cols) {
    for (Index r = 0; r < rows; ++r) {
        const T w = weight != nullptr ? weight[labels[r]] : T{1};
        losses[r] = -w * x[r * cols + labels[r]];
    }
}

template <class T>
void nll_backward(T* dx, const T* dlosses, const std::int32_t* labels, const T* weight, Index rows,
                  Index cols) {
    fill(dx, T{0}, rows * cols);
    for (Index r = 0; r < rows; ++r) {
        const T w = weight != nullptr ? weight[labels[r]] : T{1};
        dx[r * cols + labels[r]] = -w * dlosses[r];
    }
}

/// sum_i f(x[i]) on one thread, in `lanes` partial sums as Backend::sum.
template <class T, class F>
T sum_of(const T* x, Index n, F f) {
    T partial[lanes<T>] = {};
    Index i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>)
        for (int lane = 0; lane < lanes<T>; ++lane) partial[lane] += f(x[i + lane]);
    T total = 0;
    for (const T p : partial) total += p;
    for (; i < n; ++i) total += f(x[i]);
    return total;
}

template <class T>
void penalty_forward(Penalty R, T* out, const T* w, T strength, Index n) {
    out[0] += strength * (R == Penalty::l1 ? sum_of(w, n, [](T v) { return fabs(v); })
                                           : sum_of(w, n, [](T v) { return v * v; }));
}

template <class T>
void penalty_backward(Penalty R, T* dw, const T* w, T strength, Index n) {
    if (R == Penalty::l1)
        each<T>(n, 3, 0, [=](Index i) { dw[i] += strength * sign(w[i]); });
    else
        each<T>(n, 3, 0, [=](Index i) { dw[i] += 2 * strength * w[i]; });
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
