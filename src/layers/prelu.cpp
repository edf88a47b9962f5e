#include "layers/prelu.h"

#include "core/error.h"

// PReLU: y = x where x > 0, else w x
//   x (N, C, ...)   w (C) or (1)   y (N, C, ...)
//
// With c the channel of element i,
//   dL/dx[i] = dL/dy[i]  where x[i] > 0, else  w[c] dL/dy[i]
//   dL/dw[c] = sum over the elements of channel c of dL/dy[i] min(x[i], 0)

namespace handgrad {

template <class T>
PReLU<T>::PReLU(Index num_parameters, double init, Device device) {
    if (num_parameters < 1)
        throw Error("PReLU: no such layer", std::to_string(num_parameters) + " slopes",
                    "one slope, or one for each channel");
    weight = {"weight", Tensor<T>::full({num_parameters}, static_cast<T>(init), device),
              Tensor<T>::zeros({num_parameters}, device)};
}

template <class T>
Tensor<T> PReLU<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    this->require_same_device(x, weight);
    const Index channels = weight.value.dim(0);
    if (channels > 1 && (x.rank() < 2 || x.dim(1) != channels))
        throw Error(describe() + ".forward: the input does not fit",
                    "x of shape " + x.shape().str(),
                    "x of shape (N, " + std::to_string(channels) + ", ...)",
                    "give PReLU as many slopes as x has channels, or one for all");
    outer_ = x.rank() > 0 ? x.dim(0) : 1;
    inner_ = 1;
    for (int axis = channels > 1 ? 2 : 1; axis < x.rank(); ++axis) inner_ *= x.dim(axis);
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device())
        .prelu_forward(y.data(), x.data(), weight.value.data(), outer_, channels, inner_);
    x_ = x;
    return y;
}

template <class T>
Tensor<T> PReLU<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(x_, dy);
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    backend<T>(dy.device())
        .prelu_backward(dx.data(), weight.grad.data(), dy.data(), x_.data(), weight.value.data(),
                        outer_, weight.value.dim(0), inner_);
    return dx;
}

template <class T>
std::string PReLU<T>::describe() const {
    return "PReLU(" + std::to_string(weight.value.dim(0)) + ")";
}

template class PReLU<float>;
template class PReLU<double>;

}  // namespace handgrad
