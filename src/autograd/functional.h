// Layers and losses as expressions of the tape's operations. Names are those of PyTorch's
// torch.nn.functional, and so are defaults, but: windows of pools have stride 1 unless told,
// softmax works along the last axis, flatten starts at axis 1 as nn.Flatten does, and gelu_tanh is
// its gelu(approximate='tanh').
//
// Nothing here is derived by hand: backward() finds the gradients. The gradient check
// (check/registry.h) holds the layers of the same names against these, so a formula here is written
// for its likeness to the textbook, not for speed.
#pragma once

#include "autograd/operations.h"
#include "losses/loss.h"

namespace handgrad::functional {

// ---- layers -------------------------------------------------------------------------------------

/// x W' + b, with x (N, in), W (out, in), and b (out) where it is defined.
template <class T>
Variable<T> linear(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias = {});

template <class T>
Variable<T> relu(const Variable<T>& x);
template <class T>
Variable<T> leaky_relu(const Variable<T>& x, double negative_slope = 0.01);
/// x (N, C, ...) with weight (C), or any x with weight (1).
template <class T>
Variable<T> prelu(const Variable<T>& x, const Variable<T>& weight);
template <class T>
Variable<T> elu(const Variable<T>& x, double alpha = 1);
template <class T>
Variable<T> softplus(const Variable<T>& x, double beta = 1, double threshold = 20);
template <class T>
Variable<T> sigmoid(const Variable<T>& x);
template <class T>
Variable<T> silu(const Variable<T>& x);
template <class T>
Variable<T> gelu(const Variable<T>& x);
/// The approximation by tanh.
template <class T>
Variable<T> gelu_tanh(const Variable<T>& x);
template <class T>
Variable<T> softmax(const Variable<T>& x, int dim = -1);
template <class T>
Variable<T> log_softmax(const Variable<T>& x, int dim = -1);

/// Each channel of x (N, C, ...) normalised by its own mean and variance, or by those given (C).
/// weight (C) and bias (C) may be left out.
template <class T>
Variable<T> batch_norm(const Variable<T>& x, const Variable<T>& weight = {},
                       const Variable<T>& bias = {}, double eps = 1e-5,
                       const Tensor<T>& running_mean = {}, const Tensor<T>& running_var = {});
/// The last axes of x normalised together, as many as normalized_shape has, which is their sizes.
/// weight and bias, of normalized_shape, may be left out.
template <class T>
Variable<T> layer_norm(const Variable<T>& x, const Shape& normalized_shape,
                       const Variable<T>& weight = {}, const Variable<T>& bias = {},
                       double eps = 1e-5);

/// The convolution of x (N, C, H, W) with weight (O, C / groups, KH, KW), and bias (O) where it is
/// defined: (N, O, OH, OW).
template <class T>
Variable<T> conv2d(const Variable<T>& x, const Variable<T>& weight, const Variable<T>& bias = {},
                   const UnfoldOptions& windows = {}, Index groups = 1);
/// The greatest number of each window of x (N, C, H, W), and the mean: (N, C, OH, OW).
template <class T>
Variable<T> max_pool2d(const Variable<T>& x, std::array<Index, 2> kernel_size,
                       const UnfoldOptions& windows);
template <class T>
Variable<T> avg_pool2d(const Variable<T>& x, std::array<Index, 2> kernel_size,
                       const UnfoldOptions& windows, bool count_include_pad = true);
/// The axes from start_dim to end_dim, both included, as one. They may count from the end.
template <class T>
Variable<T> flatten(const Variable<T>& x, int start_dim = 1, int end_dim = -1);

// ---- losses -------------------------------------------------------------------------------------
// Input and target have one shape, but for labels.

template <class T>
Variable<T> mse_loss(const Variable<T>& x, const Tensor<T>& target,
                     Reduction reduction = Reduction::mean);
template <class T>
Variable<T> l1_loss(const Variable<T>& x, const Tensor<T>& target,
                    Reduction reduction = Reduction::mean);
template <class T>
Variable<T> smooth_l1_loss(const Variable<T>& x, const Tensor<T>& target,
                           Reduction reduction = Reduction::mean, double beta = 1);
/// On probabilities strictly between 0 and 1.
template <class T>
Variable<T> binary_cross_entropy(const Variable<T>& x, const Tensor<T>& target,
                                 Reduction reduction = Reduction::mean);
/// pos_weight, where defined, has a number for each entry of the last axis.
template <class T>
Variable<T> binary_cross_entropy_with_logits(const Variable<T>& x, const Tensor<T>& target,
                                             Reduction reduction = Reduction::mean,
                                             const Tensor<T>& pos_weight = {});
/// Logits (N, C, ...) and labels (N, ...), or the share (N, C, ...) of each class; weight (C) where
/// defined.
template <class T>
Variable<T> cross_entropy(const Variable<T>& logits, const Labels& labels,
                          Reduction reduction = Reduction::mean, double label_smoothing = 0,
                          const Tensor<T>& weight = {});
template <class T>
Variable<T> cross_entropy(const Variable<T>& logits, const Tensor<T>& shares,
                          Reduction reduction = Reduction::mean, double label_smoothing = 0,
                          const Tensor<T>& weight = {});
/// Logarithms of probabilities (N, C, ...) and labels (N, ...).
template <class T>
Variable<T> nll_loss(const Variable<T>& log_probabilities, const Labels& labels,
                     Reduction reduction = Reduction::mean, const Tensor<T>& weight = {});
/// The loss DonskerVaradhan on t (n + n') or (n + n', 1).
template <class T>
Variable<T> donsker_varadhan(const Variable<T>& t, Index n);

}  // namespace handgrad::functional
