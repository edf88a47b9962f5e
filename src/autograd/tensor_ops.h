// The arithmetic of the tape: operations on tensors, from which the operations on variables and
// their derivatives are put together. Shapes broadcast as numpy's and PyTorch's do.
#pragma once

#include <array>

#include "core/tensor.h"

namespace handgrad::tape {

/// The axes along which arrays are walked in step, for Backend<T>::binary and its like.
/// Neighbouring axes become one where all strides allow it.
class Walk {
  public:
    /// The next axis, slower ones first.
    void append(Index size, Index y, Index a, Index b = 0);
    [[nodiscard]] const Axis* axes() const { return axes_.data(); }
    [[nodiscard]] int rank() const { return rank_; }

  private:
    std::array<Axis, Shape::max_rank> axes_{Axis{1, 0, 0, 0}};
    int rank_ = 1;
};

using Strides = std::array<Index, Shape::max_rank>;
/// How far apart the elements of a tensor stand along each axis.
Strides strides_of(const Shape& shape);
/// The same for a tensor that is broadcast to a wider shape: 0 along the axes that repeat it.
Strides strides_within(const Shape& wide, const Shape& shape);
/// The shape that two broadcast to. Throws Error, naming the operation, where they do not.
Shape broadcast_shapes(const char* operation, const Shape& a, const Shape& b);
/// The shape with another size along one axis.
Shape with_dim(const Shape& shape, int axis, Index size);
/// `axis` counted from the first. Throws Error, naming the operation, where there is no such axis.
int resolve_axis(const char* operation, const Shape& shape, int axis);

/// A set of axes, one bit each.
using AxisSet = unsigned;

/// Throws Error, naming the operation, unless both are defined and on one device.
template <class A, class B>
void require_same_device(const char* operation, const Tensor<A>& a, const Tensor<B>& b);

template <class T>
Tensor<T> unary(UnaryOp op, const Tensor<T>& x);
/// op(a, b). `operation` is for errors: shapes that do not broadcast, tensors of two devices.
template <class T>
Tensor<T> binary(const char* operation, BinaryOp op, const Tensor<T>& a, const Tensor<T>& b);
template <class T>
Tensor<T> operator+(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("add", BinaryOp::add, a, b);
}
template <class T>
Tensor<T> operator-(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("sub", BinaryOp::sub, a, b);
}
template <class T>
Tensor<T> operator*(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("mul", BinaryOp::mul, a, b);
}
template <class T>
Tensor<T> operator/(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("div", BinaryOp::div, a, b);
}
template <class T>
Tensor<T> operator-(const Tensor<T>& x) {
    return unary(UnaryOp::neg, x);
}
template <class T>
Tensor<T> operator*(double factor, const Tensor<T>& x) {
    return Tensor<T>::full({}, static_cast<T>(factor), x.device()) * x;
}
/// y += x, of equal shapes.
template <class T>
void add_in_place(const Tensor<T>& y, const Tensor<T>& x);
/// x repeated to a wider shape: itself where the shapes are equal.
template <class T>
Tensor<T> expand(const Tensor<T>& x, const Shape& shape);
/// The gradient of expand: x summed over the axes along which `shape` was repeated.
template <class T>
Tensor<T> sum_to(const Tensor<T>& x, const Shape& shape);
/// Each axis of the set becomes one of size 1.
template <class T>
Tensor<T> reduce(ReduceOp op, const Tensor<T>& x, AxisSet axes);

}  // namespace handgrad::tape
