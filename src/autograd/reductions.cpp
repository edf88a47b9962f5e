#include "autograd/node.h"
#include "autograd/operations.h"
#include "core/tensor_ops.h"

// Reductions: y[o] = f of all x[o,k], with k along the axes that are reduced and o along the
// others.
//
//   dL/dx[o,k] = dy[o] df/dx_k
//
// Within a rule, dy and y take their shape with keepdim, so that they broadcast against x.

namespace handgrad {

namespace {

/// A reduced tensor, with the reduced axes of size 1, in the shape that was asked for.
template <class T>
Tensor<T> shaped(const Tensor<T>& kept, AxisSet axes, bool keepdim) {
    return keepdim ? kept : kept.reshape(without(kept.shape(), axes));
}

// y = sum_k x_k     dx_k = dy
template <class T>
Variable<T> sum_over(const Variable<T>& x, AxisSet axes, bool keepdim) {
    const Tensor<T> kept = reduce(ReduceOp::sum, x.value(), axes);
    return record("sum", shaped(kept, axes, keepdim), {x},
                  [shape = kept.shape()](Node<T>& y, const Tensor<T>& dy) {
                      y.give(0, expand(dy.reshape(shape), y.input(0).shape()));
                  });
}

// y = (sum_k x_k) / K, with K the number of k     dx_k = dy / K
template <class T>
Variable<T> mean_over(const Variable<T>& x, AxisSet axes, bool keepdim) {
    const Tensor<T> sums = reduce(ReduceOp::sum, x.value(), axes);
    double count = 1;
    for (int axis = 0; axis < x.shape().rank(); ++axis)
        if ((axes >> axis & 1U) != 0) count *= static_cast<double>(x.shape()[axis]);
    return record("mean", shaped(1 / count * sums, axes, keepdim), {x},
                  [count, shape = sums.shape()](Node<T>& y, const Tensor<T>& dy) {
                      y.give(0, expand(1 / count * dy.reshape(shape), y.input(0).shape()));
                  });
}

// y = max_k x_k     dx_k = dy s_k / sum_j s_j, with s_k > 0 where x_k = y, else 0
//
// One greatest element gets all of dy, several share it equally.
template <class T>
Variable<T> max_over(const Variable<T>& x, AxisSet axes, bool keepdim) {
    const Tensor<T> kept = reduce(ReduceOp::max, x.value(), axes);
    return record("max", shaped(kept, axes, keepdim), {x},
                  [axes, shape = kept.shape()](Node<T>& y, const Tensor<T>& dy) {
                      const Tensor<T> s =
                          binary("max", BinaryOp::step, y.input(0), y.value.reshape(shape));
                      y.give(0, dy.reshape(shape) / reduce(ReduceOp::sum, s, axes) * s);
                  });
}

// y = log sum_k exp x_k     dx_k = dy exp x_k / sum_j exp x_j = dy exp(x_k - y)
template <class T>
Variable<T> logsumexp_over(const Variable<T>& x, AxisSet axes, bool keepdim) {
    const Tensor<T> kept = reduce(ReduceOp::logsumexp, x.value(), axes);
    return record("logsumexp", shaped(kept, axes, keepdim), {x},
                  [shape = kept.shape()](Node<T>& y, const Tensor<T>& dy) {
                      const Tensor<T> q = unary(UnaryOp::exp, y.input(0) - y.value.reshape(shape));
                      y.give(0, q * dy.reshape(shape));
                  });
}

}  // namespace

template <class T>
Variable<T> sum(const Variable<T>& x, std::initializer_list<int> axes, bool keepdim) {
    return sum_over(x, axis_set("sum", x.shape(), axes), keepdim);
}
template <class T>
Variable<T> sum(const Variable<T>& x) {
    return sum_over(x, all_axes(x.shape()), false);
}
template <class T>
Variable<T> mean(const Variable<T>& x, std::initializer_list<int> axes, bool keepdim) {
    return mean_over(x, axis_set("mean", x.shape(), axes), keepdim);
}
template <class T>
Variable<T> mean(const Variable<T>& x) {
    return mean_over(x, all_axes(x.shape()), false);
}
template <class T>
Variable<T> max(const Variable<T>& x, std::initializer_list<int> axes, bool keepdim) {
    return max_over(x, axis_set("max", x.shape(), axes), keepdim);
}
template <class T>
Variable<T> max(const Variable<T>& x) {
    return max_over(x, all_axes(x.shape()), false);
}
template <class T>
Variable<T> logsumexp(const Variable<T>& x, std::initializer_list<int> axes, bool keepdim) {
    return logsumexp_over(x, axis_set("logsumexp", x.shape(), axes), keepdim);
}
template <class T>
Variable<T> logsumexp(const Variable<T>& x) {
    return logsumexp_over(x, all_axes(x.shape()), false);
}

#define HANDGRAD_INSTANTIATE_REDUCTION(T, name)                                      \
    template Variable<T> name(const Variable<T>&, std::initializer_list<int>, bool); \
    template Variable<T> name(const Variable<T>&);
#define HANDGRAD_INSTANTIATE(T)             \
    HANDGRAD_INSTANTIATE_REDUCTION(T, sum)  \
    HANDGRAD_INSTANTIATE_REDUCTION(T, mean) \
    HANDGRAD_INSTANTIATE_REDUCTION(T, max)  \
    HANDGRAD_INSTANTIATE_REDUCTION(T, logsumexp)
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE
#undef HANDGRAD_INSTANTIATE_REDUCTION

}  // namespace handgrad
