// The contract of every optimiser.
#pragma once

#include <vector>

#include "layers/layer.h"

namespace handgrad {

/// Holds the parameters it was given, which must outlive it, and moves them against their
/// gradients. A step of training is zero_grad(), forward, backward, step().
template <class T>
class Optimizer {
  public:
    explicit Optimizer(std::vector<Parameter<T>*> parameters, double lr);
    virtual ~Optimizer() = default;

    /// Sets every gradient to zero; without it, backward adds to the gradients of the step before.
    void zero_grad();
    /// Moves every parameter once.
    virtual void step() = 0;

    [[nodiscard]] double lr() const { return lr_; }
    /// The learning rate. Throws Error unless it is finite and not negative.
    void set_lr(double lr);

  protected:
    [[nodiscard]] const std::vector<Parameter<T>*>& parameters() const { return parameters_; }

  private:
    std::vector<Parameter<T>*> parameters_;
    double lr_ = 0;
};

}  // namespace handgrad
