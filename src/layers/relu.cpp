#include "layers/relu.h"

// ReLU: y = max(x, 0), element by element
//
// dy/dx = 1 where x > 0, else 0. As y > 0 exactly where x > 0, keeping y is enough:
//   dL/dx = dL/dy [y > 0]

namespace handgrad {

template <class T>
Tensor<T> ReLU<T>::forward(const Tensor<T>& x) {
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device()).relu_forward(y.data(), x.data(), x.size());
    y_ = y;
    return y;
}

template <class T>
Tensor<T> ReLU<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    backend<T>(dy.device()).relu_backward(dx.data(), dy.data(), y_.data(), dy.size());
    return dx;
}

template class ReLU<float>;
template class ReLU<double>;

}  // namespace handgrad
