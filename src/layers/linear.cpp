#include "layers/linear.h"

#include "core/error.h"
#include "init/init.h"

// Linear: y = x W' + b
//   x (N, in)   W (out, in)   b (out)   y (N, out)
//
// y[n,o] = sum_i x[n,i] W[o,i] + b[o], hence with dy = dL/dy (N, out)
//   dL/dW[o,i] = sum_n dy[n,o] x[n,i]     dW = dy' x              (out, in)
//   dL/db[o]   = sum_n dy[n,o]            db = column sums of dy  (out)
//   dL/dx[n,i] = sum_o dy[n,o] W[o,i]     dx = dy W               (N, in)
// Without a bias, b = 0 and nothing moves it.

namespace handgrad {

template <class T>
Linear<T>::Linear(Index in, Index out, Random& random, const LinearOptions& options, Device device)
    : in_(in), out_(out), options_(options) {
    if (in <= 0 || out <= 0)
        throw Error("Linear: no such layer", describe(), "at least one feature in and one out");
    weight = {"weight", Tensor<T>::empty({out, in}, device), Tensor<T>::zeros({out, in}, device)};
    const Shape bias_shape{options.bias ? out : 0};
    bias = {"bias", Tensor<T>::empty(bias_shape, device), Tensor<T>::zeros(bias_shape, device)};
    init::linear_default(weight.value, bias.value, random);
}

template <class T>
Tensor<T> Linear<T>::forward(const Tensor<T>& x) {
    return forward(x, false);
}

template <class T>
Tensor<T> Linear<T>::forward_relu(const Tensor<T>& x) {
    return forward(x, true);
}

template <class T>
Tensor<T> Linear<T>::forward(const Tensor<T>& x, bool relu) {
    this->require_input(x);
    this->require_same_device(x, weight);
    if (x.rank() != 2 || x.dim(1) != in_)
        throw Error(describe() + ".forward: the input does not fit",
                    "x of shape " + x.shape().str(), "x of shape (N, " + std::to_string(in_) + ")",
                    x.rank() > 2 && x.shape().row_size() == in_
                        ? "flatten each sample: x.reshape({N, " + std::to_string(in_) + "})"
                        : "make the layer before it give " + std::to_string(in_) + " features");
    const Index n = x.dim(0);
    Tensor<T> y = Tensor<T>::empty({n, out_}, x.device());
    const Backend<T>& kernels = backend<T>(x.device());
    const T* const b = options_.bias ? bias.value.data() : nullptr;
    if (packed_.defined())
        kernels.linear_forward_packed(y.data(), x.data(), weight.value.data(), packed_.data(), b,
                                      relu, n, in_, out_);
    else if (relu)
        kernels.linear_relu_forward(y.data(), x.data(), weight.value.data(), b, n, in_, out_);
    else
        kernels.linear_forward(y.data(), x.data(), weight.value.data(), b, n, in_, out_);
    x_ = x;
    y_ = y;
    return y;
}

template <class T>
Tensor<T> Linear<T>::backward(const Tensor<T>& dy) {
    backward_parameters(dy);
    Tensor<T> dx = Tensor<T>::empty(x_.shape(), x_.device());  // (N, in)
    matmul(dx, dy, weight.value);                              // dy W
    return dx;
}

template <class T>
void Linear<T>::backward_parameters(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    if (packed_.defined())
        throw Error(describe() + ".backward: the weight is packed, to stay as it is",
                    "a gradient after prepack()", "a layer that is not packed",
                    "call train() before the forward");
    if (options_.bias)
        backend<T>(dy.device())
            .linear_backward_weight(weight.grad.data(), bias.grad.data(), dy.data(), x_.data(),
                                    dy.dim(0), in_, out_);  // dW += dy' x
    else
        matmul(weight.grad, dy, x_, {.trans_a = Trans::yes, .beta = 1});
}

template <class T>
void Linear<T>::prepack() {
    const Device device = weight.value.device();
    const Backend<T>& kernels = backend<T>(device);
    const Index size = kernels.packed_weight_size(in_, out_);
    if (size == 0) return;
    packed_ = Tensor<T>::empty({size}, device);
    kernels.pack_weight(packed_.data(), weight.value.data(), in_, out_);
}

template <class T>
void Linear<T>::train(bool on) {
    Layer<T>::train(on);
    packed_ = {};
}

template <class T>
std::vector<Parameter<T>*> Linear<T>::parameters() {
    if (options_.bias) return {&weight, &bias};
    return {&weight};
}

template <class T>
std::string Linear<T>::describe() const {
    return "Linear(" + std::to_string(in_) + ", " + std::to_string(out_) +
           (options_.bias ? ")" : ", {.bias = false})");
}

template class Linear<float>;
template class Linear<double>;

}  // namespace handgrad
