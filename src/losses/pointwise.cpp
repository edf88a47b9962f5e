#include "losses/pointwise.h"

#include <utility>

#include "core/error.h"

namespace handgrad {

template <class T>
ElementwiseLoss<T>::ElementwiseLoss(PointwiseLoss l, Reduction reduction, double a)
    : Loss<T>(reduction), l_(l), a_(static_cast<T>(a)) {}

template <class T>
Tensor<T> ElementwiseLoss<T>::forward(const Tensor<T>& input, const Tensor<T>& target) {
    this->require_equal_shapes(input, target);
    input_ = input;
    target_ = target;
    const Tensor<T> losses = this->room_for_losses(input.shape(), input.device());
    backend<T>(input.device())
        .pointwise_loss_forward(l_, losses.data(), input.data(), target.data(), a_, input.size());
    return this->reduce(losses, static_cast<double>(input.size()));
}

template <class T>
Tensor<T> ElementwiseLoss<T>::input_gradient(const Tensor<T>& dlosses) {
    Tensor<T> dx = Tensor<T>::empty(input_.shape(), input_.device());
    backend<T>(dx.device())
        .pointwise_loss_backward(l_, dx.data(), dlosses.data(), input_.data(), target_.data(), a_,
                                 dx.size());
    return dx;
}

template <class T>
std::string MSELoss<T>::describe() const {
    return "MSELoss(" + name_of(this->reduction()) + ")";
}

template <class T>
std::string L1Loss<T>::describe() const {
    return "L1Loss(" + name_of(this->reduction()) + ")";
}

template <class T>
SmoothL1Loss<T>::SmoothL1Loss(Reduction reduction, double beta)
    : ElementwiseLoss<T>(PointwiseLoss::smooth_l1, reduction, beta), beta_(beta) {
    if (!(beta >= 0)) throw Error("SmoothL1Loss: no such beta", number_str(beta), "beta >= 0");
}

template <class T>
std::string SmoothL1Loss<T>::describe() const {
    return "SmoothL1Loss(" + name_of(this->reduction()) + ", " + number_str(beta_) + ")";
}

template <class T>
Tensor<T> BCELoss<T>::forward(const Tensor<T>& input, const Tensor<T>& target) {
    this->require_equal_shapes(input, target);
    // Elsewhere looking would mean waiting for all work before; there the logarithm is NaN.
    if (input.device() == Device::cpu)
        for (const T p : input.span())
            if (p < 0 || p > 1)
                throw Error(describe() + ".forward: an input is no probability",
                            number_str(static_cast<double>(p)), "numbers from 0 to 1",
                            "put a Sigmoid before it, or use BCEWithLogitsLoss instead");
    return ElementwiseLoss<T>::forward(input, target);
}

template <class T>
std::string BCELoss<T>::describe() const {
    return "BCELoss(" + name_of(this->reduction()) + ")";
}

template <class T>
BCEWithLogitsLoss<T>::BCEWithLogitsLoss(Reduction reduction, Tensor<T> pos_weight)
    : Loss<T>(reduction), pos_weight_(std::move(pos_weight)) {}

template <class T>
Tensor<T> BCEWithLogitsLoss<T>::forward(const Tensor<T>& input, const Tensor<T>& target) {
    this->require_equal_shapes(input, target);
    if (pos_weight_.defined()) this->require_weights(input, pos_weight_, -1);
    pos_weight_ = pos_weight_.to(input.device());
    input_ = input;
    target_ = target;
    const Tensor<T> losses = this->room_for_losses(input.shape(), input.device());
    const Index cols = input.rank() > 0 ? input.dim(-1) : 1;
    backend<T>(input.device())
        .bce_with_logits_forward(losses.data(), input.data(), target.data(), pos_weight_.data(),
                                 input.size() / cols, cols);
    return this->reduce(losses, static_cast<double>(input.size()));
}

template <class T>
Tensor<T> BCEWithLogitsLoss<T>::input_gradient(const Tensor<T>& dlosses) {
    Tensor<T> dx = Tensor<T>::empty(input_.shape(), input_.device());
    const Index cols = dx.rank() > 0 ? dx.dim(-1) : 1;
    backend<T>(dx.device())
        .bce_with_logits_backward(dx.data(), dlosses.data(), input_.data(), target_.data(),
                                  pos_weight_.data(), dx.size() / cols, cols);
    return dx;
}

template <class T>
std::string BCEWithLogitsLoss<T>::describe() const {
    return "BCEWithLogitsLoss(" + name_of(this->reduction()) +
           (pos_weight_.defined() ? ", pos_weight " + pos_weight_.shape().str() : "") + ")";
}

#define HANDGRAD_INSTANTIATE(T)        \
    template class ElementwiseLoss<T>; \
    template class MSELoss<T>;         \
    template class L1Loss<T>;          \
    template class SmoothL1Loss<T>;    \
    template class BCELoss<T>;         \
    template class BCEWithLogitsLoss<T>;
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
