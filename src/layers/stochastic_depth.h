// StochasticDepth: in training, the branch of a residual block is dropped with probability p
#pragma once

#include "layers/dropout.h"

namespace handgrad {

/// The last layer of Residual's inner one: Residual(Sequential(..., StochasticDepth(0.2, batch))).
/// x (N, ...) of any shape with a batch axis; in evaluation mode y = x. What a training step drops
/// need not have been computed, but here it has been.
///
/// p is the probability to drop, and what is kept is divided by 1 - p, as torchvision's layer of
/// this name does. The paper has the probability to keep instead, and multiplies by it in
/// evaluation. In expectation the two are equal; this one leaves evaluation as it is, as Dropout
/// does, so that a trained network is the same with the layer taken out. Source: Huang et al. 2016.
template <class T>
class StochasticDepth final : public Layer<T> {
  public:
    /// Drops the whole batch at once, as in the paper, or each sample (row) on its own.
    enum class Mode : std::uint8_t { batch, row };

    /// The layer draws from a stream of its own, seeded here. Throws Error unless 0 <= p <= 1.
    StochasticDepth(double p, Mode mode, std::uint64_t seed);

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    [[nodiscard]] std::string describe() const override;

  private:
    Tensor<T> scaled(const Tensor<T>& x) const;

    Dropper<T> dropper_;
    Mode mode_;
    Tensor<T> scale_;  // 0 or 1/(1-p) for each row, as last drawn; undefined in evaluation mode
    Tensor<T> x_;
};

}  // namespace handgrad
