// LayerNorm: each sample normalised over its last axes
#pragma once

#include "layers/layer.h"

namespace handgrad {

struct LayerNormOptions {
    double eps = 1e-5;               // added to the variance, lest a constant sample divides by 0
    bool elementwise_affine = true;  // a learned weight and bias for each element of a sample
};

/// x (..., normalized_shape) -> y of the same shape, y = (x - mean) / sqrt(var + eps) weight + bias
/// with the mean and the variance over the axes of normalized_shape, in training and in evaluation
/// alike. Source: Ba, Kiros and Hinton 2016; names and defaults are PyTorch's.
template <class T>
class LayerNorm final : public Layer<T> {
  public:
    /// normalized_shape holds the sizes of the last axes: {128} for rows of 128. Throws Error
    /// unless it has one to five, each at least 1, and eps is at least 0.
    explicit LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options = {},
                       Device device = Device::cpu);

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;

    std::vector<Parameter<T>*> parameters() override;
    [[nodiscard]] Features features() const override { return {normalized_shape_[-1], {}}; }
    [[nodiscard]] std::string describe() const override;
    [[nodiscard]] double eps() const { return options_.eps; }

    Parameter<T> weight, bias;  // normalized_shape, 1 and 0 at first; undefined unless affine

  private:
    Shape normalized_shape_;
    LayerNormOptions options_;
    Tensor<T> x_, mean_, rstd_;  // of the last forward; mean and rstd (samples)
};

}  // namespace handgrad
