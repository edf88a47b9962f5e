// The contract of every loss.
//
// A loss measures how far a layer's output is from its target. forward(input, target) gives
//
//   the losses themselves, one for each element or sample   Reduction::none
//   their mean, of shape ()                                 Reduction::mean
//   their sum, of shape ()                                  Reduction::sum
//
// and keeps what backward needs; backward() gives dL/dinput, the dy of the last layer:
//
//   const Tensor<float> value = loss.forward(model.forward(x), target);
//   model.backward(loss.backward());
//
// A target is data: there is no gradient with respect to it, which PyTorch has.
#pragma once

#include <string>

#include "layers/layer.h"

namespace handgrad {

enum class Reduction : std::uint8_t { none, mean, sum };

/// "none", "mean" or "sum".
std::string name_of(Reduction reduction);

template <class T>
class Loss {
  public:
    using Scalar = T;
    virtual ~Loss() = default;

    /// dL/dinput (shape of input), for the last forward, whose result had the gradient dloss.
    /// Left out, dloss is 1; losses that are not reduced need one, of their own shape. Throws Error
    /// before any forward, or when dloss does not fit.
    Tensor<T> backward(const Tensor<T>& dloss = {});

    /// How the loss is built, as code: "MSELoss(mean)".
    [[nodiscard]] virtual std::string describe() const = 0;

  protected:
    explicit Loss(Reduction reduction) : reduction_(reduction) {}
    Loss(const Loss&) = default;
    Loss& operator=(const Loss&) = default;

    [[nodiscard]] Reduction reduction() const { return reduction_; }

    /// For forward: room for the losses, which reduce takes. Those of the last forward are let go
    /// of first, so that a loop needs no memory for both.
    Tensor<T> room_for_losses(const Shape& shape, Device device);
    /// For forward: the losses as they are, their sum, or their sum divided by count.
    Tensor<T> reduce(const Tensor<T>& losses, double count);
    /// The same, with a loss for each label: the mean divides by their number, or by the sum of
    /// weight[label] where there is a weight for each class.
    Tensor<T> reduce(const Tensor<T>& losses, const Labels& labels, const Tensor<T>& weight);
    /// dL/dinput from dlosses, which has the shape of the losses given to reduce.
    virtual Tensor<T> input_gradient(const Tensor<T>& dlosses) = 0;

    /// For forward: throws Error unless input and target have one shape, with an element at least.
    void require_equal_shapes(const Tensor<T>& input, const Tensor<T>& target) const;
    /// For forward: throws Error unless input is (N, C, ...), labels are (N, ...) with the same
    /// axes after N, no size is 0, and each label is one of 0 .. C-1. Of labels on a GPU, which the
    /// host does not wait for, it leaves the last to the kernels: they give NaN.
    void require_labels(const Tensor<T>& input, const Labels& labels) const;
    /// For forward: throws Error unless weight, where there is one, has a number for each entry of
    /// this axis of input.
    void require_weights(const Tensor<T>& input, const Tensor<T>& weight, int axis) const;

  private:
    Reduction reduction_;
    Tensor<T> losses_;       // of the last forward
    T scale_ = 1;            // dL/dlosses, where they are reduced; to be divided by the next
    Tensor<T> weights_sum_;  // of the labels, or undefined
};

/// (N, d1, d2, ...): the shape of the labels for x (N, C, d1, d2, ...).
Shape without_classes(const Shape& shape);

}  // namespace handgrad
