#include "layers/dropout.h"

#include "core/error.h"

// Dropout: y = x s, with s[i] = 0 with probability p, else 1/(1-p)
//
// The factor 1/(1-p) keeps the mean: E[y] = (1-p) x/(1-p) = x, so that evaluation needs no
// correction. s does not depend on x, hence
//   dL/dx = dL/dy s

namespace handgrad {

template <class T>
Dropout<T>::Dropout(double p, std::uint64_t seed) : p_(p), random_(seed) {
    if (!(p >= 0 && p <= 1))
        throw Error("Dropout: no such probability", number_str(p), "0 <= p <= 1");
}

template <class T>
Tensor<T> Dropout<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    if (!this->training()) {
        scale_ = {};
        y_ = x;
        return x;
    }
    // As torch.bernoulli draws for either T, where it is built without MKL.
    const Tensor<double> drawn = Tensor<double>::empty(x.shape());
    random_.uniform(drawn, 0, 1);
    const Tensor<T> scale = Tensor<T>::empty(x.shape());
    const T keep = static_cast<T>(1 / (1 - p_));
    for (Index i = 0; i < scale.size(); ++i)
        scale.data()[i] = drawn.data()[i] < 1 - p_ ? keep : T{0};
    scale_ = scale.to(x.device());
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device()).multiply(y.data(), x.data(), scale_.data(), x.size());
    y_ = y;
    return y;
}

template <class T>
Tensor<T> Dropout<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    if (!scale_.defined()) return dy;
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    backend<T>(dy.device()).multiply(dx.data(), dy.data(), scale_.data(), dy.size());
    return dx;
}

template <class T>
std::string Dropout<T>::describe() const {
    return "Dropout(" + number_str(p_) + ")";
}

template class Dropout<float>;
template class Dropout<double>;

}  // namespace handgrad
