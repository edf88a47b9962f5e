// ReLU: y = max(x, 0)
#pragma once

#include "layers/layer.h"

namespace handgrad {

/// Any shape. At x = 0, where there is no derivative, 0 is taken, as PyTorch does.
template <class T>
class ReLU final : public Layer<T> {
  public:
    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    [[nodiscard]] std::string describe() const override { return "ReLU()"; }

  private:
    Tensor<T> y_;
};

}  // namespace handgrad
