#include "core/axes.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace handgrad {
namespace {

std::size_t at(int axis) {
    return static_cast<std::size_t>(axis);
}

}  // namespace

void Walk::append(Index size, Index y, Index a, Index b) {
    Axis& last = axes_[at(rank_ - 1)];
    const bool continues = last.y == size * y && last.a == size * a && last.b == size * b;
    if (last.size == 1)
        last = {size, y, a, b};
    else if (continues)
        last = {last.size * size, y, a, b};
    else if (size != 1)
        axes_[at(rank_++)] = {size, y, a, b};
}

Strides strides_of(const Shape& shape) {
    Strides strides{};
    Index stride = 1;
    for (int axis = shape.rank(); axis-- > 0;) {
        strides[at(axis)] = stride;
        stride *= shape[axis];
    }
    return strides;
}

Strides strides_within(const Shape& wide, const Shape& shape) {
    const Strides own = strides_of(shape);
    const int missing = wide.rank() - shape.rank();
    Strides strides{};
    for (int axis = 0; axis < shape.rank(); ++axis)
        if (shape[axis] == wide[missing + axis]) strides[at(missing + axis)] = own[at(axis)];
    return strides;
}

Shape broadcast_shapes(const char* operation, const Shape& a, const Shape& b) {
    if (a == b) return a;
    std::array<Index, Shape::max_rank> dims{};
    const int rank = std::max(a.rank(), b.rank());
    for (int axis = 0; axis < rank; ++axis) {
        const int in_a = axis - (rank - a.rank()), in_b = axis - (rank - b.rank());
        const Index size_a = in_a < 0 ? 1 : a[in_a], size_b = in_b < 0 ? 1 : b[in_b];
        if (size_a != size_b && size_a != 1 && size_b != 1)
            throw Error(std::string(operation) + ": the shapes do not broadcast",
                        a.str() + " and " + b.str(),
                        "sizes that are equal or 1 on each axis, counted from the last",
                        "give one of them axes of size 1 with reshape, or transpose it");
        dims[at(axis)] = size_a == 1 ? size_b : size_a;
    }
    return Shape(std::span<const Index>(dims.data(), at(rank)));
}

Shape with_dim(const Shape& shape, int axis, Index size) {
    std::array<Index, Shape::max_rank> dims{};
    for (int i = 0; i < shape.rank(); ++i) dims[at(i)] = i == axis ? size : shape[i];
    return Shape(std::span<const Index>(dims.data(), at(shape.rank())));
}

int resolve_axis(const char* operation, const Shape& shape, int axis) {
    const int rank = shape.rank();
    if (axis < -rank || axis >= rank)
        throw Error(std::string(operation) + ": no such axis",
                    "axis " + std::to_string(axis) + " of shape " + shape.str(),
                    rank == 0 ? "a tensor with axes"
                              : "an axis from " + std::to_string(-rank) + " to " +
                                    std::to_string(rank - 1));
    return axis < 0 ? axis + rank : axis;
}

AxisSet axis_set(const char* operation, const Shape& shape, std::initializer_list<int> axes) {
    AxisSet set = 0;
    for (const int named : axes) {
        const AxisSet axis = 1U << resolve_axis(operation, shape, named);
        if ((set & axis) != 0)
            throw Error(std::string(operation) + ": an axis is named twice",
                        "axis " + std::to_string(named) + " of shape " + shape.str(),
                        "each axis once");
        set |= axis;
    }
    if (set == 0)
        throw Error(std::string(operation) + ": no axes",
                    "an empty list of axes for shape " + shape.str(), "at least one",
                    std::string("for all, leave out the list: ") + operation + "(x)");
    return set;
}

Shape without(const Shape& shape, AxisSet set) {
    std::array<Index, Shape::max_rank> dims{};
    std::size_t rank = 0;
    for (int axis = 0; axis < shape.rank(); ++axis)
        if ((set >> axis & 1U) == 0) dims[rank++] = shape[axis];
    return Shape(std::span<const Index>(dims.data(), rank));
}

AxisSet all_axes(const Shape& shape) {
    return (1U << shape.rank()) - 1;
}

}  // namespace handgrad
