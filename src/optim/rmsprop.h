// RMSprop: w <- w - lr g / (sqrt(average of g^2) + eps)
#pragma once

#include "optim/optimizer.h"

namespace handgrad {

/// PyTorch's names and defaults. rmsprop.cpp has the formulas.
struct RMSpropOptions {
    double lr = 1e-2;
    double alpha = 0.99;  // how slowly the averages change, in [0, 1)
    double eps = 1e-8;
    double weight_decay = 0;  // adds weight_decay w to the gradient
    double momentum = 0;      // in [0, 1); 0 keeps no velocity
    bool centered = false;    // divides by the deviation of g instead of its size

    static constexpr std::string_view optimizer = "RMSprop";
    void require_valid() const;
    [[nodiscard]] std::vector<StateTensor> state() const;
};

/// Adagrad that forgets: steps follow the size of recent gradients and need not shrink.
template <class T>
class RMSprop final : public OptimizerWith<T, RMSpropOptions> {
  public:
    using OptimizerWith<T, RMSpropOptions>::OptimizerWith;

  private:
    using typename Optimizer<T>::Move;
    void update(const Move& move, const RMSpropOptions& options) override;
};

}  // namespace handgrad
