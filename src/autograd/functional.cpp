#include "autograd/functional.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "core/tensor_ops.h"

namespace handgrad::functional {
namespace {

/// min(x, 0), the part that activations bend
template <class T>
Variable<T> negative_part(const Variable<T>& x) {
    return -maximum(-x, 0.0);
}

/// 1 where x > limit, else 0. A step is 1/2 where both are equal.
template <class T>
Tensor<T> above(const Variable<T>& x, double limit) {
    return step(step(x.value(), limit), 0.75);
}

/// log(1 + e^z), for any z
template <class T>
Variable<T> log_1_exp(const Variable<T>& z) {
    return maximum(z, 0.0) + log(1 + exp(-abs(z)));
}

/// The losses themselves, their sum, or their sum divided by count.
template <class T>
Variable<T> reduce(const Variable<T>& losses, Reduction reduction, const Variable<T>& count) {
    if (reduction == Reduction::none) return losses;
    return reduction == Reduction::sum ? sum(losses) : sum(losses) / count;
}

template <class T>
Variable<T> reduce(const Variable<T>& losses, Reduction reduction) {
    return reduce(losses, reduction, constant(static_cast<double>(losses.value().size()), losses));
}

/// x (N, C, d1, ...) as rows (N d1 ..., C).
template <class T>
Variable<T> rows_of_classes(const Variable<T>& x) {
    const Index n = x.shape()[0], classes = x.shape()[1], inner = x.value().size() / (n * classes);
    return reshape(permute(reshape(x, {n, classes, inner}), {0, 2, 1}), {n * inner, classes});
}

/// weight[labels[n]] (N); ones without weights.
template <class T>
Variable<T> weights_of(const Labels& labels, const Tensor<T>& weight) {
    const Index n = labels.size();
    if (!weight.defined()) return Variable<T>(Tensor<T>::full({n}, 1, labels.device()));
    return gather(expand(Variable<T>(weight), {n, weight.size()}), labels);
}

}  // namespace

// ---- layers -------------------------------------------------------------------------------------

template <class T>
Variable<T> linear(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias) {
    const Variable<T> y = matmul(x, weight, Trans::no, Trans::yes);
    return bias.defined() ? y + bias : y;
}

template <class T>
Variable<T> relu(const Variable<T>& x) {
    return maximum(x, 0.0);
}

template <class T>
Variable<T> leaky_relu(const Variable<T>& x, double negative_slope) {
    return maximum(x, 0.0) + negative_slope * negative_part(x);
}

template <class T>
Variable<T> prelu(const Variable<T>& x, const Variable<T>& weight) {
    Variable<T> slope = weight;
    if (weight.value().size() > 1) {  // broadcast along the axis of channels
        std::vector<Index> sizes(static_cast<std::size_t>(x.shape().rank() - 1), 1);
        sizes[0] = weight.value().size();
        slope = reshape(weight, Shape(std::span<const Index>(sizes)));
    }
    return maximum(x, 0.0) + slope * negative_part(x);
}

template <class T>
Variable<T> elu(const Variable<T>& x, double alpha) {
    return maximum(x, 0.0) + alpha * (exp(negative_part(x)) - 1);
}

template <class T>
Variable<T> softplus(const Variable<T>& x, double beta, double threshold) {
    const Variable<T> z = beta * x;
    return where(above(z, threshold), x, log_1_exp(z) / beta);
}

// 1 / (1 + e^-x), which overflows nowhere in this form
template <class T>
Variable<T> sigmoid(const Variable<T>& x) {
    return (1 + tanh(x / 2)) / 2;
}

template <class T>
Variable<T> silu(const Variable<T>& x) {
    return x * sigmoid(x);
}

template <class T>
Variable<T> gelu(const Variable<T>& x) {
    return x * (1 + erf(x / std::numbers::sqrt2)) / 2;
}

template <class T>
Variable<T> gelu_tanh(const Variable<T>& x) {
    const double scale = std::sqrt(2 / std::numbers::pi);
    return x * (1 + tanh(scale * (x + 0.044715 * x * x * x))) / 2;
}

template <class T>
Variable<T> softmax(const Variable<T>& x, int dim) {
    const Variable<T> e = exp(x - max(x, {dim}, true).detach());
    return e / sum(e, {dim}, true);
}

template <class T>
Variable<T> log_softmax(const Variable<T>& x, int dim) {
    return x - logsumexp(x, {dim}, true);
}

template <class T>
Variable<T> batch_norm(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias,
                       double eps, const Tensor<T>& running_mean, const Tensor<T>& running_var) {
    const Index n = x.shape()[0], channels = x.shape()[1];
    const Shape per_channel{channels, 1};
    const Variable<T> v = reshape(x, {n, channels, x.value().size() / (n * channels)});
    Variable<T> mu, var;
    if (running_mean.defined()) {
        mu = Variable<T>(running_mean.reshape(per_channel));
        var = Variable<T>(running_var.reshape(per_channel));
    } else {
        mu = mean(v, {0, 2}, true);
        var = mean(pow(v - mu, 2), {0, 2}, true);
    }
    Variable<T> y = (v - mu) / sqrt(var + eps);
    if (weight.defined()) y = y * reshape(weight, per_channel);
    if (bias.defined()) y = y + reshape(bias, per_channel);
    return reshape(y, x.shape());
}

template <class T>
Variable<T> layer_norm(const Variable<T>& x, const Shape& normalized_shape,
                       const Variable<T>& weight, const Variable<T>& bias, double eps) {
    const Index n = normalized_shape.size();
    const Variable<T> rows = reshape(x, {x.value().size() / n, n});
    const Variable<T> centred = rows - mean(rows, {1}, true);
    Variable<T> y = centred / sqrt(mean(pow(centred, 2), {1}, true) + eps);
    if (weight.defined()) y = y * reshape(weight, {n});
    if (bias.defined()) y = y + reshape(bias, {n});
    return reshape(y, x.shape());
}

namespace {

/// Columns from unfold have lost the shape of the windows: (N, channels, OH, OW).
template <class T>
Shape shape_after(const Variable<T>& x, Index channels, std::array<Index, 2> kernel_size,
                  const UnfoldOptions& windows) {
    const auto along = [&](std::size_t i) {
        const Index size = x.shape()[static_cast<int>(i) + 2] + 2 * windows.padding[i];
        return (size - windows.dilation[i] * (kernel_size[i] - 1) - 1) / windows.stride[i] + 1;
    };
    return {x.shape()[0], channels, along(0), along(1)};
}

/// The windows of each channel alone: (N C, KH KW, OH OW).
template <class T>
Variable<T> windows_of_channels(const Variable<T>& x, std::array<Index, 2> kernel_size,
                                const UnfoldOptions& windows) {
    const Shape& s = x.shape();
    return unfold(reshape(x, {s[0] * s[1], 1, s[2], s[3]}), kernel_size, windows);
}

/// 1 where windows_of_channels has the image, 0 where padding.
template <class T>
Tensor<T> image_in_windows(const Variable<T>& x, std::array<Index, 2> kernel_size,
                           const UnfoldOptions& windows) {
    const Variable<T> ones(Tensor<T>::full(x.shape(), 1, x.value().device()));
    return windows_of_channels(ones, kernel_size, windows).value();
}

}  // namespace

template <class T>
Variable<T> conv2d(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias,
                   const UnfoldOptions& windows, Index groups) {
    const Shape& w = weight.shape();
    const Index n = x.shape()[0], outputs = w[0] / groups, inputs = w[1], k = w.row_size();
    const Shape shape = shape_after(x, w[0], {w[2], w[3]}, windows);
    const Index p = shape[2] * shape[3];
    std::vector<Variable<T>> parts;
    for (Index g = 0; g < groups; ++g) {
        const Variable<T> of_group = slice(x, 1, g * inputs, (g + 1) * inputs);
        const Variable<T> columns = unfold(of_group, {w[2], w[3]}, windows);  // (N, K, P)
        const Variable<T> rows =
            reshape(slice(weight, 0, g * outputs, (g + 1) * outputs), {outputs, k});
        const Variable<T> y = matmul(rows, reshape(permute(columns, {1, 0, 2}), {k, n * p}));
        parts.push_back(permute(reshape(y, {outputs, n, p}), {1, 0, 2}));
    }
    const Variable<T> y = reshape(concat(std::span<const Variable<T>>(parts), 1), shape);
    return bias.defined() ? y + reshape(bias, {w[0], 1, 1}) : y;
}

template <class T>
Variable<T> max_pool2d(const Variable<T>& x, std::array<Index, 2> kernel_size,
                       const UnfoldOptions& windows) {
    const Variable<T> nothing = constant(-std::numeric_limits<double>::infinity(), x);
    const Variable<T> elements = where(image_in_windows(x, kernel_size, windows),
                                       windows_of_channels(x, kernel_size, windows), nothing);
    return reshape(max(elements, {1}), shape_after(x, x.shape()[1], kernel_size, windows));
}

template <class T>
Variable<T> avg_pool2d(const Variable<T>& x, std::array<Index, 2> kernel_size,
                       const UnfoldOptions& windows, bool count_include_pad) {
    const Variable<T> inside(image_in_windows(x, kernel_size, windows));
    const Variable<T> count =
        count_include_pad ? constant(static_cast<double>(kernel_size[0] * kernel_size[1]), x)
                          : sum(inside, {1});
    return reshape(sum(windows_of_channels(x, kernel_size, windows), {1}) / count,
                   shape_after(x, x.shape()[1], kernel_size, windows));
}

template <class T>
Variable<T> flatten(const Variable<T>& x, int start_dim, int end_dim) {
    const Shape& shape = x.shape();
    const int start = resolve_axis("flatten", shape, start_dim);
    const int end = resolve_axis("flatten", shape, end_dim);
    std::vector<Index> sizes;
    for (int axis = 0; axis < start; ++axis) sizes.push_back(shape[axis]);
    sizes.push_back(1);
    for (int axis = start; axis <= end; ++axis) sizes.back() *= shape[axis];
    for (int axis = end + 1; axis < shape.rank(); ++axis) sizes.push_back(shape[axis]);
    return reshape(x, Shape(std::span<const Index>(sizes)));
}

// ---- losses -------------------------------------------------------------------------------------

template <class T>
Variable<T> mse_loss(const Variable<T>& x, const Tensor<T>& target, Reduction reduction) {
    const Variable<T> d = x - Variable<T>(target);
    return reduce(d * d, reduction);
}

template <class T>
Variable<T> l1_loss(const Variable<T>& x, const Tensor<T>& target, Reduction reduction) {
    return reduce(abs(x - Variable<T>(target)), reduction);
}

template <class T>
Variable<T> smooth_l1_loss(const Variable<T>& x, const Tensor<T>& target, Reduction reduction,
                           double beta) {
    const Variable<T> d = x - Variable<T>(target), size = abs(d);
    return reduce(where(above(size, beta), size - beta / 2, d * d / (2 * beta)), reduction);
}

template <class T>
Variable<T> binary_cross_entropy(const Variable<T>& x, const Tensor<T>& target,
                                 Reduction reduction) {
    const Variable<T> t(target);
    return reduce(-t * log(x) - (1 - t) * log(1 - x), reduction);
}

template <class T>
Variable<T> binary_cross_entropy_with_logits(const Variable<T>& x, const Tensor<T>& target,
                                             Reduction reduction, const Tensor<T>& pos_weight) {
    const Variable<T> t(target);
    const Variable<T> p = pos_weight.defined() ? Variable<T>(pos_weight) : constant(1, x);
    return reduce(p * t * log_1_exp(-x) + (1 - t) * log_1_exp(x), reduction);
}

template <class T>
Variable<T> cross_entropy(const Variable<T>& logits, const Labels& labels, Reduction reduction,
                          double label_smoothing, const Tensor<T>& weight) {
    const Labels y = labels.reshape({labels.size()});
    const Variable<T> log_q = log_softmax(rows_of_classes(logits)), w = weights_of(y, weight);
    const Variable<T> right = -w * gather(log_q, y);
    const Variable<T> of_all =
        weight.defined() ? -mean(Variable<T>(weight) * log_q, {1}) : -mean(log_q, {1});
    const Variable<T> losses = (1 - label_smoothing) * right + label_smoothing * of_all;
    return reduce(reshape(losses, labels.shape()), reduction, sum(w));
}

template <class T>
Variable<T> cross_entropy(const Variable<T>& logits, const Tensor<T>& shares, Reduction reduction,
                          double label_smoothing, const Tensor<T>& weight) {
    const double classes = static_cast<double>(logits.shape()[1]);
    const Variable<T> t = rows_of_classes(Variable<T>(shares));
    Variable<T> v = (1 - label_smoothing) * t + label_smoothing / classes;
    if (weight.defined()) v = v * Variable<T>(weight);
    const Variable<T> losses = -sum(v * log_softmax(rows_of_classes(logits)), {1});
    return reduce(reshape(losses, without_classes(logits.shape())), reduction);
}

template <class T>
Variable<T> nll_loss(const Variable<T>& log_probabilities, const Labels& labels,
                     Reduction reduction, const Tensor<T>& weight) {
    const Labels y = labels.reshape({labels.size()});
    const Variable<T> w = weights_of(y, weight);
    const Variable<T> losses = -w * gather(rows_of_classes(log_probabilities), y);
    return reduce(reshape(losses, labels.shape()), reduction, sum(w));
}

template <class T>
Variable<T> donsker_varadhan(const Variable<T>& t, Index n) {
    const Index all = t.shape()[0];
    return logsumexp(slice(t, 0, n, all)) - std::log(static_cast<double>(all - n)) -
           mean(slice(t, 0, 0, n));
}

#define HANDGRAD_INSTANTIATE(T)                                                                    \
    template Variable<T> linear(const Variable<T>&, const Variable<T>&, const Variable<T>&);       \
    template Variable<T> relu(const Variable<T>&);                                                 \
    template Variable<T> leaky_relu(const Variable<T>&, double);                                   \
    template Variable<T> prelu(const Variable<T>&, const Variable<T>&);                            \
    template Variable<T> elu(const Variable<T>&, double);                                          \
    template Variable<T> softplus(const Variable<T>&, double, double);                             \
    template Variable<T> sigmoid(const Variable<T>&);                                              \
    template Variable<T> silu(const Variable<T>&);                                                 \
    template Variable<T> gelu(const Variable<T>&);                                                 \
    template Variable<T> gelu_tanh(const Variable<T>&);                                            \
    template Variable<T> softmax(const Variable<T>&, int);                                         \
    template Variable<T> log_softmax(const Variable<T>&, int);                                     \
    template Variable<T> batch_norm(const Variable<T>&, const Variable<T>&, const Variable<T>&,    \
                                    double, const Tensor<T>&, const Tensor<T>&);                   \
    template Variable<T> layer_norm(const Variable<T>&, const Shape&, const Variable<T>&,          \
                                    const Variable<T>&, double);                                   \
    template Variable<T> conv2d(const Variable<T>&, const Variable<T>&, const Variable<T>&,        \
                                const UnfoldOptions&, Index);                                      \
    template Variable<T> max_pool2d(const Variable<T>&, std::array<Index, 2>,                      \
                                    const UnfoldOptions&);                                         \
    template Variable<T> avg_pool2d(const Variable<T>&, std::array<Index, 2>,                      \
                                    const UnfoldOptions&, bool);                                   \
    template Variable<T> flatten(const Variable<T>&, int, int);                                    \
    template Variable<T> mse_loss(const Variable<T>&, const Tensor<T>&, Reduction);                \
    template Variable<T> l1_loss(const Variable<T>&, const Tensor<T>&, Reduction);                 \
    template Variable<T> smooth_l1_loss(const Variable<T>&, const Tensor<T>&, Reduction, double);  \
    template Variable<T> binary_cross_entropy(const Variable<T>&, const Tensor<T>&, Reduction);    \
    template Variable<T> binary_cross_entropy_with_logits(const Variable<T>&, const Tensor<T>&,    \
                                                          Reduction, const Tensor<T>&);            \
    template Variable<T> cross_entropy(const Variable<T>&, const Labels&, Reduction, double,       \
                                       const Tensor<T>&);                                          \
    template Variable<T> cross_entropy(const Variable<T>&, const Tensor<T>&, Reduction, double,    \
                                       const Tensor<T>&);                                          \
    template Variable<T> nll_loss(const Variable<T>&, const Labels&, Reduction, const Tensor<T>&); \
    template Variable<T> donsker_varadhan(const Variable<T>&, Index);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad::functional
