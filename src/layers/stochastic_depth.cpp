#include "layers/stochastic_depth.h"

#include <algorithm>

#include "core/error.h"

// StochasticDepth: y[n] = s[n] x[n], with s[n] = 0 with probability p, else 1/(1-p)
//   x (N, ...)   s (N), drawn for each sample, or once for all
//
// E[s] = (1-p)/(1-p) = 1, hence E[y] = x. s does not depend on x:
//   dL/dx[n] = s[n] dL/dy[n]

namespace handgrad {

template <class T>
StochasticDepth<T>::StochasticDepth(double p, Mode mode, std::uint64_t seed)
    : dropper_("StochasticDepth", p, seed), mode_(mode) {}

template <class T>
Tensor<T> StochasticDepth<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    if (x.rank() == 0)
        throw Error(describe() + ".forward: the input does not fit",
                    "x of shape " + x.shape().str(), "x of shape (N, ...)",
                    "one sample is a batch, too: x.reshape({1, ...})");
    x_ = x;
    scale_ = {};
    if (!this->training()) return x;
    scale_ = Tensor<T>::full({mode_ == Mode::batch ? 1 : x.dim(0)}, 1, x.device());
    dropper_.draw(scale_, scale_);
    return scaled(x);
}

template <class T>
Tensor<T> StochasticDepth<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(x_, dy);
    return scale_.defined() ? scaled(dy) : dy;
}

template <class T>
Tensor<T> StochasticDepth<T>::scaled(const Tensor<T>& x) const {
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    const Index rows = scale_.size(), cols = x.size() / std::max<Index>(rows, 1);
    backend<T>(x.device()).scale_rows(y.data(), x.data(), scale_.data(), rows, cols);
    return y;
}

template <class T>
std::string StochasticDepth<T>::describe() const {
    return "StochasticDepth(" + number_str(dropper_.p()) +
           (mode_ == Mode::batch ? ", batch)" : ", row)");
}

template class StochasticDepth<float>;
template class StochasticDepth<double>;

}  // namespace handgrad
