// SGD: w <- w - lr dL/dw
#pragma once

#include "optim/optimizer.h"

namespace handgrad {

/// Stochastic gradient descent: with lr small enough, each step lowers the loss of its batch to
/// first order by lr |dL/dw|^2.
template <class T>
class SGD final : public Optimizer<T> {
  public:
    using Optimizer<T>::Optimizer;
    void step() override;
};

}  // namespace handgrad
