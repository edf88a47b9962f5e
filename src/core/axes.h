// The axes of tensors: how arrays of several shapes are walked along in step, and how they
// broadcast, which is as numpy's and PyTorch's do.
#pragma once

#include <array>
#include <initializer_list>

#include "core/shape.h"

namespace handgrad {

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
/// The axes named. Throws Error, naming the operation, on no axes, on one that comes twice and on
/// one that is not there.
AxisSet axis_set(const char* operation, const Shape& shape, std::initializer_list<int> axes);
AxisSet all_axes(const Shape& shape);
/// The shape without the axes of the set.
Shape without(const Shape& shape, AxisSet set);

}  // namespace handgrad
