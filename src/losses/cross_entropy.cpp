#include "losses/cross_entropy.h"

#include "core/error.h"

// CrossEntropyLoss: L_n = -log q[n,y_n] with q = softmax(o), that is
//   q[n,c] = exp(o[n,c]) / sum_k exp(o[n,k])
//   L_n    = log sum_k exp(o[n,k]) - o[n,y_n]
//
// The first term's derivative with respect to o[n,c] is exp(o[n,c]) / sum_k exp(o[n,k]) = q[n,c],
// the second one's is [c = y_n]. Logarithm and softmax cancel:
//   dL_n/do[n,c] = q[n,c] - [c = y_n]
// and the mean over N samples divides by N.

namespace handgrad {

template <class T>
Tensor<T> CrossEntropyLoss<T>::forward(const Tensor<T>& logits, const Labels& labels) {
    if (!logits.defined() || !labels.defined() || logits.rank() != 2 || labels.rank() != 1 ||
        logits.dim(0) != labels.dim(0) || logits.size() == 0)
        throw Error(
            "CrossEntropyLoss.forward: the inputs do not fit",
            "logits of shape " + logits.shape().str() + ", labels of shape " + labels.shape().str(),
            "logits (N, C) and labels (N), N and C at least 1", "one label for each row of logits");
    const Index n = logits.dim(0), classes = logits.dim(1);
    for (const std::int32_t label : labels.span())
        if (label < 0 || label >= classes)
            throw Error("CrossEntropyLoss.forward: a label is out of range",
                        "label " + std::to_string(label),
                        "labels 0 to " + std::to_string(classes - 1) + " for logits of shape " +
                            logits.shape().str(),
                        "give the last layer as many outputs as there are classes");
    labels_ = labels.clone();  // the caller may reuse his for the next batch
    probabilities_ = Tensor<T>::empty(logits.shape(), logits.device());
    const Tensor<T> losses = Tensor<T>::empty({n}, logits.device());
    Tensor<T> loss = Tensor<T>::empty({}, logits.device());
    const Backend<T>& device = backend<T>(logits.device());
    device.cross_entropy_forward(losses.data(), probabilities_.data(), logits.data(), labels.data(),
                                 n, classes);
    const T scale = reduction_ == Reduction::mean ? T{1} / static_cast<T>(n) : T{1};
    device.sum(loss.data(), losses.data(), scale, n);
    return loss;
}

template <class T>
Tensor<T> CrossEntropyLoss<T>::backward() {
    if (!probabilities_.defined())
        throw Error("CrossEntropyLoss.backward: nothing to go back through",
                    "backward before any forward", "a forward pass first");
    const Index n = probabilities_.dim(0);
    Tensor<T> dlogits = Tensor<T>::empty(probabilities_.shape(), probabilities_.device());
    const T scale = reduction_ == Reduction::mean ? T{1} / static_cast<T>(n) : T{1};
    backend<T>(dlogits.device())
        .cross_entropy_backward(dlogits.data(), probabilities_.data(), labels_.data(), scale, n,
                                probabilities_.dim(1));
    return dlogits;
}

template class CrossEntropyLoss<float>;
template class CrossEntropyLoss<double>;

}  // namespace handgrad
