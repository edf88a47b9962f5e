// A GPU's kernels on arrays in host memory, so that one test serves every backend: each call copies
// its arrays to the device, in buffers of their exact size, and copies back what it may have
// written.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/cuda/gpu.h"

namespace handgrad {

/// The arrays of one call. An array that is named twice, as output and input, is one on the device.
class DeviceArrays {
  public:
    explicit DeviceArrays(const Gpu& gpu) : gpu_(gpu) {}
    DeviceArrays(const DeviceArrays&) = delete;
    DeviceArrays& operator=(const DeviceArrays&) = delete;
    ~DeviceArrays() {
        for (const Array& array : arrays_) gpu_.release(array.device);
    }

    /// n numbers that the kernel reads.
    template <class V>
    const V* in(const V* host, Index n) {
        return array(const_cast<V*>(host), n, false);
    }
    /// n numbers that it writes, and may read.
    template <class V>
    V* out(V* host, Index n) {
        return array(host, n, true);
    }
    /// To be called when the kernel has been asked for.
    void copy_back() {
        for (const Array& array : arrays_)
            if (array.written) gpu_.copy_out(array.host, array.device, array.bytes);
    }

  private:
    struct Array {
        void* host;
        void* device;
        std::size_t bytes;
        bool written;
    };

    template <class V>
    V* array(V* host, Index n, bool written) {
        const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(V);
        if (host == nullptr || bytes == 0) return nullptr;
        for (Array& known : arrays_)
            if (known.host == host && known.bytes == bytes) {
                known.written = known.written || written;
                return static_cast<V*>(known.device);
            }
        arrays_.push_back({host, gpu_.allocate(bytes), bytes, written});
        gpu_.copy_in(arrays_.back().device, host, bytes);
        return static_cast<V*>(arrays_.back().device);
    }

    const Gpu& gpu_;
    std::vector<Array> arrays_;
};

template <class T>
class OnHostMemory final : public Backend<T> {
  public:
    OnHostMemory(const Gpu& gpu, const Backend<T>& kernels) : gpu_(gpu), kernels_(kernels) {}

    void gemm(Trans trans_a, Trans trans_b, Index M, Index N, Index K, T alpha, const T* A,
              Index lda, const T* B, Index ldb, T beta, T* C, Index ldc) const override {
        const auto stored = [](Index rows, Index cols, Index ld) {
            return rows == 0 || cols == 0 ? 0 : (rows - 1) * ld + cols;
        };
        const bool ta = trans_a == Trans::yes, tb = trans_b == Trans::yes;
        DeviceArrays d(gpu_);
        const T* a = d.in(A, stored(ta ? K : M, ta ? M : K, lda));
        const T* b = d.in(B, stored(tb ? N : K, tb ? K : N, ldb));
        T* c = d.out(C, stored(M, N, ldc));
        kernels_.gemm(trans_a, trans_b, M, N, K, alpha, a, lda, b, ldb, beta, c, ldc);
        d.copy_back();
    }
    void linear_forward(T* y, const T* x, const T* w, const T* bias, Index rows, Index in,
                        Index out) const override {
        DeviceArrays d(gpu_);
        kernels_.linear_forward(d.out(y, rows * out), d.in(x, rows * in), d.in(w, out * in),
                                d.in(bias, out), rows, in, out);
        d.copy_back();
    }
    void linear_relu_forward(T* y, const T* x, const T* w, const T* bias, Index rows, Index in,
                             Index out) const override {
        DeviceArrays d(gpu_);
        kernels_.linear_relu_forward(d.out(y, rows * out), d.in(x, rows * in), d.in(w, out * in),
                                     d.in(bias, out), rows, in, out);
        d.copy_back();
    }
    [[nodiscard]] Index packed_weight_size(Index, Index) const override { return 0; }
    void pack_weight(T*, const T*, Index, Index) const override {}
    void linear_forward_packed(T*, const T*, const T*, const T*, const T*, bool, Index, Index,
                               Index) const override {}
    void linear_backward_weight(T* dw, T* db, const T* dy, const T* x, Index rows, Index in,
                                Index out) const override {
        DeviceArrays d(gpu_);
        kernels_.linear_backward_weight(d.out(dw, out * in), d.out(db, out), d.in(dy, rows * out),
                                        d.in(x, rows * in), rows, in, out);
        d.copy_back();
    }
    void fill(T* x, T value, Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.fill(d.out(x, n), value, n);
        d.copy_back();
    }
    void multiply(T* y, const T* x, const T* scale, Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.multiply(d.out(y, n), d.in(x, n), d.in(scale, n), n);
        d.copy_back();
    }
    void count(Index* number) const override {
        DeviceArrays d(gpu_);
        kernels_.count(d.out(number, 1));
        d.copy_back();
    }
    void dropout(T* y, const T* x, const Index* call, const DropoutDraw& draw, T scale,
                 Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.dropout(d.out(y, n), d.in(x, n), d.in(call, 1), draw, scale, n);
        d.copy_back();
    }
    void activation_forward(Activation f, T* y, const T* x, T a, T b, Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.activation_forward(f, d.out(y, n), d.in(x, n), a, b, n);
        d.copy_back();
    }
    void activation_backward(Activation f, T* dx, const T* dy, const T* x_or_y, T a, T b,
                             Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.activation_backward(f, d.out(dx, n), d.in(dy, n), d.in(x_or_y, n), a, b, n);
        d.copy_back();
    }
    void prelu_forward(T* y, const T* x, const T* slope, Index outer, Index channels,
                       Index inner) const override {
        const Index n = outer * channels * inner;
        DeviceArrays d(gpu_);
        kernels_.prelu_forward(d.out(y, n), d.in(x, n), d.in(slope, channels), outer, channels,
                               inner);
        d.copy_back();
    }
    void prelu_backward(T* dx, T* dslope, const T* dy, const T* x, const T* slope, Index outer,
                        Index channels, Index inner) const override {
        const Index n = outer * channels * inner;
        DeviceArrays d(gpu_);
        kernels_.prelu_backward(d.out(dx, n), d.out(dslope, channels), d.in(dy, n), d.in(x, n),
                                d.in(slope, channels), outer, channels, inner);
        d.copy_back();
    }
    void add_to_rows(T* x, const T* bias, Index rows, Index cols) const override {
        DeviceArrays d(gpu_);
        kernels_.add_to_rows(d.out(x, rows * cols), d.in(bias, cols), rows, cols);
        d.copy_back();
    }
    void sum_rows(T* sums, const T* x, Index rows, Index cols) const override {
        DeviceArrays d(gpu_);
        kernels_.sum_rows(d.out(sums, cols), d.in(x, rows * cols), rows, cols);
        d.copy_back();
    }
    void gather_rows(T* out, const T* x, const Index* indices, Index n, Index cols) const override {
        DeviceArrays d(gpu_);
        kernels_.gather_rows(d.out(out, n * cols), d.in(x, rows_named(indices, n) * cols),
                             d.in(indices, n), n, cols);
        d.copy_back();
    }
    void softmax_forward(T* y, const T* x, Index rows, Index cols) const override {
        DeviceArrays d(gpu_);
        kernels_.softmax_forward(d.out(y, rows * cols), d.in(x, rows * cols), rows, cols);
        d.copy_back();
    }
    void softmax_backward(T* dx, const T* dy, const T* y, Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.softmax_backward(d.out(dx, n), d.in(dy, n), d.in(y, n), rows, cols);
        d.copy_back();
    }
    void log_softmax_forward(T* y, const T* x, Index rows, Index cols) const override {
        DeviceArrays d(gpu_);
        kernels_.log_softmax_forward(d.out(y, rows * cols), d.in(x, rows * cols), rows, cols);
        d.copy_back();
    }
    void log_softmax_backward(T* dx, const T* dy, const T* y, Index rows,
                              Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.log_softmax_backward(d.out(dx, n), d.in(dy, n), d.in(y, n), rows, cols);
        d.copy_back();
    }
    void pointwise_loss_forward(PointwiseLoss l, T* losses, const T* x, const T* target, T a,
                                Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.pointwise_loss_forward(l, d.out(losses, n), d.in(x, n), d.in(target, n), a, n);
        d.copy_back();
    }
    void pointwise_loss_backward(PointwiseLoss l, T* dx, const T* dlosses, const T* x,
                                 const T* target, T a, Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.pointwise_loss_backward(l, d.out(dx, n), d.in(dlosses, n), d.in(x, n),
                                         d.in(target, n), a, n);
        d.copy_back();
    }
    void bce_with_logits_forward(T* losses, const T* x, const T* target, const T* pos_weight,
                                 Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.bce_with_logits_forward(d.out(losses, n), d.in(x, n), d.in(target, n),
                                         d.in(pos_weight, cols), rows, cols);
        d.copy_back();
    }
    void bce_with_logits_backward(T* dx, const T* dlosses, const T* x, const T* target,
                                  const T* pos_weight, Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.bce_with_logits_backward(d.out(dx, n), d.in(dlosses, n), d.in(x, n),
                                          d.in(target, n), d.in(pos_weight, cols), rows, cols);
        d.copy_back();
    }
    void cross_entropy_forward(T* losses, T* probabilities, const T* logits,
                               const std::int32_t* labels, Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.cross_entropy_forward(d.out(losses, rows), d.out(probabilities, n),
                                       d.in(logits, n), d.in(labels, rows), rows, cols);
        d.copy_back();
    }
    void cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                const std::int32_t* labels, Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.cross_entropy_backward(d.out(dlogits, n), d.in(dlosses, rows),
                                        d.in(probabilities, n), d.in(labels, rows), rows, cols);
        d.copy_back();
    }
    void soft_cross_entropy_forward(T* losses, T* probabilities, const T* logits, const T* targets,
                                    Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.soft_cross_entropy_forward(d.out(losses, rows), d.out(probabilities, n),
                                            d.in(logits, n), d.in(targets, n), rows, cols);
        d.copy_back();
    }
    void soft_cross_entropy_backward(T* dlogits, const T* dlosses, const T* probabilities,
                                     const T* targets, Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.soft_cross_entropy_backward(d.out(dlogits, n), d.in(dlosses, rows),
                                             d.in(probabilities, n), d.in(targets, n), rows, cols);
        d.copy_back();
    }
    void class_shares(T* shares, const T* targets, const std::int32_t* labels, const T* weight,
                      T kept, T spread, Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.class_shares(d.out(shares, n), d.in(targets, n), d.in(labels, rows),
                              d.in(weight, cols), kept, spread, rows, cols);
        d.copy_back();
    }
    void sum_class_weights(T* out, const std::int32_t* labels, const T* weight, Index rows,
                           Index classes) const override {
        DeviceArrays d(gpu_);
        kernels_.sum_class_weights(d.out(out, 1), d.in(labels, rows), d.in(weight, classes), rows,
                                   classes);
        d.copy_back();
    }
    void nll_forward(T* losses, const T* x, const std::int32_t* labels, const T* weight, Index rows,
                     Index cols) const override {
        DeviceArrays d(gpu_);
        kernels_.nll_forward(d.out(losses, rows), d.in(x, rows * cols), d.in(labels, rows),
                             d.in(weight, cols), rows, cols);
        d.copy_back();
    }
    void nll_backward(T* dx, const T* dlosses, const std::int32_t* labels, const T* weight,
                      Index rows, Index cols) const override {
        DeviceArrays d(gpu_);
        kernels_.nll_backward(d.out(dx, rows * cols), d.in(dlosses, rows), d.in(labels, rows),
                              d.in(weight, cols), rows, cols);
        d.copy_back();
    }
    void sum(T* out, const T* x, T scale, Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.sum(d.out(out, 1), d.in(x, n), scale, n);
        d.copy_back();
    }
    void zero_gradients(const ParameterArrays<T>* parameters, Index count) const override {
        DeviceArrays d(gpu_);
        kernels_.zero_gradients(on_device(d, parameters, count).data(), count);
        d.copy_back();
    }
    void sgd_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                  const SgdStep<T>& s) const override {
        DeviceArrays d(gpu_);
        kernels_.sgd_step(on_device(d, parameters, count).data(), count, d.in(step, 1), s);
        d.copy_back();
    }
    void adam_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                   const AdamStep<T>& s) const override {
        DeviceArrays d(gpu_);
        kernels_.adam_step(on_device(d, parameters, count).data(), count, d.in(step, 1), s);
        d.copy_back();
    }
    void adagrad_step(const ParameterArrays<T>* parameters, Index count, const Index* step,
                      const AdagradStep<T>& s) const override {
        DeviceArrays d(gpu_);
        kernels_.adagrad_step(on_device(d, parameters, count).data(), count, d.in(step, 1), s);
        d.copy_back();
    }
    void rmsprop_step(const ParameterArrays<T>* parameters, Index count,
                      const RmspropStep<T>& s) const override {
        DeviceArrays d(gpu_);
        kernels_.rmsprop_step(on_device(d, parameters, count).data(), count, s);
        d.copy_back();
    }
    void sum_squares(double* out, const ParameterArrays<T>* parameters,
                     Index count) const override {
        DeviceArrays d(gpu_);
        kernels_.sum_squares(d.out(out, 1), on_device(d, parameters, count).data(), count);
        d.copy_back();
    }
    void clip_gradients(const ParameterArrays<T>* parameters, Index count, const double* squares,
                        double max_norm) const override {
        DeviceArrays d(gpu_);
        kernels_.clip_gradients(on_device(d, parameters, count).data(), count, d.in(squares, 1),
                                max_norm);
        d.copy_back();
    }
    void clamp_gradients(const ParameterArrays<T>* parameters, Index count,
                         T limit) const override {
        DeviceArrays d(gpu_);
        kernels_.clamp_gradients(on_device(d, parameters, count).data(), count, limit);
        d.copy_back();
    }
    void penalty_forward(Penalty R, T* out, const ParameterArrays<T>* parameters, Index count,
                         T strength) const override {
        DeviceArrays d(gpu_);
        const auto there = on_device(d, parameters, count);
        kernels_.penalty_forward(R, d.out(out, 1), there.data(), count, strength);
        d.copy_back();
    }
    void penalty_backward(Penalty R, const ParameterArrays<T>* parameters, Index count,
                          T strength) const override {
        DeviceArrays d(gpu_);
        const auto there = on_device(d, parameters, count);
        kernels_.penalty_backward(R, there.data(), count, strength);
        d.copy_back();
    }
    void unary(UnaryOp op, T* y, const T* x, Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.unary(op, d.out(y, n), d.in(x, n), n);
        d.copy_back();
    }
    void binary(BinaryOp op, T* y, const T* a, const T* b, const Axis* axes,
                int rank) const override {
        DeviceArrays d(gpu_);
        kernels_.binary(op, d.out(y, reach(&Axis::y, axes, rank)),
                        d.in(a, reach(&Axis::a, axes, rank)), d.in(b, reach(&Axis::b, axes, rank)),
                        axes, rank);
        d.copy_back();
    }
    void select(T* y, const T* condition, const T* a, const T* b, Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.select(d.out(y, n), d.in(condition, n), d.in(a, n), d.in(b, n), n);
        d.copy_back();
    }
    void reduce(ReduceOp op, T* y, const T* x, Index outer, Index n, Index inner) const override {
        DeviceArrays d(gpu_);
        kernels_.reduce(op, d.out(y, outer * inner), d.in(x, outer * n * inner), outer, n, inner);
        d.copy_back();
    }
    void copy_walk(T* y, const T* a, const Axis* axes, int rank) const override {
        DeviceArrays d(gpu_);
        kernels_.copy_walk(d.out(y, reach(&Axis::y, axes, rank)),
                           d.in(a, reach(&Axis::a, axes, rank)), axes, rank);
        d.copy_back();
    }
    void add_walk(T* y, const T* a, const Axis* axes, int rank) const override {
        DeviceArrays d(gpu_);
        kernels_.add_walk(d.out(y, reach(&Axis::y, axes, rank)),
                          d.in(a, reach(&Axis::a, axes, rank)), axes, rank);
        d.copy_back();
    }
    void gather_walk(T* y, const T* a, const Index* indices, Index size, Index stride,
                     const Axis* axes, int rank) const override {
        DeviceArrays d(gpu_);
        const Index reach_a = reach(&Axis::a, axes, rank);
        kernels_.gather_walk(d.out(y, reach(&Axis::y, axes, rank)),
                             d.in(a, reach_a == 0 ? 0 : reach_a + (size - 1) * stride),
                             d.in(indices, reach(&Axis::b, axes, rank)), size, stride, axes, rank);
        d.copy_back();
    }
    void add_at_walk(T* a, const T* y, const Index* indices, Index size, Index stride,
                     const Axis* axes, int rank) const override {
        DeviceArrays d(gpu_);
        const Index reach_a = reach(&Axis::a, axes, rank);
        kernels_.add_at_walk(d.out(a, reach_a == 0 ? 0 : reach_a + (size - 1) * stride),
                             d.in(y, reach(&Axis::y, axes, rank)),
                             d.in(indices, reach(&Axis::b, axes, rank)), size, stride, axes, rank);
        d.copy_back();
    }
    void scale_rows(T* y, const T* x, const T* scale, Index rows, Index cols) const override {
        DeviceArrays d(gpu_);
        kernels_.scale_rows(d.out(y, rows * cols), d.in(x, rows * cols), d.in(scale, rows), rows,
                            cols);
        d.copy_back();
    }
    void channel_moments(T* mean, T* var, const T* x, Index outer, Index channels,
                         Index inner) const override {
        DeviceArrays d(gpu_);
        kernels_.channel_moments(d.out(mean, channels), d.out(var, channels),
                                 d.in(x, outer * channels * inner), outer, channels, inner);
        d.copy_back();
    }
    void moving_average(T* average, const T* x, T keep, T gain, Index n) const override {
        DeviceArrays d(gpu_);
        kernels_.moving_average(d.out(average, n), d.in(x, n), keep, gain, n);
        d.copy_back();
    }
    void batch_norm_forward(T* y, const T* x, const T* mean, const T* var, const T* weight,
                            const T* bias, T eps, Index outer, Index channels,
                            Index inner) const override {
        const Index n = outer * channels * inner;
        DeviceArrays d(gpu_);
        kernels_.batch_norm_forward(d.out(y, n), d.in(x, n), d.in(mean, channels),
                                    d.in(var, channels), d.in(weight, channels),
                                    d.in(bias, channels), eps, outer, channels, inner);
        d.copy_back();
    }
    void batch_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                             const T* var, const T* weight, T eps, bool of_batch, Index outer,
                             Index channels, Index inner) const override {
        const Index n = outer * channels * inner;
        DeviceArrays d(gpu_);
        kernels_.batch_norm_backward(d.out(dx, n), d.out(dweight, channels), d.out(dbias, channels),
                                     d.in(dy, n), d.in(x, n), d.in(mean, channels),
                                     d.in(var, channels), d.in(weight, channels), eps, of_batch,
                                     outer, channels, inner);
        d.copy_back();
    }
    void layer_norm_forward(T* y, T* mean, T* rstd, const T* x, const T* weight, const T* bias,
                            T eps, Index rows, Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.layer_norm_forward(d.out(y, n), d.out(mean, rows), d.out(rstd, rows), d.in(x, n),
                                    d.in(weight, cols), d.in(bias, cols), eps, rows, cols);
        d.copy_back();
    }
    void layer_norm_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* mean,
                             const T* rstd, const T* weight, Index rows,
                             Index cols) const override {
        const Index n = rows * cols;
        DeviceArrays d(gpu_);
        kernels_.layer_norm_backward(d.out(dx, n), d.out(dweight, cols), d.out(dbias, cols),
                                     d.in(dy, n), d.in(x, n), d.in(mean, rows), d.in(rstd, rows),
                                     d.in(weight, cols), rows, cols);
        d.copy_back();
    }
    void conv2d_forward(T* y, const T* x, const T* weight, const T* bias,
                        const Conv2dSizes& s) const override {
        DeviceArrays d(gpu_);
        kernels_.conv2d_forward(d.out(y, y_size(s)), d.in(x, x_size(s)),
                                d.in(weight, weight_size(s)), d.in(bias, s.out_channels), s);
        d.copy_back();
    }
    void conv2d_backward_input(T* dx, const T* dy, const T* weight,
                               const Conv2dSizes& s) const override {
        DeviceArrays d(gpu_);
        kernels_.conv2d_backward_input(d.out(dx, x_size(s)), d.in(dy, y_size(s)),
                                       d.in(weight, weight_size(s)), s);
        d.copy_back();
    }
    void conv2d_backward_weight(T* dweight, T* dbias, const T* dy, const T* x,
                                const Conv2dSizes& s) const override {
        DeviceArrays d(gpu_);
        kernels_.conv2d_backward_weight(d.out(dweight, weight_size(s)),
                                        d.out(dbias, s.out_channels), d.in(dy, y_size(s)),
                                        d.in(x, x_size(s)), s);
        d.copy_back();
    }
    void max_pool2d_forward(T* y, std::int32_t* chosen, const T* x, Index planes,
                            const Windows& windows) const override {
        DeviceArrays d(gpu_);
        kernels_.max_pool2d_forward(d.out(y, planes * outs(windows)),
                                    d.out(chosen, planes * outs(windows)),
                                    d.in(x, planes * pixels(windows)), planes, windows);
        d.copy_back();
    }
    void max_pool2d_backward(T* dx, const T* dy, const std::int32_t* chosen, Index planes,
                             const Windows& windows) const override {
        DeviceArrays d(gpu_);
        kernels_.max_pool2d_backward(d.out(dx, planes * pixels(windows)),
                                     d.in(dy, planes * outs(windows)),
                                     d.in(chosen, planes * outs(windows)), planes, windows);
        d.copy_back();
    }
    void avg_pool2d_forward(T* y, const T* x, Index planes, const Windows& windows,
                            bool count_padding) const override {
        DeviceArrays d(gpu_);
        kernels_.avg_pool2d_forward(d.out(y, planes * outs(windows)),
                                    d.in(x, planes * pixels(windows)), planes, windows,
                                    count_padding);
        d.copy_back();
    }
    void avg_pool2d_backward(T* dx, const T* dy, Index planes, const Windows& windows,
                             bool count_padding) const override {
        DeviceArrays d(gpu_);
        kernels_.avg_pool2d_backward(d.out(dx, planes * pixels(windows)),
                                     d.in(dy, planes * outs(windows)), planes, windows,
                                     count_padding);
        d.copy_back();
    }

  private:
    static std::vector<ParameterArrays<T>> on_device(DeviceArrays& d,
                                                     const ParameterArrays<T>* parameters,
                                                     Index count) {
        std::vector<ParameterArrays<T>> there(parameters, parameters + count);
        for (ParameterArrays<T>& p : there) {
            p.w = d.out(p.w, p.n);
            p.dw = d.out(p.dw, p.n);
            for (T*& kept : p.kept) kept = d.out(kept, p.n);
        }
        return there;
    }
    static Index pixels(const Windows& w) { return w.h.in * w.w.in; }
    static Index outs(const Windows& w) { return w.h.out * w.w.out; }
    static Index x_size(const Conv2dSizes& s) { return s.n * s.in_channels * pixels(s.windows); }
    static Index y_size(const Conv2dSizes& s) { return s.n * s.out_channels * outs(s.windows); }
    static Index weight_size(const Conv2dSizes& s) {
        return s.out_channels * s.in_channels / s.groups * s.windows.h.kernel * s.windows.w.kernel;
    }
    /// The least number of rows of which all these are row numbers.
    static Index rows_named(const Index* indices, Index n) {
        return n == 0 ? 0 : *std::max_element(indices, indices + n) + 1;
    }
    /// How many elements of an array a walk with these strides spans.
    static Index reach(Index Axis::*stride, const Axis* axes, int rank) {
        Index last = 0;
        for (int j = 0; j < rank; ++j) {
            if (axes[j].size == 0) return 0;
            last += (axes[j].size - 1) * axes[j].*stride;
        }
        return last + 1;
    }

    const Gpu& gpu_;
    const Backend<T>& kernels_;
};

}  // namespace handgrad
