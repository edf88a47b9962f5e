// Dropout: in training, each input is dropped with probability p
#pragma once

#include "core/random.h"
#include "layers/layer.h"

namespace handgrad {

/// Any shape. In evaluation mode y = x. Source: Srivastava et al. 2014, in the inverted form.
template <class T>
class Dropout final : public Layer<T> {
  public:
    /// The layer draws from a stream of its own, seeded here. Throws Error unless 0 <= p <= 1.
    explicit Dropout(double p, std::uint64_t seed);

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    [[nodiscard]] std::string describe() const override;

  private:
    double p_;
    Random random_;
    Tensor<T> scale_;  // 0 or 1/(1-p), as the last forward drew; undefined in evaluation mode
    Tensor<T> y_;
};

}  // namespace handgrad
