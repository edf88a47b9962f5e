// SGD: w <- w - lr v, with v the gradient or a running sum of gradients
#pragma once

#include "optim/optimizer.h"

namespace handgrad {

/// PyTorch's names and defaults, but for moving_average. sgd.cpp has the formulas.
struct SGDOptions {
    double lr = 1e-3;
    double momentum = 0;          // 0 keeps no velocity; from 1 on it never fades
    double dampening = 0;         // of the gradients that momentum sums up
    double weight_decay = 0;      // adds weight_decay w to the gradient
    bool nesterov = false;        // with momentum, without dampening
    bool moving_average = false;  // v averages the gradients instead of summing them up; momentum
                                  // in (0, 1), without dampening

    static constexpr std::string_view optimizer = "SGD";
    void require_valid() const;
    [[nodiscard]] std::vector<StateTensor> state() const;
};

/// Stochastic gradient descent: with lr small enough, each step lowers the loss of its batch to
/// first order by lr |dL/dw|^2.
template <class T>
class SGD final : public OptimizerWith<T, SGDOptions> {
  public:
    using OptimizerWith<T, SGDOptions>::OptimizerWith;

  private:
    using typename Optimizer<T>::Move;
    void update(const Move& move, const SGDOptions& options) override;
};

}  // namespace handgrad
