#include "core/tensor_ops.h"

#include <array>
#include <functional>
#include <string>
#include <utility>

#include "core/error.h"

namespace handgrad {
namespace {

std::size_t at(int axis) {
    return static_cast<std::size_t>(axis);
}

/// y = op(a, b), with y of the shape that the two broadcast to.
template <class T>
void walk_binary(BinaryOp op, const Tensor<T>& y, const Tensor<T>& a, const Tensor<T>& b) {
    const Shape& shape = y.shape();
    const Strides ys = strides_of(shape), as = strides_within(shape, a.shape()),
                  bs = strides_within(shape, b.shape());
    Walk walk;
    for (int axis = 0; axis < shape.rank(); ++axis)
        walk.append(shape[axis], ys[at(axis)], as[at(axis)], bs[at(axis)]);
    backend<T>(y.device()).binary(op, y.data(), a.data(), b.data(), walk.axes(), walk.rank());
}

/// A reduction as the caller wants its shape.
template <class T>
Tensor<T> reduced(ReduceOp op, const Tensor<T>& x, AxisSet axes, bool keepdim) {
    const Tensor<T> y = reduce(op, x, axes);
    return keepdim ? y : y.reshape(without(x.shape(), axes));
}

template <class T>
Tensor<T> mean_over(const Tensor<T>& x, AxisSet axes, bool keepdim) {
    const Tensor<T> sums = reduced(ReduceOp::sum, x, axes, keepdim);
    return sums * (static_cast<double>(sums.size()) / static_cast<double>(x.size()));
}

}  // namespace

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
    require_same_device("a function of each element", x, x);
    Tensor<T> y = Tensor<T>::empty(x.shape(), x.device());
    backend<T>(x.device()).unary(op, y.data(), x.data(), x.size());
    return y;
}

template <class T>
Tensor<T> binary(const char* operation, BinaryOp op, const Tensor<T>& a, const Tensor<T>& b) {
    require_same_device(operation, a, b);
    const Tensor<T> y =
        Tensor<T>::empty(broadcast_shapes(operation, a.shape(), b.shape()), a.device());
    walk_binary(op, y, a, b);
    return y;
}

template <class T>
void binary_in_place(const char* operation, BinaryOp op, const Tensor<T>& a, const Tensor<T>& b) {
    require_same_device(operation, a, b);
    if (broadcast_shapes(operation, a.shape(), b.shape()) != a.shape())
        throw Error(std::string(operation) + " in place: the result has a wider shape",
                    a.shape().str() + " and " + b.shape().str(),
                    "a shape on the right that broadcasts to that on the left");
    // A part of a that is repeated would be read after it has been written to.
    const std::less<const T*> before;
    const bool part_of_a = b.shape() != a.shape() && before(b.data(), a.data() + a.size()) &&
                           before(a.data(), b.data() + b.size());
    walk_binary(op, a, a, part_of_a ? b.clone() : b);
    a.bump_version();
}

template <class T>
Tensor<T> matmul(const Tensor<T>& a, const Tensor<T>& b, Trans trans_a, Trans trans_b) {
    if (!a.defined() || !b.defined() || a.rank() != 2 || b.rank() != 2)
        throw Error("matmul: the shapes do not fit",
                    (a.defined() ? a.shape().str() : "undefined") + " and " +
                        (b.defined() ? b.shape().str() : "undefined"),
                    "two matrices", "give a vector a second axis with reshape");
    const Tensor<T> y = Tensor<T>::empty(
        {a.dim(trans_a == Trans::yes ? 1 : 0), b.dim(trans_b == Trans::yes ? 0 : 1)}, a.device());
    matmul(y, a, b, {.trans_a = trans_a, .trans_b = trans_b});
    return y;
}

template <class T>
Tensor<T> sum(const Tensor<T>& x, std::initializer_list<int> axes, bool keepdim) {
    return reduced(ReduceOp::sum, x, axis_set("sum", x.shape(), axes), keepdim);
}
template <class T>
Tensor<T> sum(const Tensor<T>& x) {
    return reduced(ReduceOp::sum, x, all_axes(x.shape()), false);
}
template <class T>
Tensor<T> mean(const Tensor<T>& x, std::initializer_list<int> axes, bool keepdim) {
    return mean_over(x, axis_set("mean", x.shape(), axes), keepdim);
}
template <class T>
Tensor<T> mean(const Tensor<T>& x) {
    return mean_over(x, all_axes(x.shape()), false);
}
template <class T>
Tensor<T> max(const Tensor<T>& x, std::initializer_list<int> axes, bool keepdim) {
    return reduced(ReduceOp::max, x, axis_set("max", x.shape(), axes), keepdim);
}
template <class T>
Tensor<T> max(const Tensor<T>& x) {
    return reduced(ReduceOp::max, x, all_axes(x.shape()), false);
}

template <class T>
Tensor<T> permute(const Tensor<T>& x, std::span<const int> order) {
    const Strides xs = strides_of(x.shape());
    std::array<Index, Shape::max_rank> dims{};
    for (int axis = 0; axis < x.rank(); ++axis) dims[at(axis)] = x.dim(order[at(axis)]);
    const Shape shape(std::span<const Index>(dims.data(), at(x.rank())));
    const Strides ys = strides_of(shape);
    Walk walk;
    for (int axis = 0; axis < x.rank(); ++axis)
        walk.append(shape[axis], ys[at(axis)], xs[at(order[at(axis)])]);
    Tensor<T> y = Tensor<T>::empty(shape, x.device());
    backend<T>(x.device()).copy_walk(y.data(), x.data(), walk.axes(), walk.rank());
    return y;
}

template <class T>
Tensor<T> transpose(const Tensor<T>& x, int axis0, int axis1) {
    require_same_device("transpose", x, x);
    std::array<int, Shape::max_rank> order{};
    for (int axis = 0; axis < x.rank(); ++axis) order[at(axis)] = axis;
    std::swap(order[at(resolve_axis("transpose", x.shape(), axis0))],
              order[at(resolve_axis("transpose", x.shape(), axis1))]);
    return permute(x, std::span<const int>(order.data(), at(x.rank())));
}

template <class T>
Tensor<T> slice(const Tensor<T>& x, int axis, Index begin, Index end) {
    require_same_device("slice", x, x);
    const int along = resolve_axis("slice", x.shape(), axis);
    if (begin < 0 || begin > end || end > x.dim(along))
        throw Error("slice: no such elements",
                    std::to_string(begin) + " to " + std::to_string(end) + " along axis " +
                        std::to_string(axis) + " of shape " + x.shape().str(),
                    "0 <= begin <= end <= " + std::to_string(x.dim(along)));
    Tensor<T> y = Tensor<T>::empty(with_dim(x.shape(), along, end - begin), x.device());
    const Strides xs = strides_of(x.shape()), ys = strides_of(y.shape());
    Walk walk;
    for (int i = 0; i < x.rank(); ++i) walk.append(y.dim(i), ys[at(i)], xs[at(i)]);
    backend<T>(x.device())
        .copy_walk(y.data(), x.data() + begin * xs[at(along)], walk.axes(), walk.rank());
    return y;
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
    if (op == ReduceOp::max && x.size() == 0 && y.size() > 0)
        throw Error("max: the maximum of nothing", "shape " + x.shape().str(),
                    "axes of size 1 or more");
    return y;
}

#define HANDGRAD_INSTANTIATE(T)                                                               \
    template void require_same_device(const char*, const Tensor<T>&, const Tensor<T>&);       \
    template void require_same_device(const char*, const Tensor<T>&, const Tensor<Index>&);   \
    template Tensor<T> unary(UnaryOp, const Tensor<T>&);                                      \
    template Tensor<T> binary(const char*, BinaryOp, const Tensor<T>&, const Tensor<T>&);     \
    template void binary_in_place(const char*, BinaryOp, const Tensor<T>&, const Tensor<T>&); \
    template Tensor<T> matmul(const Tensor<T>&, const Tensor<T>&, Trans, Trans);              \
    template Tensor<T> sum(const Tensor<T>&, std::initializer_list<int>, bool);               \
    template Tensor<T> sum(const Tensor<T>&);                                                 \
    template Tensor<T> mean(const Tensor<T>&, std::initializer_list<int>, bool);              \
    template Tensor<T> mean(const Tensor<T>&);                                                \
    template Tensor<T> max(const Tensor<T>&, std::initializer_list<int>, bool);               \
    template Tensor<T> max(const Tensor<T>&);                                                 \
    template Tensor<T> permute(const Tensor<T>&, std::span<const int>);                       \
    template Tensor<T> transpose(const Tensor<T>&, int, int);                                 \
    template Tensor<T> slice(const Tensor<T>&, int, Index, Index);                            \
    template Tensor<T> expand(const Tensor<T>&, const Shape&);                                \
    template Tensor<T> sum_to(const Tensor<T>&, const Shape&);                                \
    template Tensor<T> reduce(ReduceOp, const Tensor<T>&, AxisSet);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
