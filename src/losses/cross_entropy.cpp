#include "losses/cross_entropy.h"

#include <utility>

#include "core/axis_rows.h"
#include "core/error.h"

// CrossEntropyLoss: L_n = -log q[n,y_n] with q = softmax(o), that is
//   q[n,c] = exp(o[n,c]) / sum_k exp(o[n,k])
//   L_n    = log sum_k exp(o[n,k]) - o[n,y_n]
//
// The first term's derivative with respect to o[n,c] is exp(o[n,c]) / sum_k exp(o[n,k]) = q[n,c],
// the second one's is [c = y_n]. Logarithm and softmax cancel:
//   dL_n/do[n,c] = q[n,c] - [c = y_n]
// and the mean over N samples divides by N.
//
// With targets t, smoothing e and weights w, each class has a share v of the loss:
//   v[n,c] = w[c] ((1 - e) t[n,c] + e/C)        t[n,c] = [c = y_n] where labels are given
//   L_n    = -sum_c v[n,c] log q[n,c] = sum_k v[n,k] (log sum_c exp(o[n,c])) - sum_c v[n,c] o[n,c]
//   dL_n/do[n,c] = q[n,c] sum_k v[n,k] - v[n,c]
//
// With logits (N, C, d1, ...) each position is a sample of its own: N runs over N d1 ... rows.

namespace handgrad {

template <class T>
CrossEntropyLoss<T>::CrossEntropyLoss(Reduction reduction, double label_smoothing, Tensor<T> weight)
    : Loss<T>(reduction), label_smoothing_(label_smoothing), weight_(std::move(weight)) {
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
        throw Error("CrossEntropyLoss: no such label smoothing", number_str(label_smoothing),
                    "0 <= label_smoothing <= 1");
}

template <class T>
Tensor<T> CrossEntropyLoss<T>::forward(const Tensor<T>& logits, const Labels& labels) {
    this->require_labels(logits, labels);
    this->require_weights(logits, weight_, 1);
    logits_shape_ = logits.shape();
    const Tensor<T> rows = rows_along(logits, 1);
    if (weight_.defined() || label_smoothing_ > 0)
        return this->reduce(losses_by_shares(rows, nullptr, labels.data()), labels, weight_);
    shares_ = {};
    labels_ = labels.clone();  // the caller may reuse his for the next batch
    probabilities_ = Tensor<T>::empty(rows.shape(), rows.device());
    const Tensor<T> losses = this->room_for_losses(labels.shape(), rows.device());
    backend<T>(rows.device())
        .cross_entropy_forward(losses.data(), probabilities_.data(), rows.data(), labels_.data(),
                               rows.dim(0), rows.dim(1));
    return this->reduce(losses, labels_, weight_);
}

template <class T>
Tensor<T> CrossEntropyLoss<T>::forward(const Tensor<T>& logits, const Tensor<T>& targets) {
    this->require_equal_shapes(logits, targets);
    if (logits.rank() < 2)
        throw Error(describe() + ".forward: the inputs do not fit",
                    "logits and targets of shape " + logits.shape().str(),
                    "logits and targets of shape (N, C) or (N, C, d1, ...)",
                    "one sample is a batch, too: reshape({1, C})");
    this->require_weights(logits, weight_, 1);
    logits_shape_ = logits.shape();
    const Tensor<T> rows = rows_along(logits, 1), target_rows = rows_along(targets, 1);
    return this->reduce(losses_by_shares(rows, target_rows.data(), nullptr),
                        static_cast<double>(rows.dim(0)));
}

/// With v from targets as rows, or from labels.
template <class T>
Tensor<T> CrossEntropyLoss<T>::losses_by_shares(const Tensor<T>& rows, const T* targets,
                                                const std::int32_t* labels) {
    const Index n = rows.dim(0), classes = rows.dim(1);
    const Backend<T>& device = backend<T>(rows.device());
    weight_ = weight_.to(rows.device());
    shares_ = Tensor<T>::empty(rows.shape(), rows.device());
    device.class_shares(
        shares_.data(), targets, labels, weight_.data(), static_cast<T>(1 - label_smoothing_),
        static_cast<T>(label_smoothing_ / static_cast<double>(classes)), n, classes);
    probabilities_ = Tensor<T>::empty(rows.shape(), rows.device());
    const Tensor<T> losses = this->room_for_losses(without_classes(logits_shape_), rows.device());
    device.soft_cross_entropy_forward(losses.data(), probabilities_.data(), rows.data(),
                                      shares_.data(), n, classes);
    return losses;
}

template <class T>
Tensor<T> CrossEntropyLoss<T>::input_gradient(const Tensor<T>& dlosses) {
    const Tensor<T>& q = probabilities_;
    Tensor<T> drows = Tensor<T>::empty(q.shape(), q.device());
    const Backend<T>& device = backend<T>(q.device());
    if (shares_.defined())
        device.soft_cross_entropy_backward(drows.data(), dlosses.data(), q.data(), shares_.data(),
                                           q.dim(0), q.dim(1));
    else
        device.cross_entropy_backward(drows.data(), dlosses.data(), q.data(), labels_.data(),
                                      q.dim(0), q.dim(1));
    return from_rows_along(drows, logits_shape_, 1);
}

template <class T>
std::string CrossEntropyLoss<T>::describe() const {
    std::string text = "CrossEntropyLoss(" + name_of(this->reduction());
    if (label_smoothing_ > 0) text += ", label smoothing " + number_str(label_smoothing_);
    if (weight_.defined()) text += ", weight " + weight_.shape().str();
    return text + ")";
}

template class CrossEntropyLoss<float>;
template class CrossEntropyLoss<double>;

}  // namespace handgrad
