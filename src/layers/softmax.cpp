#include "layers/softmax.h"

#include "core/error.h"

namespace handgrad {
namespace {

/// x as rows along its last axis.
struct Rows {
    Index rows, cols;
};

template <class T>
Rows rows_of(const Layer<T>& layer, const Tensor<T>& x) {
    if (x.rank() == 0)
        throw Error(layer.describe() + ".forward: the input does not fit",
                    "x of shape " + x.shape().str(),
                    "x of shape (..., C), rows along its last axis", "x.reshape({1, C})");
    const Index cols = x.dim(-1);
    return {cols > 0 ? x.size() / cols : 0, cols};
}

}  // namespace

// Softmax: y[c] = e^x[c] / sum_k e^x[k], for each row
//
// As dy[k]/dx[c] = y[k] ([k = c] - y[c]),
//   dL/dx[c] = sum_k dL/dy[k] y[k] ([k = c] - y[c])
//            = y[c] (dL/dy[c] - sum_k dL/dy[k] y[k])

template <class T>
Tensor<T> Softmax<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    const auto [rows, cols] = rows_of(*this, x);
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device()).softmax_forward(y.data(), x.data(), rows, cols);
    y_ = y;
    return y;
}

template <class T>
Tensor<T> Softmax<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    const auto [rows, cols] = rows_of(*this, dy);
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    backend<T>(dy.device()).softmax_backward(dx.data(), dy.data(), y_.data(), rows, cols);
    return dx;
}

// LogSoftmax: y[c] = x[c] - log sum_k e^x[k], for each row
//
// As dy[k]/dx[c] = [k = c] - e^x[c] / sum_j e^x[j] = [k = c] - e^y[c],
//   dL/dx[c] = dL/dy[c] - e^y[c] sum_k dL/dy[k]

template <class T>
Tensor<T> LogSoftmax<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    const auto [rows, cols] = rows_of(*this, x);
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device()).log_softmax_forward(y.data(), x.data(), rows, cols);
    y_ = y;
    return y;
}

template <class T>
Tensor<T> LogSoftmax<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    const auto [rows, cols] = rows_of(*this, dy);
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    backend<T>(dy.device()).log_softmax_backward(dx.data(), dy.data(), y_.data(), rows, cols);
    return dx;
}

template class Softmax<float>;
template class Softmax<double>;
template class LogSoftmax<float>;
template class LogSoftmax<double>;

}  // namespace handgrad
