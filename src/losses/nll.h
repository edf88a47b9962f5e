// NLLLoss: the negative log likelihood of the right class, from logarithms of probabilities
#pragma once

#include "losses/loss.h"

namespace handgrad {

/// Input (N, C), as LogSoftmax gives it, and labels (N) -> a loss for each row. LogSoftmax and
/// NLLLoss together are CrossEntropyLoss. Or input (N, C, d1, ...) and labels (N, d1, ...) ->
/// losses (N, d1, ...).
template <class T>
class NLLLoss final : public Loss<T> {
  public:
    /// weight (C) multiplies the losses of each class; the mean then divides by the sum of
    /// weight[labels[n]], as PyTorch does.
    explicit NLLLoss(Reduction reduction = Reduction::mean, Tensor<T> weight = {});

    /// Throws Error where the shapes do not fit, the batch is empty, or a label is not one of
    /// 0 .. C-1. There is no ignore_index: PyTorch's default, -100, is such a label.
    Tensor<T> forward(const Tensor<T>& input, const Labels& labels);

    [[nodiscard]] std::string describe() const override;

  protected:
    Tensor<T> input_gradient(const Tensor<T>& dlosses) override;

  private:
    Tensor<T> weight_;  // (C), or undefined
    Shape input_shape_;
    Labels labels_;
};

}  // namespace handgrad
