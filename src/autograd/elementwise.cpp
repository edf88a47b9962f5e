#include <numbers>

#include "autograd/node.h"
#include "autograd/operations.h"
#include "core/tensor_ops.h"

// Elementwise operations: y[i] = f(a[i], b[i]), hence with dy = dL/dy
//
//   dL/da[i] = dy[i] df/da(a[i], b[i]),   likewise for b
//
// An input that was broadcast gets the sum over the places where it stands: give_sum.

namespace handgrad {

// ---- of two -------------------------------------------------------------------------------------

// y = a + b     da = dy     db = dy
template <class T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b) {
    return record("add", a.value() + b.value(), {a, b}, [](Node<T>& y, const Tensor<T>& dy) {
        if (y.wants(0)) y.give_sum(0, dy);
        if (y.wants(1)) y.give_sum(1, dy);
    });
}

// y = a - b     da = dy     db = -dy
template <class T>
Variable<T> sub(const Variable<T>& a, const Variable<T>& b) {
    return record("sub", a.value() - b.value(), {a, b}, [](Node<T>& y, const Tensor<T>& dy) {
        if (y.wants(0)) y.give_sum(0, dy);
        if (y.wants(1)) y.give_sum(1, -dy);
    });
}

// y = a b     da = dy b     db = dy a
template <class T>
Variable<T> mul(const Variable<T>& a, const Variable<T>& b) {
    return record("mul", a.value() * b.value(), {a, b}, [](Node<T>& y, const Tensor<T>& dy) {
        if (y.wants(0)) y.give_sum(0, dy * y.input(1));
        if (y.wants(1)) y.give_sum(1, dy * y.input(0));
    });
}

// y = a / b     da = dy / b     db = -dy a / b^2 = -(dy / b) y
template <class T>
Variable<T> div(const Variable<T>& a, const Variable<T>& b) {
    return record("div", a.value() / b.value(), {a, b}, [](Node<T>& y, const Tensor<T>& dy) {
        const Tensor<T> da = dy / y.input(1);
        if (y.wants(0)) y.give_sum(0, da);
        if (y.wants(1)) y.give_sum(1, -(da * y.value));
    });
}

// y = a^b     da = dy b a^(b-1)     db = dy a^b log a
//
// At b = 0 the first is 0, also where a^(b-1) is infinite; at a = 0, b >= 0 the second is 0.
template <class T>
Variable<T> pow(const Variable<T>& a, const Variable<T>& b) {
    return record("pow", binary("pow", BinaryOp::pow, a.value(), b.value()), {a, b},
                  [](Node<T>& y, const Tensor<T>& dy) {
                      const auto slope = [&](BinaryOp derivative) {
                          return binary("pow", derivative, y.input(0), y.input(1));
                      };
                      if (y.wants(0)) y.give_sum(0, dy * slope(BinaryOp::pow_da));
                      if (y.wants(1)) y.give_sum(1, dy * slope(BinaryOp::pow_db));
                  });
}

template <class T>
Variable<T> pow(const Variable<T>& a, double exponent) {
    return pow(a, constant(exponent, a));
}

// y = max(a, b)     da = dy step(a, b)     db = dy step(b, a)
//
// step(u, v) is 1 where u > v, 1/2 where u = v, else 0.
template <class T>
Variable<T> maximum(const Variable<T>& a, const Variable<T>& b) {
    return record("maximum", binary("maximum", BinaryOp::maximum, a.value(), b.value()), {a, b},
                  [](Node<T>& y, const Tensor<T>& dy) {
                      const auto step = [&](std::size_t u, std::size_t v) {
                          return binary("maximum", BinaryOp::step, y.input(u), y.input(v));
                      };
                      if (y.wants(0)) y.give_sum(0, dy * step(0, 1));
                      if (y.wants(1)) y.give_sum(1, dy * step(1, 0));
                  });
}

template <class T>
Variable<T> maximum(const Variable<T>& a, double b) {
    return maximum(a, constant(b, a));
}

namespace {

template <class T>
Tensor<T> select(const Tensor<T>& condition, const Tensor<T>& a, const Tensor<T>& b) {
    Tensor<T> y = Tensor<T>::empty(a.shape(), a.device());
    backend<T>(a.device()).select(y.data(), condition.data(), a.data(), b.data(), y.size());
    return y;
}

}  // namespace

// y = a where c, else b     da = dy where c, else 0     db = 0 where c, else dy
template <class T>
Variable<T> where(const Tensor<T>& condition, const Variable<T>& a, const Variable<T>& b) {
    require_same_device("where", condition, a.value());
    require_same_device("where", a.value(), b.value());
    const Shape shape = broadcast_shapes("where", broadcast_shapes("where", a.shape(), b.shape()),
                                         condition.shape());
    const Tensor<T> c = expand(condition.clone(), shape);  // the caller may reuse his
    return record("where", select(c, expand(a.value(), shape), expand(b.value(), shape)), {a, b},
                  [c](Node<T>& y, const Tensor<T>& dy) {
                      const Tensor<T> zero = Tensor<T>::zeros(dy.shape(), dy.device());
                      if (y.wants(0)) y.give_sum(0, select(c, dy, zero));
                      if (y.wants(1)) y.give_sum(1, select(c, zero, dy));
                  });
}

// ---- of one -------------------------------------------------------------------------------------

// y = -x     dx = -dy
template <class T>
Variable<T> neg(const Variable<T>& x) {
    return record("neg", -x.value(), {x}, [](Node<T>& y, const Tensor<T>& dy) {  //
        y.give(0, -dy);
    });
}

// y = exp x     dx = dy exp x = dy y
template <class T>
Variable<T> exp(const Variable<T>& x) {
    return record("exp", unary(UnaryOp::exp, x.value()), {x},
                  [](Node<T>& y, const Tensor<T>& dy) { y.give(0, dy * y.value); });
}

// y = log x     dx = dy / x
template <class T>
Variable<T> log(const Variable<T>& x) {
    return record("log", unary(UnaryOp::log, x.value()), {x},
                  [](Node<T>& y, const Tensor<T>& dy) { y.give(0, dy / y.input(0)); });
}

// y = sqrt x     dx = dy / (2 sqrt x) = (dy / 2) / y
template <class T>
Variable<T> sqrt(const Variable<T>& x) {
    return record("sqrt", unary(UnaryOp::sqrt, x.value()), {x},
                  [](Node<T>& y, const Tensor<T>& dy) { y.give(0, 0.5 * dy / y.value); });
}

// y = tanh x     dx = dy (1 - tanh^2 x) = dy - dy y y
template <class T>
Variable<T> tanh(const Variable<T>& x) {
    return record("tanh", unary(UnaryOp::tanh, x.value()), {x},
                  [](Node<T>& y, const Tensor<T>& dy) { y.give(0, dy - dy * y.value * y.value); });
}

// y = erf x     dx = dy 2/sqrt(pi) exp(-x^2)
template <class T>
Variable<T> erf(const Variable<T>& x) {
    return record("erf", unary(UnaryOp::erf, x.value()), {x}, [](Node<T>& y, const Tensor<T>& dy) {
        const Tensor<T>& v = y.input(0);
        y.give(0, 2 * std::numbers::inv_sqrtpi * dy * unary(UnaryOp::exp, -(v * v)));
    });
}

// y = |x|     dx = dy sign x
template <class T>
Variable<T> abs(const Variable<T>& x) {
    return record("abs", unary(UnaryOp::abs, x.value()), {x}, [](Node<T>& y, const Tensor<T>& dy) {
        y.give(0, dy * unary(UnaryOp::sign, y.input(0)));
    });
}

template <class T>
Variable<T> constant(double value, const Variable<T>& like) {
    return Variable<T>(Tensor<T>::full({}, static_cast<T>(value), like.value().device()));
}

#define HANDGRAD_INSTANTIATE(T)                                                           \
    template Variable<T> add(const Variable<T>&, const Variable<T>&);                     \
    template Variable<T> sub(const Variable<T>&, const Variable<T>&);                     \
    template Variable<T> mul(const Variable<T>&, const Variable<T>&);                     \
    template Variable<T> div(const Variable<T>&, const Variable<T>&);                     \
    template Variable<T> pow(const Variable<T>&, const Variable<T>&);                     \
    template Variable<T> pow(const Variable<T>&, double);                                 \
    template Variable<T> maximum(const Variable<T>&, const Variable<T>&);                 \
    template Variable<T> maximum(const Variable<T>&, double);                             \
    template Variable<T> where(const Tensor<T>&, const Variable<T>&, const Variable<T>&); \
    template Variable<T> neg(const Variable<T>&);                                         \
    template Variable<T> exp(const Variable<T>&);                                         \
    template Variable<T> log(const Variable<T>&);                                         \
    template Variable<T> sqrt(const Variable<T>&);                                        \
    template Variable<T> tanh(const Variable<T>&);                                        \
    template Variable<T> erf(const Variable<T>&);                                         \
    template Variable<T> abs(const Variable<T>&);                                         \
    template Variable<T> constant(double, const Variable<T>&);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
