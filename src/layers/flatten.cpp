#include "layers/flatten.h"

#include <array>

#include "core/error.h"

// Flatten: y[n, i] = x[n, c, h, w] with i = (c H + h) W + w
//
// The elements are the same and lie in the same order, hence dL/dx is dL/dy in the shape of x.

namespace handgrad {

template <class T>
Tensor<T> Flatten<T>::forward(const Tensor<T>& x) {
    this->require_input(x);
    const int start = start_dim_ < 0 ? start_dim_ + x.rank() : start_dim_;
    if (start < 0 || start >= x.rank())
        throw Error(
            describe() + ".forward: the input does not fit",
            "x of shape " + x.shape().str() + ", without an axis " + std::to_string(start_dim_),
            "x with an axis " + std::to_string(start_dim_) + ", (N, ...) by default",
            "give x a first axis for the samples: x.reshape({1, ...}) for a single one");
    std::array<Index, Shape::max_rank> sizes{};
    for (int axis = 0; axis < start; ++axis) sizes.at(static_cast<std::size_t>(axis)) = x.dim(axis);
    Index& last = sizes.at(static_cast<std::size_t>(start));
    last = 1;
    for (int axis = start; axis < x.rank(); ++axis) last *= x.dim(axis);
    x_shape_ = x.shape();
    y_ = x.reshape(Shape(std::span<const Index>(sizes).first(static_cast<std::size_t>(start) + 1)));
    return y_;
}

template <class T>
Tensor<T> Flatten<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    return dy.reshape(x_shape_);
}

template <class T>
std::string Flatten<T>::describe() const {
    return start_dim_ == 1 ? "Flatten()" : "Flatten(" + std::to_string(start_dim_) + ")";
}

template class Flatten<float>;
template class Flatten<double>;

}  // namespace handgrad
