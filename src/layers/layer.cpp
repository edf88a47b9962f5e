#include "layers/layer.h"

#include "core/error.h"

namespace handgrad {

template <class T>
void require_output_gradient(const std::string& layer, const Tensor<T>& y, const Tensor<T>& dy) {
    if (!y.defined())
        throw Error(layer + ".backward: nothing to go back through", "backward before any forward",
                    "a forward pass first", "call forward(x), then backward(dy)");
    if (!dy.defined() || dy.shape() != y.shape())
        throw Error(layer + ".backward: the gradient does not fit",
                    dy.defined() ? "dy of shape " + dy.shape().str() : "an undefined dy",
                    "dy of shape " + y.shape().str() + ", that of the last output",
                    "pass dL/dy for the y that the last forward returned");
}

template void require_output_gradient(const std::string&, const Tensor<float>&,
                                      const Tensor<float>&);
template void require_output_gradient(const std::string&, const Tensor<double>&,
                                      const Tensor<double>&);

}  // namespace handgrad
