#include "layers/dropout.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

// Dropout: y = x s, with s[i] = 0 with probability p, else 1/(1-p)
//
// The factor 1/(1-p) keeps the mean: E[y] = (1-p) x/(1-p) = x, so that evaluation needs no
// correction. s does not depend on x, hence
//   dL/dx = dL/dy s
//
// s is not kept for backward, which draws it again: that takes no memory, and little time.

namespace handgrad {

template <class T>
Dropper<T>::Dropper(std::string_view layer, double p, std::uint64_t seed)
    : p_(p), draw_{.seed = seed} {
    if (!(p >= 0 && p <= 1))
        throw Error(std::string(layer) + ": no such probability", number_str(p), "0 <= p <= 1");
    // (1-p) 2^32 of the 2^32 numbers are kept; where that is none, the scale is 0.
    const double kept = std::round((1 - p) * 0x1p32);
    draw_.last_kept = static_cast<std::uint32_t>(std::max(kept - 1, 0.0));
}

template <class T>
void Dropper<T>::draw(const Tensor<T>& y, const Tensor<T>& x) {
    if (!calls_.defined()) calls_ = Tensor<Index>::zeros({});
    calls_ = calls_.to(x.device());
    backend<T>(x.device()).count(calls_.data());
    repeat(y, x);
}

template <class T>
void Dropper<T>::repeat(const Tensor<T>& y, const Tensor<T>& x) const {
    const T scale = p_ < 1 ? static_cast<T>(1 / (1 - p_)) : T{0};
    backend<T>(x.device()).dropout(y.data(), x.data(), calls_.data(), draw_, scale, x.size());
}

template <class T>
Dropout<T>::Dropout(double p, std::uint64_t seed) : dropper_("Dropout", p, seed) {}

template <class T>
Tensor<T> Dropout<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    dropped_ = this->training();
    y_ = dropped_ ? Tensor<T>::empty(x.shape(), x.device()) : x;
    if (dropped_) dropper_.draw(y_, x);
    return y_;
}

template <class T>
Tensor<T> Dropout<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    if (!dropped_) return dy;
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    dropper_.repeat(dx, dy);
    return dx;
}

template <class T>
std::string Dropout<T>::describe() const {
    return "Dropout(" + number_str(dropper_.p()) + ")";
}

template class Dropper<float>;
template class Dropper<double>;
template class Dropout<float>;
template class Dropout<double>;

}  // namespace handgrad
