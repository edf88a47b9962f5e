// Arithmetic on whole tensors, as numpy writes it. The tape is made of it, and so are gradients
// that a lesson writes by hand:
//
//     const Tensor<float> q = logistic(matmul(x, w, Trans::no, Trans::yes) + b);  // (N, 1)
//     const Tensor<float> dw = matmul(q - y, x, Trans::yes) / n;                          // (1, F)
//     w -= lr * dw;
//
// Shapes broadcast: compared from the last axis on, an axis of size 1, or one that is missing, is
// repeated. Axes may be counted from the end, -1 being the last. The result is a new tensor on the
// device of the inputs. Every function throws Error, naming itself and the shapes, where inputs do
// not fit or are on two devices.
#pragma once

#include <concepts>
#include <initializer_list>
#include <span>

#include "core/axes.h"
#include "core/tensor.h"

namespace handgrad {

/// op(x) of each element.
template <class T>
Tensor<T> unary(UnaryOp op, const Tensor<T>& x);
/// op(a, b) of each pair of elements. `operation` is for errors.
template <class T>
Tensor<T> binary(const char* operation, BinaryOp op, const Tensor<T>& a, const Tensor<T>& b);
/// a = op(a, b), with b broadcast to the shape of a.
template <class T>
void binary_in_place(const char* operation, BinaryOp op, const Tensor<T>& a, const Tensor<T>& b);
/// A number as a tensor of shape (), on the device of `like`.
template <class T>
Tensor<T> constant(double value, const Tensor<T>& like) {
    return Tensor<T>::full({}, static_cast<T>(value), like.device());
}

template <std::floating_point T>
Tensor<T> operator-(const Tensor<T>& x) {
    return unary(UnaryOp::neg, x);
}
template <std::floating_point T>
Tensor<T> exp(const Tensor<T>& x) {
    return unary(UnaryOp::exp, x);
}
template <std::floating_point T>
Tensor<T> log(const Tensor<T>& x) {
    return unary(UnaryOp::log, x);
}
/// log(1 + x), exact also where 1 + x rounds to 1.
template <std::floating_point T>
Tensor<T> log1p(const Tensor<T>& x) {
    return unary(UnaryOp::log1p, x);
}
template <std::floating_point T>
Tensor<T> sqrt(const Tensor<T>& x) {
    return unary(UnaryOp::sqrt, x);
}
template <std::floating_point T>
Tensor<T> tanh(const Tensor<T>& x) {
    return unary(UnaryOp::tanh, x);
}
template <std::floating_point T>
Tensor<T> abs(const Tensor<T>& x) {
    return unary(UnaryOp::abs, x);
}
/// -1, 0 or 1, or NaN.
template <std::floating_point T>
Tensor<T> sign(const Tensor<T>& x) {
    return unary(UnaryOp::sign, x);
}

template <std::floating_point T>
Tensor<T> operator+(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("add", BinaryOp::add, a, b);
}
template <std::floating_point T>
Tensor<T> operator+(const Tensor<T>& a, double b) {
    return a + constant(b, a);
}
template <std::floating_point T>
Tensor<T> operator+(double a, const Tensor<T>& b) {
    return constant(a, b) + b;
}
template <std::floating_point T>
Tensor<T> operator-(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("sub", BinaryOp::sub, a, b);
}
template <std::floating_point T>
Tensor<T> operator-(const Tensor<T>& a, double b) {
    return a - constant(b, a);
}
template <std::floating_point T>
Tensor<T> operator-(double a, const Tensor<T>& b) {
    return constant(a, b) - b;
}
template <std::floating_point T>
Tensor<T> operator*(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("mul", BinaryOp::mul, a, b);
}
template <std::floating_point T>
Tensor<T> operator*(const Tensor<T>& a, double b) {
    return a * constant(b, a);
}
template <std::floating_point T>
Tensor<T> operator*(double a, const Tensor<T>& b) {
    return constant(a, b) * b;
}
template <std::floating_point T>
Tensor<T> operator/(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("div", BinaryOp::div, a, b);
}
template <std::floating_point T>
Tensor<T> operator/(const Tensor<T>& a, double b) {
    return a / constant(b, a);
}
template <std::floating_point T>
Tensor<T> operator/(double a, const Tensor<T>& b) {
    return constant(a, b) / b;
}
/// The greater of the two, NaN where either is.
template <std::floating_point T>
Tensor<T> maximum(const Tensor<T>& a, const Tensor<T>& b) {
    return binary("maximum", BinaryOp::maximum, a, b);
}
template <std::floating_point T>
Tensor<T> maximum(const Tensor<T>& a, double b) {
    return maximum(a, constant(b, a));
}
/// 1 where a > b, 1/2 where a = b, else 0.
template <std::floating_point T>
Tensor<T> step(const Tensor<T>& a, double b) {
    return binary("step", BinaryOp::step, a, constant(b, a));
}

// In place, seen by every handle of the tensor on the left, whose shape stays.

template <std::floating_point T>
const Tensor<T>& operator+=(const Tensor<T>& a, const Tensor<T>& b) {
    binary_in_place("add", BinaryOp::add, a, b);
    return a;
}
template <std::floating_point T>
const Tensor<T>& operator-=(const Tensor<T>& a, const Tensor<T>& b) {
    binary_in_place("sub", BinaryOp::sub, a, b);
    return a;
}

/// 1 / (1 + e^-x).
template <std::floating_point T>
Tensor<T> logistic(const Tensor<T>& x) {
    return 1 / (1 + exp(-x));
}

/// op(a) op(b), with op(a) (M, K), op(b) (K, N), the result (M, N); all of rank 2.
template <class T>
Tensor<T> matmul(const Tensor<T>& a, const Tensor<T>& b, Trans trans_a = Trans::no,
                 Trans trans_b = Trans::no);

// Reductions: over the axes that are named, which go, or stay with size 1 if keepdim; or over all,
// to shape (). Of nothing: sum 0, mean NaN, and max throws.

template <class T>
Tensor<T> sum(const Tensor<T>& x, std::initializer_list<int> axes, bool keepdim = false);
template <class T>
Tensor<T> sum(const Tensor<T>& x);
template <class T>
Tensor<T> mean(const Tensor<T>& x, std::initializer_list<int> axes, bool keepdim = false);
template <class T>
Tensor<T> mean(const Tensor<T>& x);
template <class T>
Tensor<T> max(const Tensor<T>& x, std::initializer_list<int> axes, bool keepdim = false);
template <class T>
Tensor<T> max(const Tensor<T>& x);

// Elements in another place, in memory of their own. (reshape and rows of a Tensor share it.)

/// x with two axes exchanged.
template <class T>
Tensor<T> transpose(const Tensor<T>& x, int axis0, int axis1);
/// Elements [begin, end) along an axis.
template <class T>
Tensor<T> slice(const Tensor<T>& x, int axis, Index begin, Index end);

// ---- for operations of the tape -----------------------------------------------------------------

/// Throws Error, naming the operation, unless both are defined and on one device.
template <class A, class B>
void require_same_device(const char* operation, const Tensor<A>& a, const Tensor<B>& b);
/// Axis i of the result is axis order[i] of x; an order of all axes.
template <class T>
Tensor<T> permute(const Tensor<T>& x, std::span<const int> order);
/// x repeated to a wider shape: itself where the shapes are equal.
template <class T>
Tensor<T> expand(const Tensor<T>& x, const Shape& shape);
/// The gradient of expand: x summed over the axes along which `shape` was repeated.
template <class T>
Tensor<T> sum_to(const Tensor<T>& x, const Shape& shape);
/// Each axis of the set becomes one of size 1.
template <class T>
Tensor<T> reduce(ReduceOp op, const Tensor<T>& x, AxisSet axes);

}  // namespace handgrad
