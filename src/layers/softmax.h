// Softmax and LogSoftmax: each row of scores as a distribution
#pragma once

#include "layers/layer.h"

namespace handgrad {

/// x (..., C) -> y (..., C), where each row along the last axis sums to 1. For training, prefer
/// CrossEntropyLoss on the scores themselves.
template <class T>
class Softmax final : public Layer<T> {
  public:
    /// Throws Error on a scalar, which has no axis.
    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    [[nodiscard]] std::string describe() const override { return "Softmax()"; }

  private:
    Tensor<T> y_;
};

/// x (..., C) -> y (..., C), the logarithm of Softmax, finite even where that rounds to zero.
template <class T>
class LogSoftmax final : public Layer<T> {
  public:
    /// Throws Error on a scalar, which has no axis.
    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    [[nodiscard]] std::string describe() const override { return "LogSoftmax()"; }

  private:
    Tensor<T> y_;
};

}  // namespace handgrad
