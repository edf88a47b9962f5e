// What can be done with variables. Names and meanings are PyTorch's.
//
// Elementwise operations broadcast: shapes are compared from the last axis on, and an axis of size
// 1, or one that is missing, is repeated. Axes may be counted from the end, -1 being the last.
// Every operation throws Error, naming itself and the shapes, where its inputs do not fit. Each
// derivative stands above its code in the .cpp files.
#pragma once

#include <array>
#include <initializer_list>
#include <vector>

#include "autograd/variable.h"

namespace handgrad {

// ---- elementwise (elementwise.cpp) --------------------------------------------------------------

template <class T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> sub(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> mul(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> div(const Variable<T>& a, const Variable<T>& b);
/// a^b
template <class T>
Variable<T> pow(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> pow(const Variable<T>& a, double exponent);
/// The greater of the two; where they are equal, each gets half of the gradient, as in PyTorch. So
/// maximum(x, 0.0) is ReLU but for its gradient at 0, which is 0.5 here and 0 in ReLU.
template <class T>
Variable<T> maximum(const Variable<T>& a, const Variable<T>& b);
template <class T>
Variable<T> maximum(const Variable<T>& a, double b);
/// a where the condition is not 0, else b; what is not chosen may even be NaN.
template <class T>
Variable<T> where(const Tensor<T>& condition, const Variable<T>& a, const Variable<T>& b);

template <class T>
Variable<T> neg(const Variable<T>& x);
template <class T>
Variable<T> exp(const Variable<T>& x);
template <class T>
Variable<T> log(const Variable<T>& x);
template <class T>
Variable<T> sqrt(const Variable<T>& x);
template <class T>
Variable<T> tanh(const Variable<T>& x);
/// 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x: for GELU, whose
/// Phi(x) = (1 + erf(x / sqrt 2)) / 2.
template <class T>
Variable<T> erf(const Variable<T>& x);
/// |x|, with the derivative 0 at 0.
template <class T>
Variable<T> abs(const Variable<T>& x);

/// A variable of shape () that requires no gradient, on the device of `like`.
template <class T>
Variable<T> constant(double value, const Variable<T>& like);

// ---- products (products.cpp) --------------------------------------------------------------------

/// op(a) op(b), with op(a) (M, K), op(b) (K, N), the result (M, N); all of rank 2.
template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b, Trans trans_a = Trans::no,
                   Trans trans_b = Trans::no);

// ---- reductions (reductions.cpp) ----------------------------------------------------------------
// Over the axes that are named, which go, or stay with size 1 if keepdim; or over all, to shape ().

template <class T>
Variable<T> sum(const Variable<T>& x, std::initializer_list<int> axes, bool keepdim = false);
template <class T>
Variable<T> sum(const Variable<T>& x);
template <class T>
Variable<T> mean(const Variable<T>& x, std::initializer_list<int> axes, bool keepdim = false);
template <class T>
Variable<T> mean(const Variable<T>& x);
/// The greatest element, as PyTorch's amax: several that are equal share the gradient.
template <class T>
Variable<T> max(const Variable<T>& x, std::initializer_list<int> axes, bool keepdim = false);
template <class T>
Variable<T> max(const Variable<T>& x);
/// log sum exp x; no exp overflows.
template <class T>
Variable<T> logsumexp(const Variable<T>& x, std::initializer_list<int> axes, bool keepdim = false);
template <class T>
Variable<T> logsumexp(const Variable<T>& x);

// ---- shapes and elements (shapes.cpp) -----------------------------------------------------------

/// The same elements, in row-major order, in another shape of equal size.
template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape);
/// x repeated to a wider shape, as elementwise operations do it: itself where the shapes are equal.
template <class T>
Variable<T> expand(const Variable<T>& x, const Shape& shape);
/// The other way: x summed over the axes along which `shape` would be repeated.
template <class T>
Variable<T> sum_to(const Variable<T>& x, const Shape& shape);
/// Axis i of the result is axis axes[i] of x; each axis is named once.
template <class T>
Variable<T> permute(const Variable<T>& x, std::initializer_list<int> axes);
/// x with two axes exchanged.
template <class T>
Variable<T> transpose(const Variable<T>& x, int axis0, int axis1);
/// Elements [begin, end) along an axis.
template <class T>
Variable<T> slice(const Variable<T>& x, int axis, Index begin, Index end);
/// The parts one after the other along an axis; their other sizes are equal.
template <class T>
Variable<T> concat(std::span<const Variable<T>> parts, int axis);
template <class T>
Variable<T> concat(std::initializer_list<Variable<T>> parts, int axis) {
    return concat(std::span<const Variable<T>>(parts.begin(), parts.size()), axis);
}
/// y[i, j, ..] = x[.., index[i, j, ..], ..], the index standing at this axis. y has the shape of
/// the index, which has the rank of x and is no longer than x along the other axes. An entry out of
/// range throws Error; with x and the index on a GPU, which the host does not wait for, it gives
/// NaN, and no gradient.
template <class T>
Variable<T> gather(const Variable<T>& x, int axis, const Tensor<Index>& index);
/// y[n] = x[n, labels[n]], with x (N, C), labels (N), y (N): what a loss gathers. A label out of
/// range throws Error; on a GPU, which the host does not wait for, it gives NaN.
template <class T>
Variable<T> gather(const Variable<T>& x, const Labels& labels);
/// The entries of x along an axis that the index (M) names, in its order; some often, maybe. An
/// entry out of range as in gather.
template <class T>
Variable<T> index_select(const Variable<T>& x, int axis, const Tensor<Index>& index);

struct UnfoldOptions {
    std::array<Index, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};  // of height and width
};
/// The windows that a convolution looks at (im2col): x (N, C, H, W) -> (N, C KH KW, OH OW), with
///   OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, OW likewise.
/// Column (oh, ow) of a sample holds its window in the order (c, kh, kw). Zeros pad the image.
template <class T>
Variable<T> unfold(const Variable<T>& x, std::array<Index, 2> kernel_size,
                   const UnfoldOptions& options = {});

// ---- operators ----------------------------------------------------------------------------------

template <class T>
Variable<T> operator+(const Variable<T>& a, const Variable<T>& b) {
    return add(a, b);
}
template <class T>
Variable<T> operator+(const Variable<T>& a, double b) {
    return add(a, constant(b, a));
}
template <class T>
Variable<T> operator+(double a, const Variable<T>& b) {
    return add(constant(a, b), b);
}
template <class T>
Variable<T> operator-(const Variable<T>& a, const Variable<T>& b) {
    return sub(a, b);
}
template <class T>
Variable<T> operator-(const Variable<T>& a, double b) {
    return sub(a, constant(b, a));
}
template <class T>
Variable<T> operator-(double a, const Variable<T>& b) {
    return sub(constant(a, b), b);
}
template <class T>
Variable<T> operator-(const Variable<T>& x) {
    return neg(x);
}
template <class T>
Variable<T> operator*(const Variable<T>& a, const Variable<T>& b) {
    return mul(a, b);
}
template <class T>
Variable<T> operator*(const Variable<T>& a, double b) {
    return mul(a, constant(b, a));
}
template <class T>
Variable<T> operator*(double a, const Variable<T>& b) {
    return mul(constant(a, b), b);
}
template <class T>
Variable<T> operator/(const Variable<T>& a, const Variable<T>& b) {
    return div(a, b);
}
template <class T>
Variable<T> operator/(const Variable<T>& a, double b) {
    return div(a, constant(b, a));
}
template <class T>
Variable<T> operator/(double a, const Variable<T>& b) {
    return div(constant(a, b), b);
}

}  // namespace handgrad
