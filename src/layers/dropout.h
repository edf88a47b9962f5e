// Dropout: in training, each input is dropped with probability p
#pragma once

#include "layers/layer.h"

namespace handgrad {

/// Draws which numbers to drop, where they are: number i of the c-th call is dropped or kept by a
/// function of the seed, c and i alone (DropoutDraw, kernels/backend.h). So a CPU and a GPU drop
/// the same ones, backward finds them again without having kept them, and since the device counts
/// the calls, each replay of a DeviceGraph drops others. PyTorch's numbers are others, and others
/// again on each of its devices.
template <class T>
class Dropper {
  public:
    /// Throws Error, in the name of `layer`, unless 0 <= p <= 1.
    Dropper(std::string_view layer, double p, std::uint64_t seed);

    /// For forward: y = x s, with s[i] = 0 with probability p, else 1/(1-p); drawn anew. May be in
    /// place.
    void draw(const Tensor<T>& y, const Tensor<T>& x);
    /// For backward: y = x s, with the s of the last draw.
    void repeat(const Tensor<T>& y, const Tensor<T>& x) const;
    [[nodiscard]] double p() const { return p_; }

  private:
    double p_;
    DropoutDraw draw_;
    Tensor<Index> calls_;  // so far, on the device
};

/// Any shape. In evaluation mode y = x. Source: Srivastava et al. 2014, in the inverted form.
template <class T>
class Dropout final : public Layer<T> {
  public:
    /// The layer draws from a stream of its own, seeded here. p has no default, where PyTorch's is
    /// 0.5: a lone number could be p or the seed. Throws Error unless 0 <= p <= 1.
    explicit Dropout(double p, std::uint64_t seed);

    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    [[nodiscard]] std::string describe() const override;

  private:
    Dropper<T> dropper_;
    bool dropped_ = false;  // by the last forward, which was in training mode
    Tensor<T> y_;
};

}  // namespace handgrad
