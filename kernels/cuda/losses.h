// Losses: their formulas and derivatives stand in src/losses/.
#pragma once

#include "kernels/cuda/rows.h"

namespace handgrad::HANDGRAD_GPU {

template <class T>
__device__ T pointwise_loss(PointwiseLoss l, T x, T t, T a) {
    constexpr T one = 1, half = T(0.5), lowest_log = -100;
    const T d = fabs(x - t);
    switch (l) {
        case PointwiseLoss::mse:
            return (x - t) * (x - t);
        case PointwiseLoss::l1:
            return d;
        case PointwiseLoss::smooth_l1:
            return d < a ? half * d * d / a : d - half * a;
        case PointwiseLoss::bce:
            return -t * at_least(lowest_log, log(x)) - (one - t) * at_least(lowest_log, log1p(-x));
    }
    return d;
}

template <class T>
__device__ T pointwise_loss_slope(PointwiseLoss l, T x, T t, T a) {
    constexpr T one = 1, two = 2, least = T(1e-12);
    const T d = x - t;
    switch (l) {
        case PointwiseLoss::mse:
            return two * d;
        case PointwiseLoss::l1:
            return sign(d);
        case PointwiseLoss::smooth_l1:
            return fabs(d) < a ? d / a : sign(d);
        case PointwiseLoss::bce:
            return d / at_least(least, x * (one - x));
    }
    return d;
}

template <class T>
void pointwise_loss_forward(PointwiseLoss l, T* losses, const T* x, const T* target, T a, Index n) {
    each(n, [=] __device__(Index i) { losses[i] = pointwise_loss(l, x[i], target[i], a); });
}

template <class T>
void pointwise_loss_backward(PointwiseLoss l, T* dx, const T* dlosses, const T* x, const T* target,
                             T a, Index n) {
    each(n, [=] __device__(Index i) {
        dx[i] = dlosses[i] * pointwise_loss_slope(l, x[i], target[i], a);
    });
}

template <class T>
void bce_with_logits_forward(T* losses, const T* x, const T* target, const T* pos_weight,
                             Index rows, Index cols) {
    each(rows * cols, [=] __device__(Index i) {
        const T p = pos_weight != nullptr ? pos_weight[i % cols] : T(1);
        // -log sigmoid(x) = softplus(-x) and -log sigmoid(-x) = softplus(x)
        losses[i] = p * target[i] * softplus(-x[i]) + (T(1) - target[i]) * softplus(x[i]);
    });
}

template <class T>
void bce_with_logits_backward(T* dx, const T* dlosses, const T* x, const T* target,
                              const T* pos_weight, Index rows, Index cols) {
    each(rows * cols, [=] __device__(Index i) {
        const T p = pos_weight != nullptr ? pos_weight[i % cols] : T(1);
        dx[i] = dlosses[i] * ((T(1) - target[i]) * sigmoid(x[i]) - p * target[i] * sigmoid(-x[i]));
    });
}

template <class T>
void cross_entropy_forward(T* losses, T* probabilities, const T* logits, const std::int32_t* labels,
                           Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) {
        const LogSumExp<T> l = softmax(row, probabilities, logits, cols);
        if (row.lane != 0) return;
        const Index label = labels[row.row];
        losses[row.row] = label >= 0 && label < cols
                              ? l.log_sum + (l.highest - logits[row.row * cols + label])
                              : static_cast<T>(NAN);
    });
}

template <class T>
void cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                            const std::int32_t* labels, Index rows, Index cols) {
    each(rows * cols, [=] __device__(Index i) {
        const Index r = i / cols, label = labels[r];
        const T d = dlosses[r] * probabilities[i];
        dlogits[i] = label < 0 || label >= cols ? static_cast<T>(NAN)
                     : i % cols == label        ? d - dlosses[r]
                                                : d;
    });
}

template <class T>
void soft_cross_entropy_forward(T* losses, T* probabilities, const T* logits, const T* targets,
                                Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) {
        const LogSumExp<T> l = softmax(row, probabilities, logits, cols);
        T loss = 0;
        row.each(cols, [&](Index i) {
            if (targets[i] != T(0)) loss += targets[i] * (l.log_sum + (l.highest - logits[i]));
        });
        loss = warp_sum(loss);
        if (row.lane == 0) losses[row.row] = loss;
    });
}

template <class T>
void soft_cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                 const T* targets, Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) {
        T sum = 0;
        row.each(cols, [&](Index i) { sum += targets[i]; });
        sum = warp_sum(sum);
        row.each(cols, [&](Index i) {
            dlogits[i] = dlosses[row.row] * (probabilities[i] * sum - targets[i]);
        });
    });
}

template <class T>
void class_shares(T* shares, const T* targets, const std::int32_t* labels, const T* weight, T kept,
                  T spread, Index rows, Index cols) {
    each(rows * cols, [=] __device__(Index i) {
        const Index c = i % cols;
        T t = 0;
        if (targets != nullptr) {
            t = targets[i];
        } else {
            const Index label = labels[i / cols];
            t = label < 0 || label >= cols ? static_cast<T>(NAN) : label == c ? T(1) : T(0);
        }
        const T share = kept * t + spread;
        shares[i] = weight != nullptr ? weight[c] * share : share;
    });
}

template <class T>
void sum_class_weights(T* out, const std::int32_t* labels, const T* weight, Index rows,
                       Index classes) {
    sum_all<double>(
        rows,
        [=] __device__(Index r) {
            const Index label = labels[r];
            return label >= 0 && label < classes ? static_cast<double>(weight[label])
                                                 : static_cast<double>(NAN);
        },
        [=] __device__(unsigned, double sum) { out[0] = static_cast<T>(sum); });
}

template <class T>
void nll_forward(T* losses, const T* x, const std::int32_t* labels, const T* weight, Index rows,
                 Index cols) {
    each(rows, [=] __device__(Index r) {
        const Index label = labels[r];
        if (label < 0 || label >= cols) {
            losses[r] = static_cast<T>(NAN);
            return;
        }
        const T w = weight != nullptr ? weight[label] : T(1);
        losses[r] = -w * x[r * cols + label];
    });
}

template <class T>
void nll_backward(T* dx, const T* dlosses, const std::int32_t* labels, const T* weight, Index rows,
                  Index cols) {
    each(rows * cols, [=] __device__(Index i) {
        const Index r = i / cols, c = i % cols, label = labels[r];
        const T w = weight != nullptr ? weight[c] : T(1);
        dx[i] = label < 0 || label >= cols ? static_cast<T>(NAN)
                : c == label               ? -w * dlosses[r]
                                           : T(0);
    });
}

template <class T>
void sum(T* out, const T* x, T scale, Index n) {
    sum_all<T>(
        n, [=] __device__(Index i) { return x[i]; },
        [=] __device__(unsigned, T total) { out[0] = scale * total; });
}

}  // namespace handgrad::HANDGRAD_GPU
