#include "core/shape.h"

#include "core/error.h"

namespace handgrad {

Shape::Shape(std::initializer_list<Index> dims) : Shape(std::span(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const Index> dims) {
    for (const Index dim : dims) append(dim);
}

void Shape::append(Index dim) {
    if (rank_ == max_rank)
        throw Error("Shape", "more than six sizes", "at most six",
                    "merge axes that are always used together");
    if (dim < 0) throw Error("Shape", "the size " + std::to_string(dim), "sizes of 0 or more");
    dims_[static_cast<std::size_t>(rank_++)] = dim;
    Index size = 1;
    for (int axis = 0; axis < rank_; ++axis)
        if (__builtin_mul_overflow(size, (*this)[axis], &size) || size > (Index{1} << 62))
            throw Error("Shape", str() + ", more elements than can be counted",
                        "at most 2^62 elements");
}

Index Shape::operator[](int axis) const {
    const int at = axis < 0 ? axis + rank_ : axis;
    if (at < 0 || at >= rank_)
        throw Error("Shape[]", "axis " + std::to_string(axis) + " of shape " + str(),
                    "an axis from " + std::to_string(-rank_) + " to " + std::to_string(rank_ - 1));
    return dims_[static_cast<std::size_t>(at)];
}

Index Shape::size() const {
    Index size = 1;
    for (int axis = 0; axis < rank_; ++axis) size *= dims_[static_cast<std::size_t>(axis)];
    return size;
}

Index Shape::row_size() const {
    Index size = 1;
    for (int axis = 1; axis < rank_; ++axis) size *= dims_[static_cast<std::size_t>(axis)];
    return size;
}

Shape Shape::with_rows(Index rows) const {
    if (rank_ == 0) throw Error("Shape.with_rows", "rank 0", "at least one axis");
    Shape shape{rows};
    for (int axis = 1; axis < rank_; ++axis) shape.append(dims_[static_cast<std::size_t>(axis)]);
    return shape;
}

std::string Shape::str() const {
    std::string text = "(";
    for (int axis = 0; axis < rank_; ++axis) {
        if (axis > 0) text += ", ";
        text += std::to_string(dims_[static_cast<std::size_t>(axis)]);
    }
    return text + ")";
}

}  // namespace handgrad
