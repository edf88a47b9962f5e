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
    const int rank = x.rank();
    const int start = start_dim_ < 0 ? start_dim_ + rank : start_dim_;
    const int end = end_dim_ < 0 ? end_dim_ + rank : end_dim_;
    if (start < 0 || end >= rank || start > end) {
        const std::string axes =
            "axes " + std::to_string(start_dim_) + " to " + std::to_string(end_dim_);
        throw Error(describe() + ".forward: the input does not fit",
                    "x of shape " + x.shape().str() + ", without " + axes,
                    "x with " + axes + ", (N, ...) by default",
                    "give x a first axis for the samples: x.reshape({1, ...}) for a single one");
    }
    std::array<Index, Shape::max_rank> sizes{};
    std::size_t count = 0;
    for (int axis = 0; axis < rank; ++axis) {
        if (axis > start && axis <= end)
            sizes.at(count - 1) *= x.dim(axis);
        else
            sizes.at(count++) = x.dim(axis);
    }
    x_shape_ = x.shape();
    y_ = x.reshape(Shape(std::span<const Index>(sizes).first(count)));
    return y_;
}

template <class T>
Tensor<T> Flatten<T>::backward(const Tensor<T>& dy) {
    this->require_gradient_of(y_, dy);
    return dy.reshape(x_shape_);
}

template <class T>
std::string Flatten<T>::describe() const {
    if (start_dim_ == 1 && end_dim_ == -1) return "Flatten()";
    const std::string end = end_dim_ == -1 ? "" : ", " + std::to_string(end_dim_);
    return "Flatten(" + std::to_string(start_dim_) + end + ")";
}

template class Flatten<float>;
template class Flatten<double>;

}  // namespace handgrad
