#include "losses/donsker_varadhan.h"

#include <cmath>

#include "core/error.h"
#include "core/tensor_ops.h"

// DonskerVaradhan: L = -(1/n) sum_i t[i] + log sum_j exp(t'[j]) - log n'
//   t (n), the network on the samples of Z   t' (n'), on those of Z'
//
//   dL/dt[i]  = -1/n
//   dL/dt'[j] = exp(t'[j]) / sum_k exp(t'[k]) = softmax(t')[j]
// The gradients sum to -1 + 1 = 0: a constant added to the network changes nothing.

namespace handgrad {

template <class T>
Tensor<T> DonskerVaradhan<T>::forward(const Tensor<T>& t, Index n) {
    const bool column = t.defined() && (t.rank() == 1 || (t.rank() == 2 && t.dim(1) == 1));
    if (!column || n < 1 || n >= t.dim(0))
        throw Error("DonskerVaradhan.forward: the samples do not fit",
                    (t.defined() ? "t of shape " + t.shape().str() : "an undefined t") +
                        ", of which " + std::to_string(n) + " are samples of Z",
                    "t (n + n') or (n + n', 1), with n and n' at least 1",
                    "put the samples of Z' after those of Z into one batch");
    t_ = t;
    n_ = n;
    const Index n_ref = t.dim(0) - n;
    const Backend<T>& device = backend<T>(t.device());
    const Tensor<T> mean = Tensor<T>::empty({}, t.device());
    const Tensor<T> log_sum = Tensor<T>::empty({}, t.device());
    device.sum(mean.data(), t.data(), T{1} / static_cast<T>(n), n);
    device.reduce(ReduceOp::logsumexp, log_sum.data(), t.data() + n, 1, n_ref, 1);
    return this->reduce(log_sum - std::log(static_cast<double>(n_ref)) - mean, 1);
}

template <class T>
Tensor<T> DonskerVaradhan<T>::input_gradient(const Tensor<T>& dlosses) {
    const Tensor<T> dt = Tensor<T>::empty(t_.shape(), t_.device());
    const Index n_ref = t_.dim(0) - n_;
    const Backend<T>& device = backend<T>(t_.device());
    device.fill(dt.data(), T{-1} / static_cast<T>(n_), n_);
    device.softmax_forward(dt.data() + n_, t_.data() + n_, 1, n_ref);
    binary_in_place("backward", BinaryOp::mul, dt, dlosses);
    return dt;
}

template class DonskerVaradhan<float>;
template class DonskerVaradhan<double>;

}  // namespace handgrad
