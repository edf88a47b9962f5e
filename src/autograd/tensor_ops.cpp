#include "autograd/tensor_ops.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace handgrad::tape {
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

template <class A, class B>
void require_same_device(const char* operation, const Tensor<A>& a, const Tensor<B>& b) {
    if (!a.defined() || !b.defined())
        throw Error(operation, "an undefined tensor", "tensors with memory",
                    "make it with Tensor::zeros, empty or from");
    if (a.device() != b.device())
        throw Error(std::string(operation) + ": the tensors are on two devices",
                    std::string(name_of(a.device())) + " and " + std::string(name_of(b.device())),
                    "both on one device", "move one with to()");
}

template <class T>
Tensor<T> unary(UnaryOp op, const Tensor<T>& x) {
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device()).unary(op, y.data(), x.data(), x.size());
    return y;
}

template <class T>
Tensor<T> binary(const char* operation, BinaryOp op, const Tensor<T>& a, const Tensor<T>& b) {
    require_same_device(operation, a, b);
    const Shape shape = broadcast_shapes(operation, a.shape(), b.shape());
    const Strides ys = strides_of(shape), as = strides_within(shape, a.shape()),
                  bs = strides_within(shape, b.shape());
    Walk walk;
    for (int axis = 0; axis < shape.rank(); ++axis)
        walk.append(shape[axis], ys[at(axis)], as[at(axis)], bs[at(axis)]);
    Tensor<T> y = Tensor<T>::empty(shape, a.device());
    backend<T>(a.device()).binary(op, y.data(), a.data(), b.data(), walk.axes(), walk.rank());
    return y;
}

template <class T>
void add_in_place(const Tensor<T>& y, const Tensor<T>& x) {
    const Axis axis{y.size(), 1, 1, 1};
    backend<T>(y.device()).binary(BinaryOp::add, y.data(), y.data(), x.data(), &axis, 1);
}

template <class T>
Tensor<T> expand(const Tensor<T>& x, const Shape& shape) {
    if (x.shape() == shape) return x;
    const Strides ys = strides_of(shape), xs = strides_within(shape, x.shape());
    Walk walk;
    for (int axis = 0; axis < shape.rank(); ++axis)
        walk.append(shape[axis], ys[at(axis)], xs[at(axis)]);
    Tensor<T> y = Tensor<T>::empty(shape, x.device());
    backend<T>(x.device()).copy_walk(y.data(), x.data(), walk.axes(), walk.rank());
    return y;
}

template <class T>
Tensor<T> sum_to(const Tensor<T>& x, const Shape& shape) {
    if (x.shape() == shape) return x;
    const int added = x.rank() - shape.rank();
    AxisSet repeated = 0;
    for (int axis = 0; axis < x.rank(); ++axis)
        if (axis < added || shape[axis - added] != x.dim(axis)) repeated |= 1U << axis;
    return reduce(ReduceOp::sum, x, repeated).reshape(shape);
}

template <class T>
Tensor<T> reduce(ReduceOp op, const Tensor<T>& x, AxisSet axes) {
    const auto in_set = [axes](int axis) { return (axes >> axis & 1U) != 0; };
    Tensor<T> y = x;
    // A run of neighbouring axes [begin, end) is one reduction; the last run goes first.
    for (int end = x.rank(); end > 0;) {
        int begin = end;
        while (begin > 0 && in_set(begin - 1)) --begin;
        if (begin == end) {
            --end;
            continue;
        }
        Index outer = 1, n = 1, inner = 1;
        Shape shape = y.shape();
        for (int axis = 0; axis < y.rank(); ++axis)
            (axis < begin ? outer : axis < end ? n : inner) *= y.dim(axis);
        for (int axis = begin; axis < end; ++axis) shape = with_dim(shape, axis, 1);
        const Tensor<T> reduced = Tensor<T>::empty(shape, x.device());
        backend<T>(x.device()).reduce(op, reduced.data(), y.data(), outer, n, inner);
        y = reduced;
        end = begin;
    }
    return y;
}

#define HANDGRAD_INSTANTIATE(T)                                                             \
    template void require_same_device(const char*, const Tensor<T>&, const Tensor<T>&);     \
    template void require_same_device(const char*, const Tensor<T>&, const Tensor<Index>&); \
    template Tensor<T> unary(UnaryOp, const Tensor<T>&);                                    \
    template Tensor<T> binary(const char*, BinaryOp, const Tensor<T>&, const Tensor<T>&);   \
    template void add_in_place(const Tensor<T>&, const Tensor<T>&);                         \
    template Tensor<T> expand(const Tensor<T>&, const Shape&);                              \
    template Tensor<T> sum_to(const Tensor<T>&, const Shape&);                              \
    template Tensor<T> reduce(ReduceOp, const Tensor<T>&, AxisSet);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad::tape
