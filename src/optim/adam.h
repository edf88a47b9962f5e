// Adam and AdamW: w <- w - lr m / (sqrt(v) + eps), with m and v the averages of g and g^2
#pragma once

#include <array>

#include "optim/optimizer.h"

namespace handgrad {

/// PyTorch's names and defaults. adam.cpp has the formulas.
struct AdamOptions {
    double lr = 1e-3;
    std::array<double, 2> betas = {0.9, 0.999};  // how slowly m and v change, in [0, 1)
    double eps = 1e-8;
    double weight_decay = 0;  // adds weight_decay w to the gradient
    bool amsgrad = false;     // divides by the largest v so far

    static constexpr std::string_view optimizer = "Adam";
    static constexpr bool decoupled_decay = false;
    void require_valid() const;
    [[nodiscard]] std::vector<StateTensor> state() const;
};

struct AdamWOptions {
    double lr = 1e-3;
    std::array<double, 2> betas = {0.9, 0.999};
    double eps = 1e-8;
    double weight_decay = 1e-2;  // shrinks w by 1 - lr weight_decay a step, beside the gradient
    bool amsgrad = false;

    static constexpr std::string_view optimizer = "AdamW";
    static constexpr bool decoupled_decay = true;
    void require_valid() const;
    [[nodiscard]] std::vector<StateTensor> state() const;
};

/// Each weight moves by about lr a step, however large its gradients are.
///
/// Where gradients fade, m and v shrink until they are denormal numbers, on which a processor is
/// many times slower; a training loop holds a cpu::FlushDenormals (kernels/cpu/parallel.h).
template <class T, class Options>
class AdamOf final : public OptimizerWith<T, Options> {
  public:
    using OptimizerWith<T, Options>::OptimizerWith;

  private:
    using typename Optimizer<T>::Move;
    void update(const Move& move, const Options& options) override;
};

template <class T>
using Adam = AdamOf<T, AdamOptions>;
template <class T>
using AdamW = AdamOf<T, AdamWOptions>;

}  // namespace handgrad
