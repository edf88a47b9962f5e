#include "layers/batch_norm.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

// BatchNorm: y = w xn + b with xn = (x - mean) r and r = 1 / sqrt(var + eps), for each channel
// alone
//   x (N, C, ...)   w (C)   b (C)   mean, var, r (C)   y (N, C, ...)
//
// Let x[i] be the n values of one channel: over the batch, and over all positions of it. In
// training
//   mean = 1/n sum_i x[i]          var = 1/n sum_i (x[i] - mean)^2
// and the gradients are, with dy[i] = dL/dy[i] and every sum over the channel,
//   dL/dw = sum_i dy[i] xn[i]      dL/db = sum_i dy[i]      dxn[i] := dL/dxn[i] = w dy[i]
//
// x[k] reaches L in three ways: through its own xn[k], through the mean and through r.
//   xn[i] = (x[i] - mean) r    dxn[i]/dx[k] = ([i = k] - dmean/dx[k]) r + (x[i] - mean) dr/dx[k]
//   mean                       dmean/dx[k]  = 1/n
//   var                        dvar/dx[k]   = 2/n sum_i (x[i] - mean) ([i = k] - 1/n)
//                                           = 2/n (x[k] - mean),  as sum_i (x[i] - mean) = 0
//   r = (var + eps)^(-1/2)     dr/dx[k]     = -1/2 r^3 dvar/dx[k] = -r^2 xn[k] / n
// The last line into the first, with (x[i] - mean) = xn[i] / r:
//   dxn[i]/dx[k] = r ([i = k] - 1/n - xn[i] xn[k] / n)
// Hence
//   dL/dx[k] = sum_i dxn[i] dxn[i]/dx[k]
//            = w r (dy[k] - 1/n sum_i dy[i] - xn[k] 1/n sum_i dy[i] xn[i])
// What is left of dy sums to zero over the channel: to move all x[i] alike changes nothing.
//
// In evaluation mean and var are constants, and only the first way is left: dL/dx[k] = w r dy[k].

namespace handgrad {

template <class T>
BatchNorm<T>::BatchNorm(std::string name, Index num_features, const BatchNormOptions& options,
                        Device device, int lowest_rank, int highest_rank)
    : name_(std::move(name)),
      channels_(num_features),
      options_(options),
      lowest_rank_(lowest_rank),
      highest_rank_(highest_rank) {
    if (num_features < 1 || !(options.eps >= 0) || !(options.momentum >= 0) ||
        !(options.momentum <= 1))
        throw Error(name_ + ": no such layer", describe(),
                    "at least one feature, eps >= 0 and 0 <= momentum <= 1");
    const Shape shape{num_features};
    if (options.affine) {
        weight = {"weight", Tensor<T>::full(shape, 1, device), Tensor<T>::zeros(shape, device)};
        bias = {"bias", Tensor<T>::zeros(shape, device), Tensor<T>::zeros(shape, device)};
    }
    if (options.track_running_stats) {
        running_mean = {"running_mean", Tensor<T>::zeros(shape, device)};
        running_var = {"running_var", Tensor<T>::full(shape, 1, device)};
    }
}

template <class T>
void BatchNorm<T>::require_fit(const Tensor<T>& x) const {
    this->require_input(x);
    const bool rank_fits = x.rank() >= lowest_rank_ && x.rank() <= highest_rank_;
    if (rank_fits && x.dim(1) == channels_) return;
    const std::string c = std::to_string(channels_);
    throw Error(describe() + ".forward: the input does not fit", "x of shape " + x.shape().str(),
                lowest_rank_ == 4 ? "x of shape (N, " + c + ", H, W)"
                                  : "x of shape (N, " + c + ") or (N, " + c + ", L)",
                rank_fits ? "build " + name_ + "(" + std::to_string(x.dim(1)) +
                                "), or make the layer before it give " + c + " channels"
                : x.rank() == 4                  ? "images take BatchNorm2d"
                : x.rank() == 2 || x.rank() == 3 ? "rows of features take BatchNorm1d"
                                                 : "reshape x; channels are its second axis");
}

template <class T>
Tensor<T> BatchNorm<T>::forward(const Tensor<T>& x) {
    require_fit(x);
    this->require_same_device(x, weight);
    this->require_same_device(x, running_mean.value);
    const Index outer = x.dim(0), count = x.size() / channels_,
                inner = count / std::max<Index>(outer, 1);
    const Backend<T>& device = backend<T>(x.device());
    of_batch_ = this->training() || !options_.track_running_stats;
    if (of_batch_ && count == 1)
        throw Error(describe() + ".forward: one value per channel has no variance",
                    "x of shape " + x.shape().str(), "at least two values per channel in training",
                    "use larger batches and leave out a last one of a single sample, or eval()");
    mean_ = running_mean.value;
    var_ = running_var.value;
    if (of_batch_) {
        mean_ = Tensor<T>::zeros({channels_}, x.device());
        var_ = Tensor<T>::zeros({channels_}, x.device());
        if (count > 0)
            device.channel_moments(mean_.data(), var_.data(), x.data(), outer, channels_, inner);
    }
    if (this->training() && options_.track_running_stats && count > 0) {
        const double n = static_cast<double>(count), momentum = options_.momentum;
        const T keep = static_cast<T>(1 - momentum);
        device.moving_average(running_mean.value.data(), mean_.data(), keep,
                              static_cast<T>(momentum), channels_);
        device.moving_average(running_var.value.data(), var_.data(), keep,
                              static_cast<T>(momentum * n / (n - 1)), channels_);
        running_mean.value.bump_version();
        running_var.value.bump_version();
    }
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    device.batch_norm_forward(y.data(), x.data(), mean_.data(), var_.data(), weight.value.data(),
                              bias.value.data(), static_cast<T>(options_.eps), outer, channels_,
                              inner);
    x_ = x;
    return y;
}

template <class T>
Tensor<T> BatchNorm<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(x_, dy);
    const Index outer = x_.dim(0), inner = x_.size() / std::max<Index>(outer * channels_, 1);
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    backend<T>(dy.device())
        .batch_norm_backward(dx.data(), weight.grad.data(), bias.grad.data(), dy.data(), x_.data(),
                             mean_.data(), var_.data(), weight.value.data(),
                             static_cast<T>(options_.eps), of_batch_, outer, channels_, inner);
    return dx;
}

template <class T>
std::vector<Parameter<T>*> BatchNorm<T>::parameters() {
    if (!options_.affine) return {};
    return {&weight, &bias};
}

template <class T>
std::vector<Buffer<T>*> BatchNorm<T>::buffers() {
    if (!options_.track_running_stats) return {};
    return {&running_mean, &running_var};
}

template <class T>
std::string BatchNorm<T>::describe() const {
    const BatchNormOptions usual;
    std::string text = name_ + "(" + std::to_string(channels_);
    if (options_.eps != usual.eps) text += ", eps " + number_str(options_.eps);
    if (options_.momentum != usual.momentum) text += ", momentum " + number_str(options_.momentum);
    if (!options_.affine) text += ", not affine";
    if (!options_.track_running_stats) text += ", no running statistics";
    return text + ")";
}

template class BatchNorm<float>;
template class BatchNorm<double>;
template class BatchNorm1d<float>;
template class BatchNorm1d<double>;
template class BatchNorm2d<float>;
template class BatchNorm2d<double>;

}  // namespace handgrad
