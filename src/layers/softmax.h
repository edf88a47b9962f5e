// Softmax and LogSoftmax: the scores along an axis as a distribution
#pragma once

#include "layers/layer.h"

namespace handgrad {

/// What they share: an axis, and the entries along it taken as the rows of a matrix.
template <class T>
class SoftmaxLayer : public Layer<T> {
  public:
    /// Throws Error where x has no axis dim.
    Tensor<T> forward(const Tensor<T>& x) final;
    Tensor<T> backward(const Tensor<T>& dy) final;
    [[nodiscard]] std::string describe() const final;

  protected:
    SoftmaxLayer(std::string name, int dim, bool logarithms);

  private:
    [[nodiscard]] int axis_of(const Tensor<T>& x) const;

    std::string name_;
    int dim_;
    bool logarithms_;
    Tensor<T> rows_, y_;  // of the last forward; rows_ is y as rows
};

/// y sums to 1 along the axis dim, which may count from the end, -1 being the last. For training,
/// prefer CrossEntropyLoss on the scores themselves. PyTorch has no default for dim that it
/// recommends: by rank, it is axis 0 or 1.
template <class T>
class Softmax final : public SoftmaxLayer<T> {
  public:
    explicit Softmax(int dim = -1) : SoftmaxLayer<T>("Softmax", dim, false) {}
};

/// The logarithm of Softmax, finite even where that rounds to zero.
template <class T>
class LogSoftmax final : public SoftmaxLayer<T> {
  public:
    explicit LogSoftmax(int dim = -1) : SoftmaxLayer<T>("LogSoftmax", dim, true) {}
};

}  // namespace handgrad
