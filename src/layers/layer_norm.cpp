#include "layers/layer_norm.h"

#include "core/error.h"

// LayerNorm: y[c] = w[c] xn[c] + b[c] with xn[c] = (x[c] - mean) r, r = 1 / sqrt(var + eps), for
// each row alone
//   x (rows, n)   w (n)   b (n)   mean, var, r (rows)   y (rows, n)
//   mean = 1/n sum_c x[c]          var = 1/n sum_c (x[c] - mean)^2
//
// Weight and bias meet every row:
//   dL/dw[c] = sum_rows dy[c] xn[c]      dL/db[c] = sum_rows dy[c]
// Within a row, x[k] reaches L through its own xn[k], through the mean and through r, as in
// BatchNorm (batch_norm.cpp derives it), but over the row, and with another weight on each element:
//   dxn[c]/dx[k] = r ([c = k] - 1/n - xn[c] xn[k] / n)
// so that the weight stays with dy. With g[c] = dL/dxn[c] = w[c] dy[c],
//   dL/dx[k] = sum_c g[c] dxn[c]/dx[k]
//            = r (g[k] - 1/n sum_c g[c] - xn[k] 1/n sum_c g[c] xn[c])

namespace handgrad {

template <class T>
LayerNorm<T>::LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options,
                        Device device)
    : normalized_shape_(normalized_shape), options_(options) {
    if (normalized_shape.rank() == 0 || normalized_shape.size() == 0 || !(options.eps >= 0))
        throw Error("LayerNorm: no such layer", describe(),
                    "at least one axis, sizes of at least 1, and eps >= 0");
    if (!options.elementwise_affine) return;
    const Shape& shape = normalized_shape;
    weight = {"weight", Tensor<T>::full(shape, 1, device), Tensor<T>::zeros(shape, device)};
    bias = {"bias", Tensor<T>::zeros(shape, device), Tensor<T>::zeros(shape, device)};
}

template <class T>
Tensor<T> LayerNorm<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    this->require_same_device(x, weight);
    const int axes = normalized_shape_.rank();
    bool fits = x.rank() >= axes;
    for (int axis = -1; fits && axis >= -axes; --axis)
        fits = x.dim(axis) == normalized_shape_[axis];
    if (!fits)
        throw Error(describe() + ".forward: the input does not fit",
                    "x of shape " + x.shape().str(),
                    "x of shape (..., " + normalized_shape_.str().substr(1),
                    "build LayerNorm with the sizes of the last axes of x, or reshape x");
    const Index cols = normalized_shape_.size(), rows = x.size() / cols;
    mean_ = Tensor<T>::empty({rows}, x.device());
    rstd_ = Tensor<T>::empty({rows}, x.device());
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device())
        .layer_norm_forward(y.data(), mean_.data(), rstd_.data(), x.data(), weight.value.data(),
                            bias.value.data(), static_cast<T>(options_.eps), rows, cols);
    x_ = x;
    return y;
}

template <class T>
Tensor<T> LayerNorm<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(x_, dy);
    const Index cols = normalized_shape_.size(), rows = dy.size() / cols;
    Tensor<T> dx = Tensor<T>::empty(dy.shape(), dy.device());
    backend<T>(dy.device())
        .layer_norm_backward(dx.data(), weight.grad.data(), bias.grad.data(), dy.data(), x_.data(),
                             mean_.data(), rstd_.data(), weight.value.data(), rows, cols);
    return dx;
}

template <class T>
std::vector<Parameter<T>*> LayerNorm<T>::parameters() {
    if (!options_.elementwise_affine) return {};
    return {&weight, &bias};
}

template <class T>
std::string LayerNorm<T>::describe() const {
    const LayerNormOptions usual;
    std::string text = "LayerNorm(" + normalized_shape_.str();
    if (options_.eps != usual.eps) text += ", eps " + number_str(options_.eps);
    if (!options_.elementwise_affine) text += ", not affine";
    return text + ")";
}

template class LayerNorm<float>;
template class LayerNorm<double>;

}  // namespace handgrad
