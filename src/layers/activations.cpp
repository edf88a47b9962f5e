#include "layers/activations.h"

#include "core/error.h"

namespace handgrad {
namespace {

/// Does the derivative follow from y alone? See enum Activation.
bool reads_output(Activation f) {
    return f == Activation::relu || f == Activation::sigmoid || f == Activation::tanh;
}

}  // namespace

template <class T>
ElementwiseLayer<T>::ElementwiseLayer(Activation f, double a, double b)
    : f_(f), a_(static_cast<T>(a)), b_(static_cast<T>(b)) {}

template <class T>
Tensor<T> ElementwiseLayer<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device()).activation_forward(f_, y.data(), x.data(), a_, b_, x.size());
    kept_ = reads_output(f_) ? y : x;
    return y;
}

template <class T>
Tensor<T> ElementwiseLayer<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(kept_, dy);
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    backend<T>(dy.device())
        .activation_backward(f_, dx.data(), dy.data(), kept_.data(), a_, b_, dy.size());
    return dx;
}

template <class T>
Softplus<T>::Softplus(double beta, double threshold)
    : ElementwiseLayer<T>(Activation::softplus, beta, threshold),
      beta_(beta),
      threshold_(threshold) {
    if (!(beta > 0)) throw Error("Softplus: no such beta", number_str(beta), "beta > 0");
}

template <class T>
Tensor<T> Identity<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    y_ = x;
    return x;
}

template <class T>
Tensor<T> Identity<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    return dy;
}

#define HANDGRAD_INSTANTIATE(T)         \
    template class ElementwiseLayer<T>; \
    template class Softplus<T>;         \
    template class Identity<T>;
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
