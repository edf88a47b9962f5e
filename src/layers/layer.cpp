#include "layers/layer.h"

#include <charconv>

#include "core/error.h"

namespace handgrad {

std::string number_str(double value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

template <class T>
void Layer<T>::require_input(const Tensor<T>& x) const {
    if (!x.defined())
        throw Error(describe() + ".forward: no input", "an undefined tensor",
                    "x with a shape and memory", "make it with Tensor::zeros, empty or from");
}

template <class T>
void Layer<T>::require_same_device(const Tensor<T>& x, const Tensor<T>& own) const {
    if (own.defined() && x.device() != own.device())
        throw Error(describe() + ".forward: the input is on another device",
                    "x on " + std::string(name_of(x.device())),
                    "x on " + std::string(name_of(own.device())) + ", where the parameters are",
                    "move x with to(), or build the layer on its device");
}

template <class T>
void Layer<T>::require_gradient_of(const Tensor<T>& y, const Tensor<T>& dy) const {
    if (!y.defined())
        throw Error(describe() + ".backward: nothing to go back through",
                    "backward before any forward", "a forward pass first",
                    "call forward(x), then backward(dy)");
    if (!dy.defined() || dy.shape() != y.shape())
        throw Error(describe() + ".backward: the gradient does not fit",
                    dy.defined() ? "dy of shape " + dy.shape().str() : "an undefined dy",
                    "dy of shape " + y.shape().str() + ", that of the last output",
                    "pass dL/dy for the y that the last forward returned");
    if (dy.device() != y.device())
        throw Error(describe() + ".backward: the gradient is on another device",
                    "dy on " + std::string(name_of(dy.device())),
                    "dy on " + std::string(name_of(y.device())) + ", where the last output is",
                    "move it with to()");
}

template class Layer<float>;
template class Layer<double>;

}  // namespace handgrad
