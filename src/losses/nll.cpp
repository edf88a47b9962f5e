#include "losses/nll.h"

#include <utility>

#include "core/axis_rows.h"

// NLLLoss: L_n = -w[y_n] x[n,y_n]
//   x (N, C)   y (N)   w (C)   L_n (N)
//
//   dL_n/dx[n,c] = -w[c] [c = y_n]
// and the mean divides by sum_n w[y_n].

namespace handgrad {

template <class T>
NLLLoss<T>::NLLLoss(Reduction reduction, Tensor<T> weight)
    : Loss<T>(reduction), weight_(std::move(weight)) {}

template <class T>
Tensor<T> NLLLoss<T>::forward(const Tensor<T>& input, const Labels& labels) {
    this->require_labels(input, labels);
    this->require_weights(input, weight_, 1);
    weight_ = weight_.to(input.device());
    input_shape_ = input.shape();
    labels_ = labels.clone();  // the caller may reuse his for the next batch
    const Tensor<T> rows = rows_along(input, 1);
    const Tensor<T> losses = this->room_for_losses(labels.shape(), input.device());
    backend<T>(input.device())
        .nll_forward(losses.data(), rows.data(), labels_.data(), weight_.data(), rows.dim(0),
                     rows.dim(1));
    return this->reduce(losses, labels_, weight_);
}

template <class T>
Tensor<T> NLLLoss<T>::input_gradient(const Tensor<T>& dlosses) {
    Tensor<T> drows = Tensor<T>::empty({labels_.size(), input_shape_[1]}, dlosses.device());
    backend<T>(drows.device())
        .nll_backward(drows.data(), dlosses.data(), labels_.data(), weight_.data(), drows.dim(0),
                      drows.dim(1));
    return from_rows_along(drows, input_shape_, 1);
}

template <class T>
std::string NLLLoss<T>::describe() const {
    return "NLLLoss(" + name_of(this->reduction()) +
           (weight_.defined() ? ", weight " + weight_.shape().str() : "") + ")";
}

template class NLLLoss<float>;
template class NLLLoss<double>;

}  // namespace handgrad
