// PReLU: a ReLU whose slope below zero is learned
#pragma once

#include "layers/layer.h"

namespace handgrad {

/// x (N, C, ...) of any shape, with weight (C) one slope for each channel, or weight (1) one for
/// all; then x may have any rank. Source: He et al. 2015.
template <class T>
class PReLU final : public Layer<T> {
  public:
    /// Every slope starts as `init`. Throws Error unless num_parameters is at least 1.
    explicit PReLU(Index num_parameters = 1, double init = 0.25, Device device = Device::cpu);

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;

    std::vector<Parameter<T>*> parameters() override { return {&weight}; }
    [[nodiscard]] std::string describe() const override;

    Parameter<T> weight;  // (num_parameters)

  private:
    Tensor<T> x_;
    Index outer_ = 0, inner_ = 0;  // x as (outer, channels, inner), channels being that of slopes
};

}  // namespace handgrad
