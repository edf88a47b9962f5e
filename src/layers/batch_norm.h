// BatchNorm1d and BatchNorm2d: each channel normalised over the batch
#pragma once

#include "layers/layer.h"

namespace handgrad {

struct BatchNormOptions {
    double eps = 1e-5;                // added to the variance, lest a constant channel divides by 0
    double momentum = 0.1;            // the share of each new batch in the running statistics
    bool affine = true;               // a learned weight and bias for each channel
    bool track_running_stats = true;  // without them, evaluation uses the batch's statistics, too
};

/// What they share. In training, y = (x - mean) / sqrt(var + eps) weight + bias with the mean and
/// the variance of each channel over the batch, and
///   running_mean = (1 - momentum) running_mean + momentum mean
///   running_var  = (1 - momentum) running_var  + momentum var n / (n - 1)
/// with n the values of a channel. In evaluation the running statistics take the place of mean and
/// var. Source: Ioffe and Szegedy 2015; names and defaults are PyTorch's, whose momentum = None, an
/// average of all batches alike, is not here: nothing counts them.
template <class T>
class BatchNorm : public Layer<T> {
  public:
    /// Throws Error where x does not fit, and in training on a batch with one value per channel,
    /// which has no variance. An empty batch goes through and changes nothing.
    Tensor<T> forward(const Tensor<T>& x) final;
    Tensor<T> backward(const Tensor<T>& dy) final;

    std::vector<Parameter<T>*> parameters() final;
    std::vector<Buffer<T>*> buffers() final;
    [[nodiscard]] std::string describe() const final;
    [[nodiscard]] double eps() const { return options_.eps; }

    Parameter<T> weight, bias;            // (C), 1 and 0 at first; undefined unless affine
    Buffer<T> running_mean, running_var;  // (C), 0 and 1 at first; undefined unless tracked

  protected:
    /// x is to have `needs`, a rank from lowest_rank to highest_rank.
    BatchNorm(std::string name, Index num_features, const BatchNormOptions& options, Device device,
              int lowest_rank, int highest_rank);

  private:
    void require_fit(const Tensor<T>& x) const;

    std::string name_;
    Index channels_;
    BatchNormOptions options_;
    int lowest_rank_, highest_rank_;
    // Of the last forward: the statistics used, and whether they were those of the batch.
    Tensor<T> x_, mean_, var_;
    bool of_batch_ = false;
};

/// x (N, C) or (N, C, L).
template <class T>
class BatchNorm1d final : public BatchNorm<T> {
  public:
    /// Throws Error unless num_features C is at least 1, eps at least 0 and momentum from 0 to 1.
    explicit BatchNorm1d(Index num_features, const BatchNormOptions& options = {},
                         Device device = Device::cpu)
        : BatchNorm<T>("BatchNorm1d", num_features, options, device, 2, 3) {}
};

/// x (N, C, H, W).
template <class T>
class BatchNorm2d final : public BatchNorm<T> {
  public:
    /// Throws Error as BatchNorm1d.
    explicit BatchNorm2d(Index num_features, const BatchNormOptions& options = {},
                         Device device = Device::cpu)
        : BatchNorm<T>("BatchNorm2d", num_features, options, device, 4, 4) {}
};

}  // namespace handgrad
