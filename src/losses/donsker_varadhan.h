// DonskerVaradhan: a lower bound of the divergence of two distributions, as a loss
#pragma once

#include "losses/loss.h"

namespace handgrad {

/// A network t that is trained on samples Z of one distribution and Z' of another to make
///   mean t(Z) - (logsumexp t(Z') - log n')
/// large estimates their Kullback-Leibler divergence D(P_Z || P_Z') from below. The loss is the
/// negative of it, since optimisers make losses small. It takes no Reduction: the logarithm joins
/// all samples of Z' to one number, of which none has a share of its own. Source: Donsker and
/// Varadhan 1983; Belghazi et al. 2018.
///
/// Both samples go through the network in one batch, so that one backward serves both:
///
///   loss.forward(net.forward(z_and_z_ref), n);   // the first n rows are samples of Z
///   net.backward(loss.backward());
template <class T>
class DonskerVaradhan final : public Loss<T> {
  public:
    DonskerVaradhan() : Loss<T>(Reduction::sum) {}

    /// t (n + n') or (n + n', 1): the network's output for n samples of Z, then for n' of Z'.
    /// Returns the loss, of shape (): the estimate of the divergence is its negative.
    /// Throws Error unless there is at least one of each.
    Tensor<T> forward(const Tensor<T>& t, Index n);

    [[nodiscard]] std::string describe() const override { return "DonskerVaradhan()"; }

  protected:
    Tensor<T> input_gradient(const Tensor<T>& dlosses) override;

  private:
    Tensor<T> t_;
    Index n_ = 0;
};

}  // namespace handgrad
