// Linear: y = x W' + b
#pragma once

#include "core/random.h"
#include "layers/layer.h"

namespace handgrad {

/// PyTorch's default.
struct LinearOptions {
    bool bias = true;
};

/// x (N, in) -> y (N, out), with weight (out, in) and bias (out), as PyTorch lays them out.
template <class T>
class Linear final : public Layer<T> {
  public:
    /// Weight and bias start as PyTorch's: uniform in +-1/sqrt(in). Throws Error on a size below 1.
    Linear(Index in, Index out, Random& random, Device device = Device::cpu)
        : Linear(in, out, random, LinearOptions{}, device) {}
    /// Linear(784, 128, random, {.bias = false})
    Linear(Index in, Index out, Random& random, const LinearOptions& options,
           Device device = Device::cpu);

    Tensor<T> forward(const Tensor<T>& x) override;
    /// max(forward(x), 0) in one pass over the output, for a ReLU that follows.
    Tensor<T> forward_relu(const Tensor<T>& x);
    Tensor<T> backward(const Tensor<T>& dy) override;
    void backward_parameters(const Tensor<T>& dy) override;

    std::vector<Parameter<T>*> parameters() override;
    [[nodiscard]] Features features() const override { return {in_, out_}; }
    [[nodiscard]] std::string describe() const override;
    void prepack() override;
    void train(bool on = true) override;

    Parameter<T> weight;  // (out, in)
    Parameter<T> bias;    // (out); of shape (0), and none of parameters(), without a bias

  private:
    Tensor<T> forward(const Tensor<T>& x, bool relu);

    Index in_, out_;
    LinearOptions options_;
    Tensor<T> x_, y_;
    Tensor<T> packed_;  // prepack's copy of the weight
};

}  // namespace handgrad
