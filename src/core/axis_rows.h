// The entries along one axis of a tensor as rows of a matrix, which is what kernels on rows take.
#pragma once

#include "core/tensor.h"

namespace handgrad {

/// x (A, C, B) -> (A B, C), with C the size of the axis, A the sizes before it and B those after it
/// multiplied. Shares x's memory where B is 1.
template <class T>
Tensor<T> rows_along(const Tensor<T>& x, int axis);

/// The way back, to the shape of x.
template <class T>
Tensor<T> from_rows_along(const Tensor<T>& rows, const Shape& shape, int axis);

}  // namespace handgrad
