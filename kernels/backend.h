// What a device must be able to do.
//
// One page, read first: every kernel of handgrad stands here with its arguments. A device is a
// class that implements all of them for T = float and T = double; kernels/cpu/ is the first.
//
// Kernels are arithmetic on raw pointers that belong to the device. They own nothing and check
// nothing: shapes, labels and devices are checked by src/, which calls them.
//   - Arrays are dense and row-major unless a leading dimension is given.
//   - Outputs come first, then inputs, sizes and scalars last. Every size may be 0.
//   - An output must not overlap an input, unless the comment says "may be in place".
//   - A gradient takes a d prefix: dx is dL/dx.
//   - Sums run in a fixed order: the same input and thread count give the same bits.
#pragma once

#include <cstdint>

namespace handgrad {

using Index = std::int64_t;

/// op(X) in a product: X as it lies in memory, or its transpose.
enum class Trans : std::uint8_t { no, yes };

/// y = op(x). sign is -1, 0 or 1, or NaN.
enum class UnaryOp : std::uint8_t { neg, exp, log, sqrt, tanh, erf, abs, sign };
/// y = op(a, b).
///   maximum  NaN where either is
///   step     1 where a > b, 1/2 where a = b, else 0: the derivative of maximum(a, b) by a
///   pow_da   b a^(b-1), 0 where b = 0: the derivative of a^b by a
///   pow_db   a^b log a, 0 where a = 0 and b >= 0: the derivative of a^b by b
enum class BinaryOp : std::uint8_t { add, sub, mul, div, pow, maximum, step, pow_da, pow_db };
/// Many numbers to one. Of no numbers: sum 0, max and logsumexp -infinity. max is NaN where any is.
enum class ReduceOp : std::uint8_t { sum, max, logsumexp };

/// One axis that arrays are walked along in step: its size, and how far apart its elements stand in
/// y, a and b. A stride of 0 repeats one element along the axis, which is broadcasting.
struct Axis {
    Index size, y, a, b;
};

template <class T>
class Backend {
  public:
    virtual ~Backend() = default;

    // ---- products -------------------------------------------------------------------------------

    /// C = alpha op(A) op(B) + beta C, with op(A) (M, K), op(B) (K, N), C (M, N).
    /// A is stored (M, K), or (K, M) if trans_a; B is stored (K, N), or (N, K) if trans_b. A
    /// leading dimension (lda, ldb, ldc) is the distance between two stored rows: at least a row's
    /// length. beta = 0 never reads C, so C may hold NaN; alpha = 0 or K = 0 never reads A or B.
    virtual void gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A,
                      Index lda, const T* B, Index ldb, T beta, T* C, Index ldc) const = 0;

    // ---- elementwise, n elements ----------------------------------------------------------------

    /// x[i] = value
    virtual void fill(T* x, T value, Index n) const = 0;
    /// y[i] = max(x[i], 0); NaN stays NaN. May be in place.
    virtual void relu_forward(T* y, const T* x, Index n) const = 0;
    /// dx[i] = y[i] > 0 ? dy[i] : 0, with y the output of relu_forward. May be in place of dy.
    virtual void relu_backward(T* dx, const T* dy, const T* y, Index n) const = 0;
    /// y[i] = x[i] * scale[i]. May be in place.
    virtual void multiply(T* y, const T* x, const T* scale, Index n) const = 0;

    // ---- rows: x is (rows, cols) ----------------------------------------------------------------

    /// x[r, c] += bias[c]
    virtual void add_to_rows(T* x, const T* bias, Index rows, Index cols) const = 0;
    /// sums[c] += sum_r x[r, c]: the gradient of add_to_rows with respect to the bias.
    virtual void sum_rows(T* sums, const T* x, Index rows, Index cols) const = 0;
    /// out[i, :] = x[indices[i], :] for i < n. Each index is below the number of rows of x.
    virtual void gather_rows(T* out, const T* x, const Index* indices, Index n,
                             Index cols) const = 0;

    // ---- losses ---------------------------------------------------------------------------------

    /// losses[r] = logsumexp(logits[r, :]) - logits[r, labels[r]], and
    /// probabilities[r, c] = softmax(logits[r, :])[c]. The row's maximum is subtracted before exp,
    /// so no finite logit overflows. 0 <= labels[r] < cols.
    virtual void cross_entropy_forward(T* losses, T* probabilities, const T* logits,
                                       const std::int32_t* labels, Index rows,
                                       Index cols) const = 0;
    /// dlogits[r, c] = scale (probabilities[r, c] - [c == labels[r]])
    virtual void cross_entropy_backward(T* dlogits, const T* probabilities,
                                        const std::int32_t* labels, T scale, Index rows,
                                        Index cols) const = 0;
    /// out[0] = scale * sum_i x[i]
    virtual void sum(T* out, const T* x, T scale, Index n) const = 0;

    // ---- optimiser steps, n parameters ----------------------------------------------------------

    /// w[i] -= lr * dw[i]
    virtual void sgd_step(T* w, const T* dw, T lr, Index n) const = 0;

    // ---- primitives of the tape -----------------------------------------------------------------
    // A walk has `rank` axes, 1 to 6, the last one the fastest.

    /// y[i] = op(x[i]), n elements. May be in place.
    virtual void unary(UnaryOp op, T* y, const T* x, Index n) const = 0;
    /// y = op(a, b) along a walk that meets each element of y once. y may be a or b where both have
    /// the same strides.
    virtual void binary(BinaryOp op, T* y, const T* a, const T* b, const Axis* axes,
                        int rank) const = 0;
    /// y[i] = condition[i] != 0 ? a[i] : b[i], n elements
    virtual void select(T* y, const T* condition, const T* a, const T* b, Index n) const = 0;
    /// y[o, i] = op over k of x[o, k, i], with x (outer, n, inner) and y (outer, inner)
    virtual void reduce(ReduceOp op, T* y, const T* x, Index outer, Index n, Index inner) const = 0;
    /// y = a along a walk that meets each element of y once: transposes, slices, windows.
    virtual void copy_walk(T* y, const T* a, const Axis* axes, int rank) const = 0;
    /// y += a along a walk that may meet an element of y often: the gradient of copy_walk with
    /// y and a exchanged.
    virtual void add_walk(T* y, const T* a, const Axis* axes, int rank) const = 0;
    /// y[indices[i], :] += x[i, :] for i < n, in this order: the gradient of gather_rows.
    virtual void add_at_rows(T* y, const T* x, const Index* indices, Index n, Index cols) const = 0;
};

}  // namespace handgrad
