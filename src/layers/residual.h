// Residual: a branch beside a way straight through
#pragma once

#include <memory>

#include "layers/layer.h"

namespace handgrad {

/// y = shortcut(x) + inner(x); without a shortcut y = x + inner(x), and inner keeps the shape of x.
/// A shortcut, usually a projection such as Linear, is for an inner layer that changes the shape.
/// Parameters and buffers are named "inner.weight", ..., "shortcut.weight", ...
/// Source: He et al. 2016.
template <class T>
class Residual final : public Layer<T> {
  public:
    /// Throws Error where there is no inner layer, or the two ways say that they take or give
    /// another number of features.
    explicit Residual(std::unique_ptr<Layer<T>> inner,
                      std::unique_ptr<Layer<T>> shortcut = nullptr);

    /// Throws Error, naming both shapes, where the two ways do not meet.
    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;

    std::vector<Parameter<T>*> parameters() override;
    std::vector<Buffer<T>*> buffers() override;
    [[nodiscard]] Features features() const override;
    [[nodiscard]] std::string describe() const override;
    void prepack() override;
    void train(bool on = true) override;

  private:
    std::unique_ptr<Layer<T>> inner_, shortcut_;
    Tensor<T> y_;
};

}  // namespace handgrad
