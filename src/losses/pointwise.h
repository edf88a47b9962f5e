// Losses of each element alone
//
// l[i] = l(x[i], t[i]) for a prediction x and its target t of one shape, hence
//   dL/dx[i] = dL/dl[i] l'(x[i], t[i]),   l' the derivative with respect to x.
// Each class below states l and derives l'; kernels/cpu/losses.h transcribes both. Names and
// defaults are PyTorch's, but target and input must have one shape: nothing is broadcast.
#pragma once

#include "losses/loss.h"

namespace handgrad {

/// What most of them share: l = l(x, t; a), with l one of the kernels.
template <class T>
class ElementwiseLoss : public Loss<T> {
  public:
    /// Throws Error unless input and target have one shape, with at least one element.
    Tensor<T> forward(const Tensor<T>& input, const Tensor<T>& target);

  protected:
    ElementwiseLoss(PointwiseLoss l, Reduction reduction, double a = 0);
    Tensor<T> input_gradient(const Tensor<T>& dlosses) final;

  private:
    PointwiseLoss l_;
    T a_;
    Tensor<T> input_, target_;
};

/// MSELoss: l = (x - t)^2
///
/// l' = 2 (x - t)
template <class T>
class MSELoss final : public ElementwiseLoss<T> {
  public:
    explicit MSELoss(Reduction reduction = Reduction::mean)
        : ElementwiseLoss<T>(PointwiseLoss::mse, reduction) {}
    [[nodiscard]] std::string describe() const override;
};

/// L1Loss: l = |x - t|
///
/// l' = sign(x - t), and 0 at the kink x = t.
template <class T>
class L1Loss final : public ElementwiseLoss<T> {
  public:
    explicit L1Loss(Reduction reduction = Reduction::mean)
        : ElementwiseLoss<T>(PointwiseLoss::l1, reduction) {}
    [[nodiscard]] std::string describe() const override;
};

/// SmoothL1Loss: l = d^2 / (2 beta) where |d| < beta, else |d| - beta/2, with d = x - t
///
/// l' = d / beta where |d| < beta, else sign(d): a parabola near zero, and no more pull from an
/// outlier than L1Loss has. Both value and derivative agree at |d| = beta. beta = 0 is L1Loss.
template <class T>
class SmoothL1Loss final : public ElementwiseLoss<T> {
  public:
    /// Throws Error on a negative beta.
    explicit SmoothL1Loss(Reduction reduction = Reduction::mean, double beta = 1);
    [[nodiscard]] std::string describe() const override;

  private:
    double beta_;
};

/// BCELoss: l = -t log x - (1 - t) log(1 - x), for a probability x and a target t in [0, 1]
///
/// l' = -t/x + (1 - t)/(1 - x) = (x - t) / (x (1 - x))
///
/// As in PyTorch, each logarithm counts as -100 where it is less, so that x = 0 and x = 1 give a
/// finite loss, and x (1 - x) as 1e-12 where it is less. Prefer BCEWithLogitsLoss, which needs
/// neither.
template <class T>
class BCELoss final : public ElementwiseLoss<T> {
  public:
    explicit BCELoss(Reduction reduction = Reduction::mean)
        : ElementwiseLoss<T>(PointwiseLoss::bce, reduction) {}
    /// Throws Error also where an input is below 0 or above 1.
    Tensor<T> forward(const Tensor<T>& input, const Tensor<T>& target);
    [[nodiscard]] std::string describe() const override;
};

/// BCEWithLogitsLoss: l = -p t log s(x) - (1 - t) log s(-x), with s(x) = 1 / (1 + e^-x) and p the
/// weight of the positive class
///
/// It is BCELoss on s(x), as s(-x) = 1 - s(x). With -log s(x) = log(1 + e^-x),
///   d(-log s(x))/dx  = -e^-x / (1 + e^-x) = -s(-x)
///   d(-log s(-x))/dx = s(x)
///   l' = (1 - t) s(x) - p t s(-x)
/// which for p = 1 is s(x) - t.
template <class T>
class BCEWithLogitsLoss final : public Loss<T> {
  public:
    /// pos_weight, where there is one, has a number for each entry of the last axis.
    explicit BCEWithLogitsLoss(Reduction reduction = Reduction::mean, Tensor<T> pos_weight = {});

    /// Throws Error unless input and target have one shape, with at least one element, and
    /// pos_weight fits.
    Tensor<T> forward(const Tensor<T>& input, const Tensor<T>& target);
    [[nodiscard]] std::string describe() const override;

  protected:
    Tensor<T> input_gradient(const Tensor<T>& dlosses) override;

  private:
    Tensor<T> pos_weight_, input_, target_;
};

}  // namespace handgrad
