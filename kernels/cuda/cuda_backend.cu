// The GPU as a device: Backend<T> by hand-written kernels. Compiled by nvcc for the device cuda,
// and as C++ for the device emulated; the kernels stand in the headers.
#include "kernels/cuda/activations.h"
#include "kernels/cuda/conv.h"
#include "kernels/cuda/dropout.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/losses.h"
#include "kernels/cuda/normalize.h"
#include "kernels/cuda/optimizers.h"
#include "kernels/cuda/pool.h"
#include "kernels/cuda/primitives.h"
#include "kernels/cuda/rows.h"

namespace handgrad::HANDGRAD_GPU {
namespace {

template <class T>
class CudaBackend final : public Backend<T> {
  public:
    void gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A,
              Index lda, const T* B, Index ldb, T beta, T* C, Index ldc) const override {
        HANDGRAD_GPU::gemm(trans_a, trans_b, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
    }
    void linear_forward(T* y, const T* x, const T* w, const T* bias, Index rows, Index in,
                        Index out) const override {
        HANDGRAD_GPU::linear_forward(y, x, w, bias, false, rows, in, out);
    }
    void linear_relu_forward(T* y, const T* x, const T* w, const T* bias, Index rows, Index in,
                             Index out) const override {
        HANDGRAD_GPU::linear_forward(y, x, w, bias, true, rows, in, out);
    }
    [[nodiscard]] Index packed_weight_size(Index, Index) const override { return 0; }
    void pack_weight(T*, const T*, Index, Index) const override {}
    void linear_forward_packed(T*, const T*, const T*, const T*, const T*, bool, Index, Index,
                               Index) const override {}
    void linear_backward_weight(T* dw, T* db, const T* dy, const T* x, Index rows, Index in,
                                Index out) const override {
        gemm(Trans::yes, Trans::no, out, in, rows, T(1), dy, out, x, in, T(1), dw, in);
        sum_rows(db, dy, rows, out);
    }
    void fill(T* x, T value, Index n) const override { HANDGRAD_GPU::fill(x, value, n); }
    void multiply(T* y, const T* x, const T* scale, Index n) const override {
        HANDGRAD_GPU::multiply(y, x, scale, n);
    }
    void count(Index* number) const override { HANDGRAD_GPU::count(number); }
    void dropout(T* y, const T* x, const Index* call, const DropoutDraw& draw, T scale,
                 Index n) const override {
        HANDGRAD_GPU::dropout(y, x, call, draw, scale, n);
    }
    void activation_forward(Activation f, T* y, const T* x, T a, T b, Index n) const override {
        HANDGRAD_GPU::activation_forward(f, y, x, a, b, n);
    }
    void activation_backward(Activation f, T* dx, const T* dy, const T* x_or_y, T a, T b,
                             Index n) const override {
        HANDGRAD_GPU::activation_backward(f, dx, dy, x_or_y, a, b, n);
    }
    void prelu_forward(T* y, const T* x, const T* slope, Index outer, Index channels,
                       Index inner) const override {
        HANDGRAD_GPU::prelu_forward(y, x, slope, outer, channels, inner);
    }
    void prelu_backward(T* dx, T* dslope, const T* dy, const T* x, const T* slope, Index outer,
                        Index channels, Index inner) const override {
        HANDGRAD_GPU::prelu_backward(dx, dslope, dy, x, slope, outer, channels, inner);
    }
    void add_to_rows(T* x, const T* bias, Index rows, Index cols) const override {
        HANDGRAD_GPU::add_to_rows(x, bias, rows, cols);
    }
    void sum_rows(T* sums, const T* x, Index rows, Index cols) const override {
        HANDGRAD_GPU::sum_rows(sums, x, rows, cols);
    }
    void gather_rows(T* out, const T* x, const Index* indices, Index n, Index cols) const override {
        HANDGRAD_GPU::gather_rows(out, x, indices, n, cols);
    }
    void softmax_forward(T* y, const T* x, Index rows, Index cols) const override {
        HANDGRAD_GPU::softmax_forward(y, x, rows, cols);
    }
    void softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) const override {
        HANDGRAD_GPU::softmax_backward(dx, dy, y, rows, cols);
    }
    void log_softmax_forward(T* y, const T* x, Index rows, Index cols) const override {
        HANDGRAD_GPU::log_softmax_forward(y, x, rows, cols);
    }
    void log_softmax_backward(T* dx, const T* dy, const T* y, Index rows,
                              Index cols) const override {
        HANDGRAD_GPU::log_softmax_backward(dx, dy, y, rows, cols);
    }
    void scale_rows(T* y, const T* x, const T* scale, Index rows, Index cols) const override {
        HANDGRAD_GPU::scale_rows(y, x, scale, rows, cols);
    }
    void channel_moments(T* mean, T* var, const T* x, Index outer, Index channels,
                         Index inner) const override {
        HANDGRAD_GPU::channel_moments(mean, var, x, outer, channels, inner);
    }
    void moving_average(T* average, const T* x, T keep, T gain, Index n) const override {
        HANDGRAD_GPU::moving_average(average, x, keep, gain, n);
    }
    void batch_norm_forward(T* y, const T* x, const T* mean, const T* var, const T* weight,
                            const T* bias, T eps, Index outer, Index channels,
                            Index inner) const override {
        HANDGRAD_GPU::batch_norm_forward(y, x, mean, var, weight, bias, eps, outer, channels,
                                         inner);
    }
    void batch_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                             const T* var, const T* weight, T eps, bool of_batch, Index outer,
                             Index channels, Index inner) const override {
        HANDGRAD_GPU::batch_norm_backward(dx, dweight, dbias, dy, x, mean, var, weight, eps,
                                          of_batch, outer, channels, inner);
    }
    void layer_norm_forward(T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                            T eps, Index rows, Index cols) const override {
        HANDGRAD_GPU::layer_norm_forward(y, mean, rstd, x, weight, bias, eps, rows, cols);
    }
    void layer_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                             const T* rstd, const T* weight, Index rows,
                             Index cols) const override {
        HANDGRAD_GPU::layer_norm_backward(dx, dweight, dbias, dy, x, mean, rstd, weight, rows,
                                          cols);
    }
    void conv2d_forward(T* y, const T* x, const T* weight, const T* bias,
                        const Conv2dSizes& s) const override {
        HANDGRAD_GPU::conv2d_forward(y, x, weight, bias, s);
    }
    void conv2d_backward_input(T* dx, const T* dy, const T* weight,
                               const Conv2dSizes& s) const override {
        HANDGRAD_GPU::conv2d_backward_input(dx, dy, weight, s);
    }
    void conv2d_backward_weight(T* dweight, T* dbias, const T* dy, const T* x,
                                const Conv2dSizes& s) const override {
        HANDGRAD_GPU::conv2d_backward_weight(dweight, dbias, dy, x, s);
    }
    void max_pool2d_forward(T* y, std::int32_t* chosen, const T* x, Index planes,
                            const Windows& windows) const override {
        HANDGRAD_GPU::max_pool2d_forward(y, chosen, x, planes, windows);
    }
    void max_pool2d_backward(T* dx, const T* dy, const std::int32_t* chosen, Index planes,
                             const Windows& windows) const override {
        HANDGRAD_GPU::max_pool2d_backward(dx, dy, chosen, planes, windows);
    }
    void avg_pool2d_forward(T* y, const T* x, Index planes, const Windows& windows,
                            bool count_padding) const override {
        HANDGRAD_GPU::avg_pool2d_forward(y, x, planes, windows, count_padding);
    }
    void avg_pool2d_backward(T* dx, const T* dy, Index planes, const Windows& windows,
                             bool count_padding) const override {
        HANDGRAD_GPU::avg_pool2d_backward(dx, dy, planes, windows, count_padding);
    }
    void pointwise_loss_forward(PointwiseLoss l, T* losses, const T* x, const T* target, T a,
                                Index n) const override {
        HANDGRAD_GPU::pointwise_loss_forward(l, losses, x, target, a, n);
    }
    void pointwise_loss_backward(PointwiseLoss l, T* dx, const T* dlosses, const T* x,
                                 const T* target, T a, Index n) const override {
        HANDGRAD_GPU::pointwise_loss_backward(l, dx, dlosses, x, target, a, n);
    }
    void bce_with_logits_forward(T* losses, const T* x, const T* target, const T* pos_weight,
                                 Index rows, Index cols) const override {
        HANDGRAD_GPU::bce_with_logits_forward(losses, x, target, pos_weight, rows, cols);
    }
    void bce_with_logits_backward(T* dx, const T* dlosses, const T* x, const T* target,
                                  const T* pos_weight, Index rows, Index cols) const override {
        HANDGRAD_GPU::bce_with_logits_backward(dx, dlosses, x, target, pos_weight, rows, cols);
    }
    void cross_entropy_forward(T* losses, T* probabilities, const T* logits,
                               const std::int32_t* labels, Index rows, Index cols) const override {
        HANDGRAD_GPU::cross_entropy_forward(losses, probabilities, logits, labels, rows, cols);
    }
    void cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                const std::int32_t* labels, Index rows, Index cols) const override {
        HANDGRAD_GPU::cross_entropy_backward(dlogits, dlosses, probabilities, labels, rows, cols);
    }
    void soft_cross_entropy_forward(T* losses, T* probabilities, const T* logits, const T* targets,
                                    Index rows, Index cols) const override {
        HANDGRAD_GPU::soft_cross_entropy_forward(losses, probabilities, logits, targets, rows,
                                                 cols);
    }
    void soft_cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                     const T* targets, Index rows, Index cols) const override {
        HANDGRAD_GPU::soft_cross_entropy_backward(dlogits, dlosses, probabilities, targets, rows,
                                                  cols);
    }
    void class_shares(T* shares, const T* targets, const std::int32_t* labels, const T* weight,
                      T kept, T spread, Index rows, Index cols) const override {
        HANDGRAD_GPU::class_shares(shares, targets, labels, weight, kept, spread, rows, cols);
    }
    void sum_class_weights(T* out, const std::int32_t* labels, const T* weight, Index rows,
                           Index classes) const override {
        HANDGRAD_GPU::sum_class_weights(out, labels, weight, rows, classes);
    }
    void nll_forward(T* losses, const T* x, const std::int32_t* labels, const T* weight, Index rows,
                     Index cols) const override {
        HANDGRAD_GPU::nll_forward(losses, x, labels, weight, rows, cols);
    }
    void nll_backward(T* dx, const T* dlosses, const std::int32_t* labels, const T* weight,
                      Index rows, Index cols) const override {
        HANDGRAD_GPU::nll_backward(dx, dlosses, labels, weight, rows, cols);
    }
    void sum(T* out, const T* x, T scale, Index n) const override {
        HANDGRAD_GPU::sum(out, x, scale, n);
    }
    void zero_gradients(const ParameterArrays<T>* parameters, Index count) const override {
        HANDGRAD_GPU::zero_gradients(parameters, count);
    }
    void sgd_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                  const SgdStep<T>& s) const override {
        HANDGRAD_GPU::sgd_step(parameters, count, step, s);
    }
    void unary(UnaryOp op, T* y, const T* x, Index n) const override {
        HANDGRAD_GPU::unary(op, y, x, n);
    }
    void binary(BinaryOp op, T* y, const T* a, const T* b, const Axis* axes,
                int rank) const override {
        HANDGRAD_GPU::binary(op, y, a, b, axes, rank);
    }
    void select(T* y, const T* condition, const T* a, const T* b, Index n) const override {
        HANDGRAD_GPU::select(y, condition, a, b, n);
    }
    void reduce(ReduceOp op, T* y, const T* x, Index outer, Index n, Index inner) const override {
        HANDGRAD_GPU::reduce(op, y, x, outer, n, inner);
    }
    void copy_walk(T* y, const T* a, const Axis* axes, int rank) const override {
        HANDGRAD_GPU::copy_walk(y, a, axes, rank);
    }
    void add_walk(T* y, const T* a, const Axis* axes, int rank) const override {
        HANDGRAD_GPU::add_walk(y, a, axes, rank);
    }
    void gather_walk(T* y, const T* a, const Index* indices, Index size, Index stride,
                     const Axis* axes, int rank) const override {
        HANDGRAD_GPU::gather_walk(y, a, indices, size, stride, axes, rank);
    }
    void add_at_walk(T* a, const T* y, const Index* indices, Index size, Index stride,
                     const Axis* axes, int rank) const override {
        HANDGRAD_GPU::add_at_walk(a, y, indices, size, stride, axes, rank);
    }
    void adam_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                   const AdamStep<T>& s) const override {
        HANDGRAD_GPU::adam_step(parameters, count, step, s);
    }
    void adagrad_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                      const AdagradStep<T>& s) const override {
        HANDGRAD_GPU::adagrad_step(parameters, count, step, s);
    }
    void rmsprop_step(const ParameterArrays<T>* parameters, Index count,
                      const RmspropStep<T>& s) const override {
        HANDGRAD_GPU::rmsprop_step(parameters, count, s);
    }
    void sum_squares(double* out, const ParameterArrays<T>* parameters,
                     Index count) const override {
        HANDGRAD_GPU::sum_squares(out, parameters, count);
    }
    void clip_gradients(const ParameterArrays<T>* parameters, Index count, const double* squares,
                        double max_norm) const override {
        HANDGRAD_GPU::clip_gradients(parameters, count, squares, max_norm);
    }
    void clamp_gradients(const ParameterArrays<T>* parameters, Index count,
                         T limit) const override {
        HANDGRAD_GPU::clamp_gradients(parameters, count, limit);
    }
    void penalty_forward(Penalty R, T* out, const ParameterArrays<T>* parameters, Index count,
                         T strength) const override {
        HANDGRAD_GPU::penalty_forward(R, out, parameters, count, strength);
    }
    void penalty_backward(Penalty R, const ParameterArrays<T>* parameters, Index count,
                          T strength) const override {
        HANDGRAD_GPU::penalty_backward(R, parameters, count, strength);
    }
};

}  // namespace

template <class T>
const Backend<T>& backend() {
    static const CudaBackend<T>& kernels = *new CudaBackend<T>;
    return kernels;
}
template const Backend<float>& backend();
template const Backend<double>& backend();

}  // namespace handgrad::HANDGRAD_GPU
