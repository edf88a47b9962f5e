// CrossEntropyLoss: the negative log likelihood of the right class, from logits
#pragma once

#include "losses/loss.h"

namespace handgrad {

/// Logits o (N, C), and either labels y (N) or targets t (N, C) that give each class a share (a
/// one-hot row, or a soft one that sums to 1) -> a loss for each row. Or logits (N, C, d1, ...)
/// with labels (N, d1, ...) or targets (N, C, d1, ...) -> losses (N, d1, ...), one for each pixel,
/// say. Softmax and logarithm are one step, so that neither exp overflows nor log meets a zero.
template <class T>
class CrossEntropyLoss final : public Loss<T> {
  public:
    /// label_smoothing e mixes e/C into the share of each class and leaves (1 - e) of the target.
    /// weight (C) multiplies the terms of each class; the mean over labels then divides by the sum
    /// of weight[y[n]], as PyTorch does, and that over targets by N. Throws Error unless
    /// 0 <= label_smoothing <= 1.
    explicit CrossEntropyLoss(Reduction reduction = Reduction::mean, double label_smoothing = 0,
                              Tensor<T> weight = {});

    /// Throws Error where the shapes do not fit, the batch is empty, or a label is not one of
    /// 0 .. C-1. There is no ignore_index: PyTorch's default, -100, is such a label.
    Tensor<T> forward(const Tensor<T>& logits, const Labels& labels);
    Tensor<T> forward(const Tensor<T>& logits, const Tensor<T>& targets);

    [[nodiscard]] std::string describe() const override;

  protected:
    Tensor<T> input_gradient(const Tensor<T>& dlosses) override;

  private:
    Tensor<T> losses_by_shares(const Tensor<T>& rows, const T* targets, const std::int32_t* labels);

    double label_smoothing_;
    Tensor<T> weight_;         // (C), or undefined
    Shape logits_shape_;       // of the last forward
    Tensor<T> probabilities_;  // softmax of its logits, as rows (N d1 ..., C)
    Labels labels_;            // of it, where neither weights nor shares came in
    Tensor<T> shares_;         // v, as rows, where they did
};

}  // namespace handgrad
