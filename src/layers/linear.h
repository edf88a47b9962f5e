// Linear: y = x W' + b
#pragma once

#include "core/random.h"
#include "layers/layer.h"

namespace handgrad {

/// x (N, in) -> y (N, out), with weight (out, in) and bias (out), as PyTorch lays them out.
template <class T>
class Linear final : public Layer<T> {
  public:
    /// Weight and bias start as PyTorch's: uniform in +-1/sqrt(in). Throws Error on a size below 1.
    Linear(Index in, Index out, Random& random, Device device = Device::cpu);

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    void backward_parameters(const Tensor<T>& dy) override;

    std::vector<Parameter<T>*> parameters() override { return {&weight, &bias}; }
    [[nodiscard]] Features features() const override { return {in_, out_}; }
    [[nodiscard]] std::string describe() const override;

    Parameter<T> weight;  // (out, in)
    Parameter<T> bias;    // (out)

  private:
    Index in_, out_;
    Tensor<T> x_, y_;
};

}  // namespace handgrad
