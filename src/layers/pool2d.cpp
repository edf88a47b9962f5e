#include "layers/pool2d.h"

#include "core/error.h"

// Pools: each window of each channel becomes one number
//   x (N, C, H, W)   y (N, C, OH, OW)
//
// With s and p for stride and padding, window (i, j) of a channel holds the elements
//   x[u, v]   with   i s - p <= u < i s - p + KH   and   j s - p <= v < j s - p + KW
//
// MaxPool2d: y[i,j] = x[u*, v*], the greatest of the window. A small step of any other element
// leaves y as it is, hence dy[i,j]/dx[u,v] = 1 for (u,v) = (u*,v*), else 0:
//   dL/dx[u,v] = sum of dL/dy[i,j] over the windows whose greatest element is x[u,v]
// Where several are equal there is no derivative; as in PyTorch, the first in row-major order gets
// all of the gradient.
//
// AvgPool2d: y[i,j] = 1/n sum of the window's elements, where n[i,j] counts them: KH KW, or those
// within the image alone. Each has dy[i,j]/dx[u,v] = 1/n[i,j], hence
//   dL/dx[u,v] = sum of dL/dy[i,j] / n[i,j] over the windows that hold x[u,v]

namespace handgrad {

template <class T>
Pool2d<T>::Pool2d(const std::string& name, Pair kernel_size, std::optional<Pair> stride,
                  Pair padding, bool count_include_pad)
    : text_(name + "(" + kernel_size.str()),
      kernel_size_(kernel_size),
      stride_(stride.value_or(kernel_size)),
      padding_(padding) {
    const bool says_padding = padding != Pair(0) || !count_include_pad;
    if (stride_ != kernel_size || says_padding) text_ += ", " + stride_.str();
    if (says_padding) text_ += ", " + padding.str();
    text_ += count_include_pad ? ")" : ", false)";
    require_pair(text_, "kernel_size", kernel_size_, 1);
    require_pair(text_, "stride", stride_, 1);
    require_pair(text_, "padding", padding_, 0);
    if (2 * padding.h > kernel_size.h || 2 * padding.w > kernel_size.w)
        throw Error(text_ + ": no such layer",
                    "padding " + padding.str() + " for kernel_size " + kernel_size.str(),
                    "padding of at most half of kernel_size",
                    "pad less: a window of padding alone has no greatest element and no mean");
}

template <class T>
Windows Pool2d<T>::windows_over(const Shape& x) const {
    return handgrad::windows_over(text_, x, kernel_size_, stride_, padding_, 1);
}

template <class T>
Tensor<T> Pool2d<T>::output_for(const Tensor<T>& x, const Windows& windows) {
    x_shape_ = x.shape();
    y_ = Tensor<T>::empty({x.dim(0), x.dim(1), windows.h.out, windows.w.out}, x.device());
    return y_;
}

template <class T>
Tensor<T> Pool2d<T>::gradient_for(const Tensor<T>& dy) const {
    this->require_gradient_of(y_, dy);
    return Tensor<T>::empty(x_shape_, dy.device());
}

template <class T>
Tensor<T> MaxPool2d<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    windows_ = this->windows_over(x.shape());
    constexpr Index too_many = Index{1} << 31;
    if (x.dim(2) >= too_many || x.dim(3) >= too_many || x.dim(2) * x.dim(3) >= too_many)
        throw Error(this->describe() + ".forward: the images are too large",
                    "x of shape " + x.shape().str(), "fewer than 2^31 pixels a channel",
                    "cut the images into parts");
    Tensor<T> y = this->output_for(x, windows_);
    chosen_ = Tensor<std::int32_t>::empty(y.shape(), x.device());
    backend<T>(x.device())
        .max_pool2d_forward(y.data(), chosen_.data(), x.data(), x.dim(0) * x.dim(1), windows_);
    return y;
}

template <class T>
Tensor<T> MaxPool2d<T>::backward(const Tensor<T>& dy) {
    Tensor<T> dx = this->gradient_for(dy);
    backend<T>(dy.device())
        .max_pool2d_backward(dx.data(), dy.data(), chosen_.data(), dy.dim(0) * dy.dim(1), windows_);
    return dx;
}

template <class T>
Tensor<T> AvgPool2d<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    windows_ = this->windows_over(x.shape());
    Tensor<T> y = this->output_for(x, windows_);
    backend<T>(x.device())
        .avg_pool2d_forward(y.data(), x.data(), x.dim(0) * x.dim(1), windows_, count_include_pad_);
    return y;
}

template <class T>
Tensor<T> AvgPool2d<T>::backward(const Tensor<T>& dy) {
    Tensor<T> dx = this->gradient_for(dy);
    backend<T>(dy.device())
        .avg_pool2d_backward(dx.data(), dy.data(), dy.dim(0) * dy.dim(1), windows_,
                             count_include_pad_);
    return dx;
}

#define HANDGRAD_INSTANTIATE(T)  \
    template class Pool2d<T>;    \
    template class MaxPool2d<T>; \
    template class AvgPool2d<T>;
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
