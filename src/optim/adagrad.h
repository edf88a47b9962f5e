// Adagrad: w <- w - lr g / (sqrt(sum of all g^2) + eps)
#pragma once

#include "optim/optimizer.h"

namespace handgrad {

/// PyTorch's names and defaults. adagrad.cpp has the formulas.
struct AdagradOptions {
    double lr = 1e-2;
    double lr_decay = 0;
    double weight_decay = 0;               // adds weight_decay w to the gradient
    double initial_accumulator_value = 0;  // of the sum
    double eps = 1e-10;

    static constexpr std::string_view optimizer = "Adagrad";
    void require_valid() const;
    [[nodiscard]] std::vector<StateTensor> state() const;
};

/// Weights whose gradients are rare or small take larger steps than others; all steps shrink.
template <class T>
class Adagrad final : public OptimizerWith<T, AdagradOptions> {
  public:
    using OptimizerWith<T, AdagradOptions>::OptimizerWith;

  private:
    using typename Optimizer<T>::Move;
    void update(const Move& move, const AdagradOptions& options) override;
};

}  // namespace handgrad
