// Conv2d: a small kernel that slides over images
#pragma once

#include "core/random.h"
#include "layers/layer.h"
#include "layers/windows.h"

namespace handgrad {

/// PyTorch's, with its defaults.
struct Conv2dOptions {
    Pair stride = 1;
    Pair padding = 0;   // zeros on each side
    Pair dilation = 1;  // distance between the elements of the kernel
    Index groups = 1;   // parts of the channels that do not see each other
    bool bias = true;
};

/// x (N, in_channels, H, W) -> y (N, out_channels, OH, OW), with
///   OH = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1, OW likewise,
/// weight (out_channels, in_channels / groups, kernel height, kernel width), bias (out_channels).
template <class T>
class Conv2d final : public Layer<T> {
  public:
    /// Weight and bias start as PyTorch's: uniform in +-1/sqrt(in_channels / groups times the
    /// kernel's size). Throws Error on a size below 1, a padding below 0, and where groups does not
    /// divide both numbers of channels.
    Conv2d(Index in_channels, Index out_channels, Pair kernel_size, Random& random,
           const Conv2dOptions& options = {}, Device device = Device::cpu);

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    void backward_parameters(const Tensor<T>& dy) override;

    std::vector<Parameter<T>*> parameters() override;
    [[nodiscard]] std::string describe() const override { return text_; }

    Parameter<T> weight;
    Parameter<T> bias;  // of shape (0), and none of parameters(), without a bias

  private:
    [[nodiscard]] Conv2dSizes sizes_for(const Shape& x) const;

    Index in_, out_;
    Pair kernel_size_;
    Conv2dOptions options_;
    std::string text_;  // describe()
    Tensor<T> x_, y_;
};

}  // namespace handgrad
