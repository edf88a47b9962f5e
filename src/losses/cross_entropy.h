// CrossEntropyLoss: the negative log likelihood of the right class, from logits
#pragma once

#include "core/tensor.h"

namespace handgrad {

enum class Reduction : std::uint8_t { mean, sum };

/// Logits o (N, C) and labels y (N) -> the loss, of shape (). Softmax and logarithm are one step,
/// so that neither exp overflows nor log meets a zero.
template <class T>
class CrossEntropyLoss {
  public:
    explicit CrossEntropyLoss(Reduction reduction = Reduction::mean) : reduction_(reduction) {}

    /// The mean or the sum over the batch. Throws Error where the shapes do not fit, the batch is
    /// empty, or a label is not one of 0 .. C-1.
    Tensor<T> forward(const Tensor<T>& logits, const Labels& labels);
    /// dL/dlogits (N, C) for the last forward. Throws Error before any forward.
    Tensor<T> backward();

  private:
    Reduction reduction_;
    Tensor<T> probabilities_;  // softmax of the last logits
    Labels labels_;
};

}  // namespace handgrad
