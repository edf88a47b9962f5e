#include "layers/conv2d.h"

#include "core/error.h"
#include "init/init.h"

// Conv2d: every window of x, times the same weight
//   x (N, C, H, W)   W (O, C, KH, KW)   b (O)   y (N, O, OH, OW)
//
// With s, p and d for stride, padding and dilation, and x = 0 outside of the image,
//   y[n,o,i,j] = b[o] + sum_{c,k,l} W[o,c,k,l] x[n, c, i s - p + k d, j s - p + l d]
// hence with dy = dL/dy (N, O, OH, OW)
//   dL/dW[o,c,k,l] = sum_{n,i,j} dy[n,o,i,j] x[n, c, i s - p + k d, j s - p + l d]
//   dL/db[o]       = sum_{n,i,j} dy[n,o,i,j]
//   dL/dx[n,c,u,v] = sum of W[o,c,k,l] dy[n,o,i,j] over all o and all k, l, i, j
//                    with i s - p + k d = u and j s - p + l d = v
//
// As products: let X (C KH KW, OH OW) hold the windows of a sample as columns,
//   X[(c,k,l), (i,j)] = x[c, i s - p + k d, j s - p + l d]
// and take W as (O, C KH KW), y and dy of the sample as (O, OH OW). Then
//   y = W X + b    dW = sum over samples of dy X'    dX = W' dy
// and each element of dX is added to the dx whose x it is.
//
// With groups, the channels of x and of y are cut into as many parts, and each part of y is a
// convolution of its part of x alone; so C above is in_channels / groups.

namespace handgrad {
namespace {

/// As code, without what is PyTorch's default: "Conv2d(1, 20, 5, {.stride = 2})".
std::string text_of(Index in, Index out, Pair kernel_size, const Conv2dOptions& o) {
    std::string options;
    const auto add = [&](const std::string& option) {
        options += (options.empty() ? "" : ", ") + option;
    };
    if (o.stride != Pair(1)) add(".stride = " + o.stride.str());
    if (o.padding != Pair(0)) add(".padding = " + o.padding.str());
    if (o.dilation != Pair(1)) add(".dilation = " + o.dilation.str());
    if (o.groups != 1) add(".groups = " + std::to_string(o.groups));
    if (!o.bias) add(".bias = false");
    return "Conv2d(" + std::to_string(in) + ", " + std::to_string(out) + ", " + kernel_size.str() +
           (options.empty() ? "" : ", {" + options + "}") + ")";
}

}  // namespace

template <class T>
Conv2d<T>::Conv2d(Index in_channels, Index out_channels, Pair kernel_size, Random& random,
                  const Conv2dOptions& options, Device device)
    : in_(in_channels),
      out_(out_channels),
      kernel_size_(kernel_size),
      options_(options),
      text_(text_of(in_channels, out_channels, kernel_size, options)) {
    require_pair(text_, "kernel_size", kernel_size, 1);
    require_pair(text_, "stride", options.stride, 1);
    require_pair(text_, "padding", options.padding, 0);
    require_pair(text_, "dilation", options.dilation, 1);
    const Index groups = options.groups;
    if (in_ < 1 || out_ < 1 || groups < 1 || in_ % groups != 0 || out_ % groups != 0)
        throw Error("Conv2d: no such layer", text_,
                    "at least one channel in and one out, and groups that divide both");
    const Shape shape{out_, in_ / groups, kernel_size.h, kernel_size.w};
    const Shape bias_shape{options.bias ? out_ : 0};
    weight = {"weight", Tensor<T>::empty(shape, device), Tensor<T>::zeros(shape, device)};
    bias = {"bias", Tensor<T>::empty(bias_shape, device), Tensor<T>::zeros(bias_shape, device)};
    init::linear_default(weight.value, bias.value, random);
}

template <class T>
Conv2dSizes Conv2d<T>::sizes_for(const Shape& x) const {
    const Windows windows =
        windows_over(text_, x, kernel_size_, options_.stride, options_.padding, options_.dilation);
    if (x[1] != in_)
        throw Error(text_ + ".forward: the input does not fit", "x of shape " + x.str(),
                    "x of shape (N, " + std::to_string(in_) + ", H, W)",
                    "make the layer before it give " + std::to_string(in_) +
                        " channels, or build Conv2d(" + std::to_string(x[1]) + ", " +
                        std::to_string(out_) + ", " + kernel_size_.str() + ")");
    return {x[0], in_, out_, options_.groups, windows};
}

template <class T>
Tensor<T> Conv2d<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    this->require_same_device(x, weight);
    const Conv2dSizes sizes = sizes_for(x.shape());
    Tensor<T> y = Tensor<T>::empty({sizes.n, out_, sizes.windows.h.out, sizes.windows.w.out},
                                   x.device());  // (N, O, OH, OW)
    backend<T>(x.device())
        .conv2d_forward(y.data(), x.data(), weight.value.data(),
                        options_.bias ? bias.value.data() : nullptr, sizes);
    x_ = x;
    y_ = y;
    return y;
}

template <class T>
Tensor<T> Conv2d<T>::backward(const Tensor<T>& dy) {
    backward_parameters(dy);
    Tensor<T> dx = Tensor<T>::empty(x_.shape(), x_.device());  // (N, C, H, W)
    backend<T>(x_.device())
        .conv2d_backward_input(dx.data(), dy.data(), weight.value.data(), sizes_for(x_.shape()));
    return dx;
}

template <class T>
void Conv2d<T>::backward_parameters(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    backend<T>(x_.device())
        .conv2d_backward_weight(weight.grad.data(), options_.bias ? bias.grad.data() : nullptr,
                                dy.data(), x_.data(), sizes_for(x_.shape()));
}

template <class T>
std::vector<Parameter<T>*> Conv2d<T>::parameters() {
    if (options_.bias) return {&weight, &bias};
    return {&weight};
}

template class Conv2d<float>;
template class Conv2d<double>;

}  // namespace handgrad
