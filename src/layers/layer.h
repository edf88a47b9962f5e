// The contract of every layer.
//
// A layer is a function y = f(x; parameters) with its derivative written by hand. Nothing is
// recorded behind the scenes: forward keeps in the layer what backward will need, and backward
// applies the chain rule,
//
//   dx = dL/dx = (df/dx)' dy            returned, for the layer before
//   dw = dL/dw = (df/dw)' dy            added to Parameter::grad
//
// so that a batch which is fed in parts, or a parameter that is used twice, sums up its gradient.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace handgrad {

/// Something that training changes: a value, and the loss's gradient with respect to it.
template <class T>
struct Parameter {
    std::string name;  // "weight"; inside a Sequential "0.weight"
    Tensor<T> value;
    Tensor<T> grad;  // the same shape; zero_grad() before each step
};

/// What a layer keeps beside its parameters: evaluation needs it, but no gradient moves it.
template <class T>
struct Buffer {
    std::string name;  // "running_mean"; inside a Sequential "1.running_mean"
    Tensor<T> value;
};

/// A number as describe() writes it, in as few digits as tell it from its neighbours: "0.01".
std::string number_str(double value);

/// The number of features that a layer takes and gives along the last axis, where it says.
struct Features {
    std::optional<Index> in;   // none: any number
    std::optional<Index> out;  // none: as many as came in
};

template <class T>
class Layer {
  public:
    virtual ~Layer() = default;

    /// y = f(x). Throws Error, naming the layer and both shapes, when x does not fit.
    virtual Tensor<T> forward(const Tensor<T>& x) = 0;
    /// dx (shape of x) from dy (shape of y), for the x of the last forward; parameters' gradients
    /// are added to. Throws Error before any forward, or when dy does not fit.
    virtual Tensor<T> backward(const Tensor<T>& dy) = 0;
    /// backward without dx: for the first layer, whose input is data that nobody moves.
    virtual void backward_parameters(const Tensor<T>& dy) { backward(dy); }

    /// What training changes, in a fixed order. The pointers live as long as the layer.
    virtual std::vector<Parameter<T>*> parameters() { return {}; }
    /// What is saved with the parameters, in a fixed order. The pointers live as long as the layer.
    virtual std::vector<Buffer<T>*> buffers() { return {}; }
    [[nodiscard]] virtual Features features() const { return {}; }
    /// How the layer is built, as code: "Linear(784, 128)".
    [[nodiscard]] virtual std::string describe() const = 0;

    /// Before many forwards with parameters that stay as they are: copies those that products read
    /// faster in another order. Results may differ in their last bits. Until train() or eval() is
    /// called, no parameter may change, by loading a file for instance: some forwards would use the
    /// copy, and others the new value. backward throws Error where a layer has a copy.
    virtual void prepack() {}

    /// Training mode (the state of a new layer) or evaluation mode: in the latter Dropout rests,
    /// and BatchNorm uses its running statistics. A layer made of layers passes it on to them.
    virtual void train(bool on = true) { training_ = on; }
    void eval() { train(false); }
    [[nodiscard]] bool training() const { return training_; }

  protected:
    Layer() = default;
    Layer(const Layer&) = default;
    Layer& operator=(const Layer&) = default;

    /// For forward: throws Error where x is an undefined tensor.
    void require_input(const Tensor<T>& x) const;
    /// For forward: throws Error unless x is where the layer's own tensor is, if it has one.
    void require_same_device(const Tensor<T>& x, const Tensor<T>& own) const;
    void require_same_device(const Tensor<T>& x, const Parameter<T>& parameter) const {
        require_same_device(x, parameter.value);
    }
    /// For backward: throws Error unless dy has the shape of y, the last output, and is on its
    /// device, and there was one.
    void require_gradient_of(const Tensor<T>& y, const Tensor<T>& dy) const;

  private:
    bool training_ = true;
};

/// Puts `prefix` before the name of each parameter and buffer of a layer: for layers made of
/// layers.
template <class T>
void prefix_names(Layer<T>& layer, const std::string& prefix) {
    for (Parameter<T>* parameter : layer.parameters()) parameter->name = prefix + parameter->name;
    for (Buffer<T>* buffer : layer.buffers()) buffer->name = prefix + buffer->name;
}

/// How many numbers training may change.
template <class T>
Index count_parameters(Layer<T>& layer) {
    Index count = 0;
    for (const Parameter<T>* parameter : layer.parameters()) count += parameter->value.size();
    return count;
}

}  // namespace handgrad
