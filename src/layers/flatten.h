// Flatten: images to rows
#pragma once

#include "layers/layer.h"

namespace handgrad {

/// x (N, C, H, W) -> y (N, C H W): the axes from start_dim to end_dim, both included, become one. y
/// shares x's memory. Both may count from the end, -1 being the last axis.
template <class T>
class Flatten final : public Layer<T> {
  public:
    explicit Flatten(int start_dim = 1, int end_dim = -1)
        : start_dim_(start_dim), end_dim_(end_dim) {}

    /// Throws Error where x has no such axes, or start_dim comes after end_dim.
    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    [[nodiscard]] std::string describe() const override;

  private:
    int start_dim_, end_dim_;
    Shape x_shape_;
    Tensor<T> y_;
};

}  // namespace handgrad
