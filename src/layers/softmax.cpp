#include "layers/softmax.h"

#include <algorithm>
#include <utility>

#include "core/axis_rows.h"
#include "core/error.h"

// Softmax: y[c] = e^x[c] / sum_k e^x[k], with c along the axis, for each place along the others
//
// As dy[k]/dx[c] = y[k] ([k = c] - y[c]),
//   dL/dx[c] = sum_k dL/dy[k] y[k] ([k = c] - y[c])
//            = y[c] (dL/dy[c] - sum_k dL/dy[k] y[k])
//
// LogSoftmax: y[c] = x[c] - log sum_k e^x[k]
//
// As dy[k]/dx[c] = [k = c] - e^x[c] / sum_j e^x[j] = [k = c] - e^y[c],
//   dL/dx[c] = dL/dy[c] - e^y[c] sum_k dL/dy[k]

namespace handgrad {

template <class T>
SoftmaxLayer<T>::SoftmaxLayer(std::string name, int dim, bool logarithms)
    : name_(std::move(name)), dim_(dim), logarithms_(logarithms) {}

template <class T>
int SoftmaxLayer<T>::axis_of(const Tensor<T>& x) const {
    const int axis = dim_ < 0 ? dim_ + x.rank() : dim_;
    if (axis < 0 || axis >= x.rank())
        throw Error(describe() + ".forward: the input does not fit",
                    "x of shape " + x.shape().str() + ", without an axis " + std::to_string(dim_),
                    "x with an axis " + std::to_string(dim_) + ", such as (N, C) for the last one",
                    x.rank() == 0 ? "x.reshape({1, C})" : "name an axis that x has, or reshape x");
    return axis;
}

template <class T>
Tensor<T> SoftmaxLayer<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    const int axis = axis_of(x);
    const Tensor<T> rows = rows_along(x, axis);
    const Index cols = rows.dim(1), count = rows.size() / std::max<Index>(cols, 1);
    rows_ = Tensor<T>::empty(rows.shape(), x.device());
    const Backend<T>& device = backend<T>(x.device());
    if (logarithms_)
        device.log_softmax_forward(rows_.data(), rows.data(), count, cols);
    else
        device.softmax_forward(rows_.data(), rows.data(), count, cols);
    y_ = from_rows_along(rows_, x.shape(), axis);
    return y_;
}

template <class T>
Tensor<T> SoftmaxLayer<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    const int axis = axis_of(dy);
    const Tensor<T> drows = rows_along(dy, axis);
    const Index cols = drows.dim(1), count = drows.size() / std::max<Index>(cols, 1);
    const Tensor<T> dx = Tensor<T>::empty(drows.shape(), dy.device());
    const Backend<T>& device = backend<T>(dy.device());
    if (logarithms_)
        device.log_softmax_backward(dx.data(), drows.data(), rows_.data(), count, cols);
    else
        device.softmax_backward(dx.data(), drows.data(), rows_.data(), count, cols);
    return from_rows_along(dx, dy.shape(), axis);
}

template <class T>
std::string SoftmaxLayer<T>::describe() const {
    return name_ + (dim_ == -1 ? "()" : "(" + std::to_string(dim_) + ")");
}

template class SoftmaxLayer<float>;
template class SoftmaxLayer<double>;

}  // namespace handgrad
