#include <array>
#include <string>

#include "autograd/node.h"
#include "autograd/operations.h"
#include "core/error.h"
#include "core/tensor_ops.h"

// Operations that move elements: each element of y is one of x, or zero.
//
//   y[i] = x[p(i)], hence dL/dx[j] = sum over all i with p(i) = j of dy[i]
//
// The backward rule walks the same way as forward with source and target exchanged. Where p meets
// no element twice it copies, else it adds into zeros. The rule of that operation is the first one
// again, so that each stands here beside its reverse.

namespace handgrad {

namespace {

std::size_t at(int axis) {
    return static_cast<std::size_t>(axis);
}

std::string of_shape(const Shape& shape) {
    return " of shape " + shape.str();
}

}  // namespace

// y = x in another shape     dx = dy in the shape of x
template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape) {
    if (shape.size() != x.shape().size())
        throw Error("reshape: the number of elements differs",
                    x.shape().str() + " to " + shape.str(), "equal numbers of elements");
    return record("reshape", x.value().reshape(shape), {x}, [](Node<T>& y, const Variable<T>& dy) {
        y.give(0, reshape(dy, y.input_shape(0)));
    });
}

// y[.., i, ..] = x[.., 0, ..] along the axes that are repeated     dx = dy summed over those
template <class T>
Variable<T> expand(const Variable<T>& x, const Shape& shape) {
    if (x.shape() == shape) return x;
    if (broadcast_shapes("expand", x.shape(), shape) != shape)
        throw Error("expand: the shape is no wider one", x.shape().str() + " to " + shape.str(),
                    "sizes that are equal or were 1, counted from the last axis");
    return record("expand", expand(x.value(), shape), {x},
                  [](Node<T>& y, const Variable<T>& dy) { y.give_sum(0, dy); });
}

// y = sum of x over the axes that are repeated     dx = dy, repeated
template <class T>
Variable<T> sum_to(const Variable<T>& x, const Shape& shape) {
    if (x.shape() == shape) return x;
    if (broadcast_shapes("sum_to", x.shape(), shape) != x.shape())
        throw Error("sum_to: the shape is no narrower one", x.shape().str() + " to " + shape.str(),
                    "sizes that are equal or 1, counted from the last axis");
    return record("sum_to", sum_to(x.value(), shape), {x}, [](Node<T>& y, const Variable<T>& dy) {
        y.give(0, expand(dy, y.input_shape(0)));
    });
}

namespace {

using AxisOrder = std::array<int, Shape::max_rank>;

// y[i_0, i_1, ..] = x[j_0, j_1, ..] with i_k = j_order[k]     dx = dy, permuted the other way
template <class T>
Variable<T> permute_by(const char* operation, const Variable<T>& x, const AxisOrder& order) {
    AxisOrder inverse{};
    for (int axis = 0; axis < x.shape().rank(); ++axis) inverse[at(order[at(axis)])] = axis;
    const std::span<const int> axes(order.data(), at(x.shape().rank()));
    return record(operation, permute(x.value(), axes), {x},
                  [operation, inverse](Node<T>& y, const Variable<T>& dy) {
                      y.give(0, permute_by(operation, dy, inverse));
                  });
}

}  // namespace

template <class T>
Variable<T> permute(const Variable<T>& x, std::initializer_list<int> axes) {
    const Shape& shape = x.shape();
    AxisOrder order{};
    unsigned seen = 0;
    int count = 0;
    for (const int axis : axes) {
        const int resolved = resolve_axis("permute", shape, axis);
        seen |= 1U << resolved;
        if (count < shape.rank()) order[at(count)] = resolved;
        ++count;
    }
    if (count != shape.rank() || seen != (1U << shape.rank()) - 1)
        throw Error("permute: not an order of the axes",
                    std::to_string(count) + " axes for a variable" + of_shape(shape),
                    "each of its axes once");
    return permute_by("permute", x, order);
}

template <class T>
Variable<T> transpose(const Variable<T>& x, int axis0, int axis1) {
    AxisOrder order{};
    for (int axis = 0; axis < x.shape().rank(); ++axis) order[at(axis)] = axis;
    std::swap(order[at(resolve_axis("transpose", x.shape(), axis0))],
              order[at(resolve_axis("transpose", x.shape(), axis1))]);
    return permute_by("transpose", x, order);
}

namespace {

/// Copies `part` to the elements of `whole` from `begin` on along an axis.
template <class T>
void copy_part(const Tensor<T>& whole, const Tensor<T>& part, int axis, Index begin) {
    const Strides ws = strides_of(whole.shape()), ps = strides_of(part.shape());
    Walk walk;
    for (int i = 0; i < part.rank(); ++i) walk.append(part.dim(i), ws[at(i)], ps[at(i)]);
    backend<T>(whole.device())
        .copy_walk(whole.data() + begin * ws[at(axis)], part.data(), walk.axes(), walk.rank());
}

// y[.., begin + i, ..] = x[.., i, ..], 0 elsewhere     dx = its slice of dy
template <class T>
Variable<T> place(const Variable<T>& x, const Shape& shape, int along, Index begin) {
    const Tensor<T> y = Tensor<T>::zeros(shape, x.value().device());
    copy_part(y, x.value(), along, begin);
    return record("place", y, {x}, [along, begin](Node<T>& node, const Variable<T>& dy) {
        node.give(0, slice(dy, along, begin, begin + node.input_shape(0)[along]));
    });
}

}  // namespace

// y[.., i, ..] = x[.., begin + i, ..]     dx[.., begin + i, ..] = dy[.., i, ..], 0 elsewhere
template <class T>
Variable<T> slice(const Variable<T>& x, int axis, Index begin, Index end) {
    const int along = resolve_axis("slice", x.shape(), axis);
    return record("slice", slice(x.value(), axis, begin, end), {x},
                  [along, begin](Node<T>& node, const Variable<T>& dy) {
                      node.give(0, place(dy, node.input_shape(0), along, begin));
                  });
}

// y = parts, one after the other     d part = its slice of dy
template <class T>
Variable<T> concat(std::span<const Variable<T>> parts, int axis) {
    if (parts.empty()) throw Error("concat: nothing to join", "no parts", "at least one");
    const Shape& first = parts[0].shape();
    const int along = resolve_axis("concat", first, axis);
    Index size = 0;
    for (const Variable<T>& part : parts) {
        require_same_device("concat", parts[0].value(), part.value());
        const Shape& shape = part.shape();
        if (shape.rank() != first.rank() || with_dim(shape, along, 0) != with_dim(first, along, 0))
            throw Error("concat: the shapes do not fit",
                        first.str() + " and " + shape.str() + " along axis " + std::to_string(axis),
                        "shapes that differ along this axis alone");
        size += shape[along];
    }
    const Tensor<T> y = Tensor<T>::empty(with_dim(first, along, size), parts[0].value().device());
    Index begin = 0;
    for (const Variable<T>& part : parts) {
        copy_part(y, part.value(), along, begin);
        begin += part.shape()[along];
    }
    return record("concat", y, parts, [along](Node<T>& node, const Variable<T>& dy) {
        Index from = 0;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const Index end = from + node.input_shape(i)[along];
            if (node.wants(i)) node.give(i, slice(dy, along, from, end));
            from = end;
        }
    });
}

namespace {

/// What an index chooses along one axis of x: the walk through y, x and the index.
struct Choice {
    Tensor<Index> index;  // on the device of x, and nobody else's
    Index size, stride;   // of the axis
    std::array<Axis, Shape::max_rank> axes;
    int rank;
};

template <class T>
Variable<T> scatter_by(const Variable<T>& x, const Choice& choice, const Shape& shape);

// y[i] = x[where i chooses it]     dx[j] = sum over all i that choose j of dy[i]
template <class T>
Variable<T> gather_by(const char* operation, const Variable<T>& x, const Choice& choice,
                      const Shape& shape) {
    Tensor<T> y = Tensor<T>::empty(shape, x.value().device());
    backend<T>(y.device())
        .gather_walk(y.data(), x.value().data(), choice.index.data(), choice.size, choice.stride,
                     choice.axes.data(), choice.rank);
    return record(operation, y, {x}, [choice](Node<T>& node, const Variable<T>& dy) {
        node.give(0, scatter_by(dy, choice, node.input_shape(0)));
    });
}

// y[j] = sum over all i that choose j of x[i]     dx[i] = dy[where i chooses it]
template <class T>
Variable<T> scatter_by(const Variable<T>& x, const Choice& choice, const Shape& shape) {
    const Tensor<T> y = Tensor<T>::zeros(shape, x.value().device());
    backend<T>(y.device())
        .add_at_walk(y.data(), x.value().data(), choice.index.data(), choice.size, choice.stride,
                     choice.axes.data(), choice.rank);
    return record("scatter_add", y, {x}, [choice](Node<T>& node, const Variable<T>& dy) {
        node.give(0, gather_by("gather", dy, choice, node.input_shape(0)));
    });
}

/// A copy of the index on the device of x. Throws Error where it names what x has not along an
/// axis; but an index that is on a GPU already the host does not read, for which it would have to
/// wait.
template <class T>
Tensor<Index> own_index(const char* operation, const Variable<T>& x, int axis,
                        const Tensor<Index>& index) {
    const Device device = x.value().device();
    if (device != Device::cpu && index.device() == device) return index.clone();
    const Tensor<Index> host = index.to(Device::cpu);
    for (const Index entry : host.span())
        if (entry < 0 || entry >= x.shape()[axis])
            throw Error(std::string(operation) + ": an entry is out of range",
                        "entry " + std::to_string(entry),
                        "entries 0 to " + std::to_string(x.shape()[axis] - 1) + " along axis " +
                            std::to_string(axis) + of_shape(x.shape()));
    return device == Device::cpu ? host.clone() : host.to(device);
}

}  // namespace

// Element (i, j, ..) of y is that of x with index[i, j, ..] in the place of its own along the axis.
template <class T>
Variable<T> gather(const Variable<T>& x, int axis, const Tensor<Index>& index) {
    const int along = resolve_axis("gather", x.shape(), axis);
    bool fits = index.defined() && index.rank() == x.shape().rank();
    for (int i = 0; fits && i < index.rank(); ++i)
        fits = i == along || index.dim(i) <= x.shape()[i];
    if (!fits)
        throw Error(
            "gather: the shapes do not fit",
            "x" + of_shape(x.shape()) + ", index" + of_shape(index.shape()),
            "an index of as many axes, no longer than x but along axis " + std::to_string(along));
    const Strides xs = strides_of(x.shape()), is = strides_of(index.shape());
    Choice choice{
        own_index("gather", x, along, index), x.shape()[along], xs[at(along)], {}, index.rank()};
    for (int i = 0; i < index.rank(); ++i)
        choice.axes[at(i)] = {index.dim(i), is[at(i)], i == along ? 0 : xs[at(i)], is[at(i)]};
    return gather_by("gather", x, choice, index.shape());
}

// y[n] = x[n, labels[n]]: gather along axis 1 by the labels as a column.
//
// Labels on a GPU the host does not read, for which it would have to wait. There
//   y[n] = sum_c h[n,c] x[n,c] over the c with h[n,c] != 0,  h[n,c] = 1 where c = labels[n], else 0
// and a label out of range makes h[n,:] NaN.
template <class T>
Variable<T> gather(const Variable<T>& x, const Labels& labels) {
    if (!labels.defined() || x.shape().rank() != 2 || labels.rank() != 1 ||
        labels.dim(0) != x.shape()[0])
        throw Error("gather: the shapes do not fit",
                    "x of shape " + x.shape().str() + ", labels of shape " + labels.shape().str(),
                    "x (N, C) and labels (N)");
    const Index n = x.shape()[0], classes = x.shape()[1];
    const Device device = x.value().device();
    if (device != Device::cpu && labels.device() == device) {
        const Tensor<T> h = Tensor<T>::empty({n, classes}, device);
        backend<T>(device).class_shares(h.data(), nullptr, labels.data(), nullptr, 1, 0, n,
                                        classes);
        return sum(where(h, Variable<T>(h) * x, constant(0, x)), {1});
    }
    const Labels host = labels.to(Device::cpu);
    const Tensor<Index> column = Tensor<Index>::empty({n, 1});
    for (Index i = 0; i < n; ++i) {
        const Index label = host.data()[i];
        if (label < 0 || label >= classes)
            throw Error("gather: a label is out of range", "label " + std::to_string(label),
                        "labels 0 to " + std::to_string(classes - 1) + " for x of shape " +
                            x.shape().str());
        column.data()[i] = label;
    }
    const Choice choice{column.to(device), classes, 1, {Axis{n, 1, classes, 1}}, 1};
    return gather_by("gather", x, choice, {n});
}

// Entry i along the axis is a block of x seen as (outer axes, axis, inner axes).
template <class T>
Variable<T> index_select(const Variable<T>& x, int axis, const Tensor<Index>& index) {
    const Shape& shape = x.shape();
    const int along = resolve_axis("index_select", shape, axis);
    if (!index.defined() || index.rank() != 1)
        throw Error("index_select: the shapes do not fit",
                    "x" + of_shape(shape) + ", index" + of_shape(index.shape()),
                    "an index of shape (M)");
    const Index size = shape[along], inner = strides_of(shape)[at(along)], m = index.size();
    Index outer = 1;
    for (int i = 0; i < along; ++i) outer *= shape[i];
    const Choice choice{
        own_index("index_select", x, along, index),
        size,
        inner,
        {Axis{outer, m * inner, size * inner, 0}, Axis{m, inner, 0, 1}, Axis{inner, 1, 1, 0}},
        3};
    return gather_by("index_select", x, choice, with_dim(shape, along, m));
}

namespace {

/// x with `width` zeros before and after along an axis.
template <class T>
Variable<T> padded(const Variable<T>& x, int axis, Index width) {
    if (width == 0) return x;
    const Variable<T> zeros(Tensor<T>::zeros(with_dim(x.shape(), axis, width), x.value().device()));
    return concat({zeros, x, zeros}, axis);
}

/// The way from an image to its windows, and back: the same, with y and x exchanged.
struct WindowWalks {
    Walk there, back;
};

template <class T>
Variable<T> fold(const Variable<T>& x, const Shape& shape, const WindowWalks& walks);

template <class T>
Variable<T> windows_of(const Variable<T>& x, const Shape& shape, const WindowWalks& walks) {
    const Tensor<T> y = Tensor<T>::empty(shape, x.value().device());
    backend<T>(y.device())
        .copy_walk(y.data(), x.value().data(), walks.there.axes(), walks.there.rank());
    return record("unfold", y, {x}, [walks](Node<T>& node, const Variable<T>& dy) {
        node.give(0, fold(dy, node.input_shape(0), walks));
    });
}

// Each element of the image is the sum over the windows that hold it.
template <class T>
Variable<T> fold(const Variable<T>& x, const Shape& shape, const WindowWalks& walks) {
    const Tensor<T> y = Tensor<T>::zeros(shape, x.value().device());
    backend<T>(y.device())
        .add_walk(y.data(), x.value().data(), walks.back.axes(), walks.back.rank());
    return record("fold", y, {x}, [walks](Node<T>& node, const Variable<T>& dy) {
        node.give(0, windows_of(dy, node.input_shape(0), walks));
    });
}

}  // namespace

// With x (N, C, H, W) padded already, s the stride and d the dilation:
//   y[n, c, kh, kw, oh, ow] = x[n, c, oh s + kh d, ow s + kw d]
// Windows overlap, so dx sums up all elements of dy that come from one of x.
template <class T>
Variable<T> unfold(const Variable<T>& x, std::array<Index, 2> kernel_size,
                   const UnfoldOptions& options) {
    const auto [kh, kw] = kernel_size;
    const auto [sh, sw] = options.stride;
    const auto [ph, pw] = options.padding;
    const auto [dh, dw] = options.dilation;
    const auto fail = [&](const std::string& needs) {
        const auto pair = [](const char* name, const std::array<Index, 2>& of) {
            return std::string(name) + " (" + std::to_string(of[0]) + ", " + std::to_string(of[1]) +
                   ")";
        };
        throw Error("unfold: no such windows",
                    "x of shape " + x.shape().str() + pair(", kernel_size", kernel_size) +
                        pair(", stride", options.stride) + pair(", padding", options.padding) +
                        pair(", dilation", options.dilation),
                    needs);
    };
    if (x.shape().rank() != 4) fail("x of shape (N, C, H, W)");
    if (kh < 1 || kw < 1 || sh < 1 || sw < 1 || ph < 0 || pw < 0 || dh < 1 || dw < 1)
        fail("kernel_size, stride and dilation of 1 or more, padding of 0 or more");
    const Variable<T> image = padded(padded(x, 2, ph), 3, pw);
    const Index n = image.shape()[0], channels = image.shape()[1];
    const Index room_h = image.shape()[2] - dh * (kh - 1) - 1,
                room_w = image.shape()[3] - dw * (kw - 1) - 1;
    if (room_h < 0 || room_w < 0) fail("windows within the padded image, " + image.shape().str());
    const Shape shape{n, channels, kh, kw, room_h / sh + 1, room_w / sw + 1};

    const Strides ys = strides_of(shape), xs = strides_of(image.shape());
    const std::array<Index, 6> sources = {xs[0], xs[1], dh * xs[2], dw, sh * xs[2], sw};
    WindowWalks walks;
    for (int axis = 0; axis < 6; ++axis) {
        walks.there.append(shape[axis], ys[at(axis)], sources[at(axis)]);
        walks.back.append(shape[axis], sources[at(axis)], ys[at(axis)]);
    }
    return windows_of(image, {n, channels * kh * kw, shape[4] * shape[5]}, walks);
}

#define HANDGRAD_INSTANTIATE(T)                                                       \
    template Variable<T> reshape(const Variable<T>&, const Shape&);                   \
    template Variable<T> expand(const Variable<T>&, const Shape&);                    \
    template Variable<T> sum_to(const Variable<T>&, const Shape&);                    \
    template Variable<T> permute(const Variable<T>&, std::initializer_list<int>);     \
    template Variable<T> transpose(const Variable<T>&, int, int);                     \
    template Variable<T> slice(const Variable<T>&, int, Index, Index);                \
    template Variable<T> concat(std::span<const Variable<T>>, int);                   \
    template Variable<T> gather(const Variable<T>&, int, const Tensor<Index>&);       \
    template Variable<T> gather(const Variable<T>&, const Labels&);                   \
    template Variable<T> index_select(const Variable<T>&, int, const Tensor<Index>&); \
    template Variable<T> unfold(const Variable<T>&, std::array<Index, 2>, const UnfoldOptions&);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
