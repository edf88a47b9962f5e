// Losses: their formulas and derivatives stand in src/losses/.
#pragma once

#include "kernels/cpu/softmax.h"

namespace handgrad::cpu::HANDGRAD_ISA {

template <class T>
void pointwise_loss_forward(PointwiseLoss l, T* losses, const T* x, const T* target, T a, Index n) {
    using V = Vector<T>;
    constexpr T one = 1, half = T(0.5), lowest_log = -100;
    const auto map = [=](int functions, auto formula) {
        map_vectors(n, functions, formula, losses, x, target);
    };
    switch (l) {
        case PointwiseLoss::mse:
            return map(0, [](V v, V t) { return (v - t) * (v - t); });
        case PointwiseLoss::l1:
            return map(0, [](V v, V t) { return fabs<T>(v - t); });
        case PointwiseLoss::smooth_l1:
            return map(0, [=](V v, V t) {
                const V d = fabs<T>(v - t);
                return d < a ? half * d * d / a : d - half * a;
            });
        case PointwiseLoss::bce:
            return map(2, [](V v, V t) {
                return -t * at_least(lowest_log, log<T>(v)) -
                       (one - t) * at_least(lowest_log, log1p<T>(-v));
            });
    }
}

template <class T>
void pointwise_loss_backward(PointwiseLoss l, T* dx, const T* dlosses, const T* x, const T* target,
                             T a, Index n) {
    using V = Vector<T>;
    constexpr T one = 1, two = 2, least = T(1e-12);
    const auto map = [=](auto formula) { map_vectors(n, 0, formula, dx, dlosses, x, target); };
    switch (l) {
        case PointwiseLoss::mse:
            return map([](V d, V v, V t) { return d * two * (v - t); });
        case PointwiseLoss::l1:
            return map([](V d, V v, V t) { return d * sign<T>(v - t); });
        case PointwiseLoss::smooth_l1:
            return map([=](V d, V v, V t) {
                const V e = v - t;
                return d * (fabs<T>(e) < a ? e / a : sign<T>(e));
            });
        case PointwiseLoss::bce:
            return map([](V d, V v, V t) { return d * (v - t) / at_least(least, v * (one - v)); });
    }
}

/// y[r, c] = f(x[r, c] .., pos_weight[c]) with the arguments of map_vectors; a null pos_weight
/// is 1.
template <class T, class F, class... Inputs>
void map_weighted_columns(Index rows, Index cols, F f, T* y, const T* pos_weight,
                          const Inputs*... x) {
    if (pos_weight == nullptr || cols == 1) {
        const T p = pos_weight == nullptr ? T{1} : pos_weight[0];
        return map_vectors(
            rows * cols, 2, [=](auto... v) { return f(v..., Vector<T>{} + p); }, y, x...);
    }
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r)
            for (Index c = 0; c < cols; c += lanes<T>) {
                const Index i = r * cols + c, left = end * cols - i;
                const Vector<T> p = load_padded(pos_weight + c, cols - c, T{1});
                store_first(y + i, left, f(load_padded(x + i, left, T{0})..., p));
            }
    };
    parallel_ranges(rows, exp_of_each<T>(rows, 2 * cols, 2), body, 1);
}

template <class T>
void bce_with_logits_forward(T* losses, const T* x, const T* target, const T* pos_weight,
                             Index rows, Index cols) {
    using V = Vector<T>;
    // -log sigmoid(x) = softplus(-x) = max(-x, 0) + l and -log sigmoid(-x) = softplus(x) = max(x,
    // 0) + l, l = log(1 + exp(-|x|)).
    const auto loss = [](V v, V t, V p) {
        const V l = softplus<T>(-fabs<T>(v));
        return p * t * (at_least(T{0}, -v) + l) + (T{1} - t) * (at_least(T{0}, v) + l);
    };
    map_weighted_columns(rows, cols, loss, losses, pos_weight, x, target);
}

template <class T>
void bce_with_logits_backward(T* dx, const T* dlosses, const T* x, const T* target,
                              const T* pos_weight, Index rows, Index cols) {
    using V = Vector<T>;
    const auto gradient = [](V d, V v, V t, V p) {
        return d * ((T{1} - t) * sigmoid<T>(v) - p * t * sigmoid<T>(-v));
    };
    map_weighted_columns(rows, cols, gradient, dx, pos_weight, dlosses, x, target);
}

template <class T>
void cross_entropy_forward(T* losses, T* probabilities, const T* logits, const std::int32_t* labels,
                           Index rows, Index cols) {
    softmax_rows<Rows::probabilities>(
        probabilities, logits, rows, cols, [=](Index r, LogSumExp<T> lse) {
            losses[r] = lse.log_sum + (lse.highest - logits[r * cols + labels[r]]);
        });
}

template <class T>
void cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                            const std::int32_t* labels, Index rows, Index cols) {
    const auto body = [=](T* to, Index begin, Index end) {
        for (Index r = begin; r < end; ++r, to += cols) {
            const T d = dlosses[r];
            const T* p = probabilities + r * cols;
            for (Index c = 0; c < cols; c += lanes<T>) {
                const Index left = (end - r) * cols - c;
                prefetch_ahead(p + c);
                prefetch_ahead(to + c);
                store_first(to + c, left, d * load_padded(p + c, left, T{0}));
            }
            to[labels[r]] = d * (p[labels[r]] - T{1});
        }
    };
    each_result(rows, cols, dlogits, false, streaming<T>(rows * cols, 2), 1, body);
}

template <class T>
void soft_cross_entropy_forward(T* losses, T* probabilities, const T* logits, const T* targets,
                                Index rows, Index cols) {
    softmax_rows<Rows::probabilities>(
        probabilities, logits, rows, cols, [=](Index r, LogSumExp<T> lse) {
            const T* o = logits + r * cols;
            const T* target = targets + r * cols;
            losses[r] = sum_over<T>(cols, [=](Index c, Index n) {
                const Vector<T> t = load_padded(target + c, n, T{0});
                const Vector<T> terms =
                    t * (lse.log_sum + (lse.highest - load_padded(o + c, n, T{0})));
                return t != T{0} ? terms : Vector<T>{};
            });
        });
}

template <class T>
void soft_cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                 const T* targets, Index rows, Index cols) {
    const auto body = [=](T* to, Index begin, Index end) {
        for (Index r = begin; r < end; ++r, to += cols) {
            const T *p = probabilities + r * cols, *target = targets + r * cols;
            const T d = dlosses[r];
            const T sum = sum_of_part(target, cols, [](Vector<T> v) { return v; });
            for (Index c = 0; c < cols; ++c) to[c] = d * (p[c] * sum - target[c]);
        }
    };
    each_result(rows, cols, dlogits, false, streaming<T>(rows * cols, 3), 1, body);
}

template <class T>
void class_shares(T* shares, const T* targets, const std::int32_t* labels, const T* weight, T kept,
                  T spread, Index rows, Index cols) {
    const auto body = [=](Index begin, Index end) {
        for (Index r = begin; r < end; ++r)
            for (Index c = 0; c < cols; ++c) {
                const Index i = r * cols + c;
                const T t = targets != nullptr ? targets[i] : c == labels[r] ? T{1} : T{0};
                const T share = kept * t + spread;
                shares[i] = weight != nullptr ? weight[c] * share : share;
            }
    };
    parallel_ranges(rows, streaming<T>(rows * cols, targets != nullptr ? 2 : 1), body, 1);
}

template <class T>
void sum_class_weights(T* out, const std::int32_t* labels, const T* weight, Index rows, Index) {
    double sum = 0;
    for (Index r = 0; r < rows; ++r) sum += static_cast<double>(weight[labels[r]]);
    out[0] = static_cast<T>(sum);
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

}  // namespace handgrad::cpu::HANDGRAD_ISA
