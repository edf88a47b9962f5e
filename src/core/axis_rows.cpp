#include "core/axis_rows.h"

#include <array>
#include <utility>

namespace handgrad {
namespace {

/// Walks along (A, B, C) through y = rows and a = x.
std::array<Axis, 3> rows_walk(const Shape& shape, int axis) {
    const Index classes = shape[axis];
    Index outer = 1, inner = 1;
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
    return {Axis{outer, inner * classes, inner * classes, 0}, Axis{inner, classes, 1, 0},
            Axis{classes, 1, inner, 0}};
}

}  // namespace

template <class T>
Tensor<T> rows_along(const Tensor<T>& x, int axis) {
    const auto walk = rows_walk(x.shape(), axis);
    const Shape shape{walk[0].size * walk[1].size, walk[2].size};
    if (walk[1].size == 1) return x.reshape(shape);
    Tensor<T> rows = Tensor<T>::empty(shape, x.device());
    backend<T>(x.device()).copy_walk(rows.data(), x.data(), walk.data(), 3);
    return rows;
}

template <class T>
Tensor<T> from_rows_along(const Tensor<T>& rows, const Shape& shape, int axis) {
    auto walk = rows_walk(shape, axis);
    if (walk[1].size == 1) return rows.reshape(shape);
    for (Axis& along : walk) std::swap(along.y, along.a);
    Tensor<T> x = Tensor<T>::empty(shape, rows.device());
    backend<T>(rows.device()).copy_walk(x.data(), rows.data(), walk.data(), 3);
    return x;
}

template Tensor<float> rows_along(const Tensor<float>&, int);
template Tensor<double> rows_along(const Tensor<double>&, int);
template Tensor<float> from_rows_along(const Tensor<float>&, const Shape&, int);
template Tensor<double> from_rows_along(const Tensor<double>&, const Shape&, int);

}  // namespace handgrad
