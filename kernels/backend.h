// What a device must be able to do.
//
// To be read first: every kernel of handgrad stands here with its arguments. A device is a
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

/// The elementwise activations y = f(x), with constants a and b, and which of x and y their
/// backward reads. Derived in src/layers/activations.h.
enum class Activation : std::uint8_t {
    relu,        // max(x, 0)                                      y
    leaky_relu,  // x where x > 0, else a x                        x
    elu,         // x where x > 0, else a (exp(x) - 1)             x
    softplus,    // x where a x > b, else log(1 + exp(a x)) / a    x
    sigmoid,     // 1 / (1 + exp(-x))                              y
    tanh,        // tanh(x)                                        y
    silu,        // x sigmoid(x)                                   x
    gelu,        // x Phi(x), Phi the normal distribution          x
    gelu_tanh,   // the same, with Phi approximated by a tanh      x
};

/// The losses l of a prediction x and its target t, with a constant a. Derived in
/// src/losses/pointwise.h.
enum class PointwiseLoss : std::uint8_t {
    mse,        // (x - t)^2
    l1,         // |x - t|
    smooth_l1,  // (x - t)^2 / 2a where |x - t| < a, else |x - t| - a/2
    bce,        // -t log x - (1 - t) log(1 - x), each logarithm at least -100
};

/// The penalties R(w), sums over all elements.
enum class Penalty : std::uint8_t { l1 /* sum |w| */, l2 /* sum w^2 */ };

/// y = op(x). sign is -1, 0 or 1, or NaN.
enum class UnaryOp : std::uint8_t { neg, exp, log, log1p, sqrt, tanh, erf, abs, sign };
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

/// Windows that slide along one axis of an image: `out` of them over `in` elements. Window i looks
/// at the elements i stride - padding + k dilation for k < kernel; those outside 0 .. in-1 are
/// padding.
struct WindowAxis {
    Index in = 1, out = 1, kernel = 1, stride = 1, padding = 0, dilation = 1;
};
/// Windows (kernel_h, kernel_w) over images (in_h, in_w); there are (out_h, out_w) of them.
struct Windows {
    WindowAxis h, w;
};

/// The sizes of a convolution: a batch of n images. The channels are cut into `groups` equal parts,
/// and each part of the outputs sees one part of the inputs; groups divides both.
struct Conv2dSizes {
    Index n = 0, in_channels = 1, out_channels = 1, groups = 1;
    Windows windows;
};

/// What a dropout draws: for element i of call c, word i % 4 of Philox4x32-10 (Salmon et al. 2011)
/// with the seed as its key and (c, i / 4) as its counter, 64 bits each, low word first. cuRAND
/// numbers them in the same way: curand_init(seed, i / 4, 4 c), then curand4. The element is kept
/// where its word is at most last_kept.
struct DropoutDraw {
    std::uint64_t seed = 0;
    std::uint32_t last_kept = 0;
};

/// A parameter in an optimiser's step: n numbers w, their gradient dw, and the arrays that the rule
/// keeps for them, of which the step says which stands where. No two arrays overlap.
template <class T>
struct ParameterArrays {
    T* w = nullptr;
    T* dw = nullptr;
    T* kept[3] = {};
    Index n = 0;
};

/// The numbers of one optimiser step; Backend::sgd_step and its neighbours say what they do.
template <class T>
struct SgdStep {
    T lr = 0, weight_decay = 0, momentum = 0, first_gain = 1, gain = 1;
    bool nesterov = false;
};
template <class T>
struct AdamStep {
    T lr = 0, weight_decay = 0, keep = 1, beta1 = 0, gain1 = 1, beta2 = 0, gain2 = 1;
    T log_beta1 = 0, log_beta2 = 0, eps = 0;
};
template <class T>
struct AdagradStep {
    T lr = 0, lr_decay = 0, weight_decay = 0, eps = 0;
};
template <class T>
struct RmspropStep {
    T lr = 0, weight_decay = 0, alpha = 0, gain = 1, momentum = 0, eps = 0;
    bool centered = false;
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

    /// y = x W' + bias in every row: x (rows, in), W (out, in), bias (out), y (rows, out). bias may
    /// be null: 0.
    virtual void linear_forward(T* y, const T* x, const T* w, const T* bias, Index rows, Index in,
                                Index out) const = 0;
    /// y = max(x W' + bias, 0) in the same way; NaN stays NaN. The same bits as by linear_forward
    /// and then Activation::relu, in one pass over y.
    virtual void linear_relu_forward(T* y, const T* x, const T* w, const T* bias, Index rows,
                                     Index in, Index out) const = 0;
    /// How many numbers pack_weight writes. 0 where products read W (out, in) best as it lies: then
    /// the next two are not called, and a device of which that is always so leaves them empty.
    [[nodiscard]] virtual Index packed_weight_size(Index in, Index out) const = 0;
    /// Copies W (out, in) in the order in which products read it, to be used often.
    virtual void pack_weight(T* packed, const T* w, Index in, Index out) const = 0;
    /// linear_forward, or linear_relu_forward, with such a copy of W. Its sums may have another
    /// order, and so other last bits.
    virtual void linear_forward_packed(T* y, const T* x, const T* w, const T* packed, const T* bias,
                                       bool relu, Index rows, Index in, Index out) const = 0;
    /// dw += dy' x and db += the sums of dy's columns: dy (rows, out), x (rows, in), dw (out, in),
    /// db (out).
    virtual void linear_backward_weight(T* dw, T* db, const T* dy, const T* x, Index rows, Index in,
                                        Index out) const = 0;

    // ---- elementwise, n elements ----------------------------------------------------------------

    /// x[i] = value
    virtual void fill(T* x, T value, Index n) const = 0;
    /// y[i] = x[i] * scale[i]. May be in place.
    virtual void multiply(T* y, const T* x, const T* scale, Index n) const = 0;

    /// number[0] += 1: what a device counts itself is right in each replay of a recorded graph.
    virtual void count(Index* number) const = 0;
    /// y[i] = x[i] * (kept ? scale : 0), as call[0] of the draw decides. May be in place. The same
    /// call on dy gives dx, and nothing has to be stored in between.
    virtual void dropout(T* y, const T* x, const Index* call, const DropoutDraw& draw, T scale,
                         Index n) const = 0;

    // ---- activations ----------------------------------------------------------------------------

    /// y[i] = f(x[i]), n elements; NaN stays NaN. May be in place.
    virtual void activation_forward(Activation f, T* y, const T* x, T a, T b, Index n) const = 0;
    /// dx[i] = dy[i] f'(x[i]), n elements, from that of x and y which f names above. At a kink,
    /// the derivative to the left. May be in place of dy.
    virtual void activation_backward(Activation f, T* dx, const T* dy, const T* x_or_y, T a, T b,
                                     Index n) const = 0;
    /// y[o, c, i] = x[o, c, i] where that is positive, else slope[c] x[o, c, i].
    /// x is (outer, channels, inner). May be in place.
    virtual void prelu_forward(T* y, const T* x, const T* slope, Index outer, Index channels,
                               Index inner) const = 0;
    /// dx[o, c, i] = dy[o, c, i] (x[o, c, i] > 0 ? 1 : slope[c]), may be in place of dy, and
    /// dslope[c] += sum_{o,i} dy[o, c, i] min(x[o, c, i], 0).
    virtual void prelu_backward(T* dx, T* dslope, const T* dy, const T* x, const T* slope,
                                Index outer, Index channels, Index inner) const = 0;

    // ---- rows: x is (rows, cols) ----------------------------------------------------------------

    /// x[r, c] += bias[c]
    virtual void add_to_rows(T* x, const T* bias, Index rows, Index cols) const = 0;
    /// sums[c] += sum_r x[r, c]: the gradient of add_to_rows with respect to the bias.
    virtual void sum_rows(T* sums, const T* x, Index rows, Index cols) const = 0;
    /// out[i, :] = x[indices[i], :] for i < n. Each index is below the number of rows of x.
    virtual void gather_rows(T* out, const T* x, const Index* indices, Index n,
                             Index cols) const = 0;

    /// y[r, c] = exp(x[r, c]) / sum_k exp(x[r, k]). The row's maximum is subtracted before exp, so
    /// no finite x overflows.
    virtual void softmax_forward(T* y, const T* x, Index rows, Index cols) const = 0;
    /// dx[r, c] = y[r, c] (dy[r, c] - sum_k dy[r, k] y[r, k])
    virtual void softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) const = 0;
    /// y[r, c] = x[r, c] - logsumexp(x[r, :])
    virtual void log_softmax_forward(T* y, const T* x, Index rows, Index cols) const = 0;
    /// dx[r, c] = dy[r, c] - exp(y[r, c]) sum_k dy[r, k]
    virtual void log_softmax_backward(T* dx, const T* dy, const T* y, Index rows,
                                      Index cols) const = 0;

    /// y[r, c] = x[r, c] scale[r]. May be in place.
    virtual void scale_rows(T* y, const T* x, const T* scale, Index rows, Index cols) const = 0;

    // ---- normalisation --------------------------------------------------------------------------

    // Of channels x is (outer, channels, inner); channel c is x[o, c, i] for all o and i. Sums run
    // in double, and variances keep their digits whatever the mean.

    /// mean[c] and var[c] = mean of (x - mean[c])^2 over channel c, which has an element.
    virtual void channel_moments(T* mean, T* var, const T* x, Index outer, Index channels,
                                 Index inner) const = 0;
    /// average[i] = keep average[i] + gain x[i], n elements
    virtual void moving_average(T* average, const T* x, T keep, T gain, Index n) const = 0;
    /// y = weight[c] xn + bias[c], with xn = (x - mean[c]) / sqrt(var[c] + eps), over channel c.
    /// weight and bias may be null: 1 and 0.
    virtual void batch_norm_forward(T* y, const T* x, const T* mean, const T* var, const T* weight,
                                    const T* bias, T eps, Index outer, Index channels,
                                    Index inner) const = 0;
    /// Over channel c of n elements: dbias[c] += sum dy, dweight[c] += sum dy xn, and
    ///   dx = weight[c] / sqrt(var[c] + eps) (dy - (sum dy) / n - xn (sum dy xn) / n)
    /// where of_batch says that mean and var are those of x; else they are constants and
    ///   dx = weight[c] / sqrt(var[c] + eps) dy.
    /// weight may be null, and then dweight and dbias are null as well.
    virtual void batch_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x,
                                     const T* mean, const T* var, const T* weight, T eps,
                                     bool of_batch, Index outer, Index channels,
                                     Index inner) const = 0;
    /// y[r, c] = weight[c] xn[r, c] + bias[c], with xn = (x - mean[r]) rstd[r], mean[r] that of the
    /// row x[r, :] and rstd[r] = 1 / sqrt(mean of (x - mean[r])^2 + eps). weight and bias may be
    /// null: 1 and 0. cols at least 1.
    virtual void layer_norm_forward(T* y, T* mean, T* rstd, const T* x, const T* weight,
                                    const T* bias, T eps, Index rows, Index cols) const = 0;
    /// dbias[c] += sum_r dy[r, c], dweight[c] += sum_r dy[r, c] xn[r, c], and with g = dy weight
    ///   dx[r, c] = rstd[r] (g[r, c] - (sum_k g[r, k]) / cols - xn[r, c] (sum_k g xn[r, k]) / cols)
    /// weight may be null, and then dweight and dbias are null as well.
    virtual void layer_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x,
                                     const T* mean, const T* rstd, const T* weight, Index rows,
                                     Index cols) const = 0;

    // ---- convolution and pooling ----------------------------------------------------------------

    // x (n, in_channels, h.in, w.in), y (n, out_channels, h.out, w.out), with h and w the windows',
    // weight (out_channels, in_channels / groups, h.kernel, w.kernel), bias (out_channels). Derived
    // in src/layers/conv2d.cpp and src/layers/pool2d.cpp.

    /// y[n, o, window] = bias[o] + sum_{c,k} weight[o, c, k] x[n, c, element k of the window], with
    /// c over the channels of o's group, and padding 0. bias may be null.
    virtual void conv2d_forward(T* y, const T* x, const T* weight, const T* bias,
                                const Conv2dSizes& s) const = 0;
    /// dx[n, c, i] = sum of weight[o, c, k] dy[n, o, window] over the windows whose element k is i.
    virtual void conv2d_backward_input(T* dx, const T* dy, const T* weight,
                                       const Conv2dSizes& s) const = 0;
    /// dweight[o, c, k] += sum_{n,window} dy[n, o, window] x[n, c, element k of the window], and
    /// dbias[o] += sum_{n,window} dy[n, o, window] unless dbias is null.
    virtual void conv2d_backward_weight(T* dweight, T* dbias, const T* dy, const T* x,
                                        const Conv2dSizes& s) const = 0;

    // A pool works on each of `planes` = n * channels images alone. Each window holds an element of
    // its image.

    /// y[p, window] = the greatest element of the window, NaN where there is one. chosen is where
    /// in the image that stands: the first of several that are equal. h.in * w.in < 2^31.
    virtual void max_pool2d_forward(T* y, std::int32_t* chosen, const T* x, Index planes,
                                    const Windows& windows) const = 0;
    /// dx[p, i] = sum of dy[p, window] over the windows that chose element i.
    virtual void max_pool2d_backward(T* dx, const T* dy, const std::int32_t* chosen, Index planes,
                                     const Windows& windows) const = 0;
    /// y[p, window] = the sum of the window's elements, divided by their number; padding counts as
    /// zeros if count_padding, else not at all.
    virtual void avg_pool2d_forward(T* y, const T* x, Index planes, const Windows& windows,
                                    bool count_padding) const = 0;
    /// dx[p, i] = sum of dy[p, window] / number over the windows that hold element i.
    virtual void avg_pool2d_backward(T* dx, const T* dy, Index planes, const Windows& windows,
                                     bool count_padding) const = 0;

    // ---- losses ---------------------------------------------------------------------------------

    // Forward gives the loss of each element or row; the backward of a loss takes their gradient,
    // dlosses[i] = dL/dlosses[i].

    /// losses[i] = l(x[i], target[i]), n elements. NaN stays NaN.
    virtual void pointwise_loss_forward(PointwiseLoss l, T* losses, const T* x, const T* target,
                                        T a, Index n) const = 0;
    /// dx[i] = dlosses[i] dl/dx[i], n elements; 0 where l1 has its kink.
    virtual void pointwise_loss_backward(PointwiseLoss l, T* dx, const T* dlosses, const T* x,
                                         const T* target, T a, Index n) const = 0;
    /// losses[r, c] = -p t log sigmoid(x) - (1 - t) log sigmoid(-x), with x = x[r, c],
    /// t = target[r, c] and p = pos_weight[c], or 1 where pos_weight is null. No finite x
    /// overflows.
    virtual void bce_with_logits_forward(T* losses, const T* x, const T* target,
                                         const T* pos_weight, Index rows, Index cols) const = 0;
    /// dx[r, c] = dlosses[r, c] ((1 - t) sigmoid(x) - p t sigmoid(-x))
    virtual void bce_with_logits_backward(T* dx, const T* dlosses, const T* x, const T* target,
                                          const T* pos_weight, Index rows, Index cols) const = 0;
    /// losses[r] = logsumexp(logits[r, :]) - logits[r, labels[r]], and
    /// probabilities[r, c] = softmax(logits[r, :])[c]. 0 <= labels[r] < cols: src/ checks it on the
    /// CPU; a GPU, which the host must not wait for, gives NaN for any other label.
    virtual void cross_entropy_forward(T* losses, T* probabilities, const T* logits,
                                       const std::int32_t* labels, Index rows,
                                       Index cols) const = 0;
    /// dlogits[r, c] = dlosses[r] (probabilities[r, c] - [c == labels[r]]). Labels as above.
    virtual void cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                        const std::int32_t* labels, Index rows,
                                        Index cols) const = 0;
    /// losses[r] = sum_c targets[r, c] (logsumexp(logits[r, :]) - logits[r, c]), and probabilities
    /// as above. A class with target 0 adds 0, whatever its logit. cols at least 1.
    virtual void soft_cross_entropy_forward(T* losses, T* probabilities, const T* logits,
                                            const T* targets, Index rows, Index cols) const = 0;
    /// dlogits[r, c] = dlosses[r] (probabilities[r, c] sum_k targets[r, k] - targets[r, c])
    virtual void soft_cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                             const T* targets, Index rows, Index cols) const = 0;
    /// shares[r, c] = weight[c] (kept t + spread), with t = targets[r, c], or [c == labels[r]]
    /// where targets is null. A null weight is 1. Labels as above.
    virtual void class_shares(T* shares, const T* targets, const std::int32_t* labels,
                              const T* weight, T kept, T spread, Index rows, Index cols) const = 0;
    /// out[0] = sum_r weight[labels[r]], for labels of `classes` classes, as above. Summed in
    /// double.
    virtual void sum_class_weights(T* out, const std::int32_t* labels, const T* weight, Index rows,
                                   Index classes) const = 0;
    /// losses[r] = -weight[labels[r]] x[r, labels[r]]; a null weight is 1. Labels as above.
    virtual void nll_forward(T* losses, const T* x, const std::int32_t* labels, const T* weight,
                             Index rows, Index cols) const = 0;
    /// dx[r, c] = -dlosses[r] weight[c] [c == labels[r]]
    virtual void nll_backward(T* dx, const T* dlosses, const std::int32_t* labels, const T* weight,
                              Index rows, Index cols) const = 0;
    /// out[0] = scale * sum_i x[i]
    virtual void sum(T* out, const T* x, T scale, Index n) const = 0;

    // ---- optimiser steps ------------------------------------------------------------------------
    // Of `count` parameters in one call, one pass over memory: w and what is kept are read and
    // written in place. g = dw[i] + weight_decay w[i]. step[0] is the number of this step, from 1
    // on, in the device's memory. Formulas and their sources stand in src/optim/ and src/losses/.

    /// dw[i] = 0
    virtual void zero_gradients(const ParameterArrays<T>* parameters, Index count) const = 0;
    /// v[i] = momentum v[i] + gain g;  w[i] -= lr (nesterov ? momentum v[i] + gain g : v[i])
    /// In step 1 first_gain stands in place of gain. Keeps v, which may be null: w[i] -= lr g.
    virtual void sgd_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                          const SgdStep<T>& s) const = 0;
    /// m[i] = beta1 m[i] + gain1 g;  v[i] = beta2 v[i] + gain2 g^2;  v_max[i] = max(v_max[i], v[i])
    /// w[i] = keep w[i] - lr m^ / (sqrt(v^) + eps), with m^ = m[i] / (1 - exp(step log_beta1)) and
    /// v^ = v_max[i] / (1 - exp(step log_beta2)).
    /// Keeps m, v and v_max, which may be null: then v stands in its place.
    virtual void adam_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                           const AdamStep<T>& s) const = 0;
    /// sum[i] += g^2;  w[i] -= lr / (1 + (step - 1) lr_decay) g / (sqrt(sum[i]) + eps)
    /// Keeps sum.
    virtual void adagrad_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                              const AdagradStep<T>& s) const = 0;
    /// q[i] = alpha q[i] + gain g^2;  a[i] = alpha a[i] + gain g, if centered, else 0
    /// d = g / (sqrt(max(q[i] - a[i]^2, 0)) + eps)
    /// v[i] = momentum v[i] + d;  w[i] -= lr v[i]
    /// Keeps q, then a if centered, then v unless momentum is 0.
    virtual void rmsprop_step(const ParameterArrays<T>* parameters, Index count,
                              const RmspropStep<T>& s) const = 0;

    /// out[0] = sum of dw[i]^2 over all parameters, in double, where the square of no float
    /// overflows.
    virtual void sum_squares(double* out, const ParameterArrays<T>* parameters,
                             Index count) const = 0;
    /// dw[i] *= max_norm / (norm + 1e-6) where that is below 1, or NaN; norm = sqrt(squares[0]).
    virtual void clip_gradients(const ParameterArrays<T>* parameters, Index count,
                                const double* squares, double max_norm) const = 0;
    /// dw[i] = min(max(dw[i], -limit), limit); NaN stays NaN.
    virtual void clamp_gradients(const ParameterArrays<T>* parameters, Index count,
                                 T limit) const = 0;

    /// out[0] = strength sum R(w), over all parameters
    virtual void penalty_forward(Penalty R, T* out, const ParameterArrays<T>* parameters,
                                 Index count, T strength) const = 0;
    /// dw[i] += strength dR/dw[i]; 0 where |w| has its kink.
    virtual void penalty_backward(Penalty R, const ParameterArrays<T>* parameters, Index count,
                                  T strength) const = 0;

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
    /// y = a + stride k elements further, with k = indices[b], along a walk that meets each element
    /// of y once: what indices choose along one axis of a, which has `size` entries, `stride`
    /// apart. 0 <= k < size: src/ checks it on the CPU; a GPU gives NaN for any other k, as for
    /// labels.
    virtual void gather_walk(T* y, const T* a, const Index* indices, Index size, Index stride,
                             const Axis* axes, int rank) const = 0;
    /// a (stride k elements further) += y along such a walk, in its order: the gradient of
    /// gather_walk. A GPU adds nothing for any other k. Positions may meet in an element of a where
    /// they differ along axes with a = 0 alone.
    virtual void add_at_walk(T* a, const T* y, const Index* indices, Index size, Index stride,
                             const Axis* axes, int rank) const = 0;
};

}  // namespace handgrad
