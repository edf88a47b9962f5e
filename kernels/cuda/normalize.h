// Normalisation of channels and of rows: derived in src/layers/batch_norm.cpp and layer_norm.cpp. A
// block finds a channel's sums, a warp a row's; both in double, as on the CPU.
#pragma once

#include "kernels/cuda/launch.h"

namespace handgrad::HANDGRAD_GPU {

/// The elements of channel c of x (outer, channels, inner), shared out to the threads of a block.
struct Channel {
    Index outer, channels, inner, c;

    template <class F>
    __device__ void each(F f) const {
        for (Index k = threadIdx.x; k < outer * inner; k += blockDim.x)
            f((k / inner * channels + c) * inner + k % inner);
    }
};

template <class T>
void channel_moments(T* mean, T* var, const T* x, Index outer, Index channels, Index inner) {
    each_block(channels, outer * inner, [=] __device__(Index c) {
        const Channel channel{outer, channels, inner, c};
        const double count = static_cast<double>(outer * inner);
        double sum = 0, squares = 0;
        channel.each([&](Index i) { sum += static_cast<double>(x[i]); });
        const double m = block_sum(sum) / count;
        channel.each([&](Index i) {
            const double d = static_cast<double>(x[i]) - m;
            squares += d * d;
        });
        squares = block_sum(squares);
        if (threadIdx.x == 0) {
            mean[c] = static_cast<T>(m);
            var[c] = static_cast<T>(squares / count);
        }
    });
}

template <class T>
void moving_average(T* average, const T* x, T keep, T gain, Index n) {
    each(n, [=] __device__(Index i) { average[i] = keep * average[i] + gain * x[i]; });
}

template <class T>
void batch_norm_forward(T* y, const T* x, const T* mean, const T* var, const T* weight,
                        const T* bias, T eps, Index outer, Index channels, Index inner) {
    each(outer * channels * inner, [=] __device__(Index i) {
        const Index c = i / inner % channels;
        const T scale = (weight != nullptr ? weight[c] : T(1)) / sqrt(var[c] + eps);
        y[i] = (x[i] - mean[c]) * scale + (bias != nullptr ? bias[c] : T(0));
    });
}

template <class T>
void batch_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                         const T* var, const T* weight, T eps, bool of_batch, Index outer,
                         Index channels, Index inner) {
    each_block(channels, outer * inner, [=] __device__(Index c) {
        const Channel channel{outer, channels, inner, c};
        const double count = static_cast<double>(outer * inner);
        const T m = mean[c], rstd = T(1) / sqrt(var[c] + eps);
        const T scale = (weight != nullptr ? weight[c] : T(1)) * rstd;
        double sum = 0, sum_xn = 0;  // of dy and dy xn
        channel.each([&](Index i) {
            sum += static_cast<double>(dy[i]);
            sum_xn += static_cast<double>(dy[i]) * static_cast<double>((x[i] - m) * rstd);
        });
        sum = block_sum(sum);
        sum_xn = block_sum(sum_xn);
        if (threadIdx.x == 0 && weight != nullptr) {
            dweight[c] += static_cast<T>(sum_xn);
            dbias[c] += static_cast<T>(sum);
        }
        const T mean_dy = of_batch ? static_cast<T>(sum / count) : T(0);
        const T mean_dy_xn = of_batch ? static_cast<T>(sum_xn / count) : T(0);
        channel.each(
            [&](Index i) { dx[i] = scale * (dy[i] - mean_dy - (x[i] - m) * rstd * mean_dy_xn); });
    });
}

template <class T>
void layer_norm_forward(T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias, T eps,
                        Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) {
        const double count = static_cast<double>(cols);
        double sum = 0, squares = 0;
        row.each(cols, [&](Index i) { sum += static_cast<double>(x[i]); });
        const double m = warp_sum(sum) / count;
        row.each(cols, [&](Index i) {
            const double d = static_cast<double>(x[i]) - m;
            squares += d * d;
        });
        const T variance = static_cast<T>(warp_sum(squares) / count);
        const T mr = static_cast<T>(m), s = T(1) / sqrt(variance + eps);
        row.each(cols, [&](Index i) {
            const Index c = i % cols;
            y[i] = (x[i] - mr) * s * (weight != nullptr ? weight[c] : T(1)) +
                   (bias != nullptr ? bias[c] : T(0));
        });
        if (row.lane == 0) {
            mean[row.row] = mr;
            rstd[row.row] = s;
        }
    });
}

template <class T>
void layer_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                         const T* rstd, const T* weight, Index rows, Index cols) {
    each_row(rows, [=] __device__(RowLane row) {
        const double count = static_cast<double>(cols);
        const T m = mean[row.row], s = rstd[row.row];
        const auto g = [&](Index i) {
            return weight != nullptr ? dy[i] * weight[i % cols] : dy[i];
        };
        double sum = 0, sum_xn = 0;  // of g and g xn
        row.each(cols, [&](Index i) {
            sum += static_cast<double>(g(i));
            sum_xn += static_cast<double>(g(i)) * static_cast<double>((x[i] - m) * s);
        });
        const T mean_g = static_cast<T>(warp_sum(sum) / count);
        const T mean_g_xn = static_cast<T>(warp_sum(sum_xn) / count);
        row.each(cols, [&](Index i) { dx[i] = s * (g(i) - mean_g - (x[i] - m) * s * mean_g_xn); });
    });
    if (weight == nullptr) return;
    each(cols, [=] __device__(Index c) {
        double sum = 0, sum_xn = 0;  // of dy and dy xn
        for (Index r = 0; r < rows; ++r) {
            const Index i = r * cols + c;
            sum += static_cast<double>(dy[i]);
            sum_xn += static_cast<double>(dy[i]) * static_cast<double>((x[i] - mean[r]) * rstd[r]);
        }
        dweight[c] += static_cast<T>(sum_xn);
        dbias[c] += static_cast<T>(sum);
    });
}

}  // namespace handgrad::HANDGRAD_GPU
