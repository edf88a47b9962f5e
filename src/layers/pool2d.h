// MaxPool2d and AvgPool2d: each window of an image becomes one number
#pragma once

#include <optional>

#include "layers/layer.h"
#include "layers/windows.h"

namespace handgrad {

/// What they share: x (N, C, H, W) -> y (N, C, OH, OW), each channel alone, with
///   OH = floor((H + 2 padding - kernel_size) / stride) + 1, OW likewise.
template <class T>
class Pool2d : public Layer<T> {
  public:
    [[nodiscard]] std::string describe() const final { return text_; }

  protected:
    /// Without a stride, windows stand side by side: stride = kernel_size. Throws Error unless
    /// kernel_size and stride are at least 1 and padding at most half of kernel_size, so that no
    /// window holds padding alone.
    Pool2d(const std::string& name, Pair kernel_size, std::optional<Pair> stride, Pair padding,
           bool count_include_pad = true);

    /// For forward: the windows over x; throws Error where they do not fit.
    [[nodiscard]] Windows windows_over(const Shape& x) const;
    /// y for x with these windows, uninitialised; kept for backward.
    Tensor<T> output_for(const Tensor<T>& x, const Windows& windows);
    /// For backward: dx, uninitialised; throws Error where dy does not fit.
    Tensor<T> gradient_for(const Tensor<T>& dy) const;

  private:
    std::string text_;  // describe()
    Pair kernel_size_, stride_, padding_;
    Tensor<T> y_;
    Shape x_shape_;
};

/// The greatest element of each window, NaN where there is one. Padding never wins: it counts as
/// -infinity.
template <class T>
class MaxPool2d final : public Pool2d<T> {
  public:
    explicit MaxPool2d(Pair kernel_size, std::optional<Pair> stride = {}, Pair padding = 0)
        : Pool2d<T>("MaxPool2d", kernel_size, stride, padding) {}

    /// Throws Error for images of 2^31 pixels or more, besides.
    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;

  private:
    Tensor<std::int32_t> chosen_;  // where in its image the greatest element of each window stands
    Windows windows_;
};

/// The mean of each window. Padding counts as zeros, or not at all unless count_include_pad.
template <class T>
class AvgPool2d final : public Pool2d<T> {
  public:
    explicit AvgPool2d(Pair kernel_size, std::optional<Pair> stride = {}, Pair padding = 0,
                       bool count_include_pad = true)
        : Pool2d<T>("AvgPool2d", kernel_size, stride, padding, count_include_pad),
          count_include_pad_(count_include_pad) {}

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;

  private:
    bool count_include_pad_;
    Windows windows_;
};

}  // namespace handgrad
