// Sequential: layers one after the other
#pragma once

#include <memory>
#include <utility>

#include "layers/layer.h"

namespace handgrad {

/// y = f_k(... f_1(f_0(x))). Its parameters and buffers are named "0.weight", "0.bias",
/// "1.running_mean", ...
template <class T>
class Sequential final : public Layer<T> {
  public:
    Sequential() = default;
    // Parameters are handed out as pointers; a copy would share the layers behind them.
    Sequential(const Sequential&) = delete;
    Sequential& operator=(const Sequential&) = delete;
    Sequential(Sequential&&) noexcept = default;
    Sequential& operator=(Sequential&&) noexcept = default;
    ~Sequential() override = default;

    /// Adds a layer: model.add<Linear<float>>(784, 128, random). Throws Error, naming both layers
    /// and both widths, where it takes another number of features than the layers before it give.
    template <class L, class... Args>
    L& add(Args&&... args) {
        auto layer = std::make_unique<L>(std::forward<Args>(args)...);
        L& added = *layer;
        append(std::move(layer));
        return added;
    }
    /// Throws Error also on a null pointer.
    void append(std::unique_ptr<Layer<T>> layer);

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    void backward_parameters(const Tensor<T>& dy) override;

    std::vector<Parameter<T>*> parameters() override;
    std::vector<Buffer<T>*> buffers() override;
    [[nodiscard]] Features features() const override;
    [[nodiscard]] std::string describe() const override;
    void prepack() override;
    void train(bool on = true) override;

    [[nodiscard]] std::size_t size() const { return layers_.size(); }
    /// Throws Error where there is no layer i.
    [[nodiscard]] Layer<T>& operator[](std::size_t i) const;

    /// A table: each layer with the shape of its output for an input of this shape and its number
    /// of parameters, then their sum. Runs one forward pass on zeros, in evaluation mode.
    [[nodiscard]] std::string summary(const Shape& input);

  private:
    std::vector<std::unique_ptr<Layer<T>>> layers_;
};

}  // namespace handgrad
