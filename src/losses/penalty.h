// L1Penalty, L2Penalty: what large weights cost
#pragma once

#include <string>
#include <vector>

#include "layers/layer.h"

namespace handgrad {

/// What both share: strength R(w), summed over chosen parameters. The loss that is trained is the
/// data's loss plus the penalty:
///
///   L2Penalty<float> penalty({&linear.weight}, 1e-4);   // weights only: biases are left alone
///   const Tensor<float> value = loss.forward(...) + penalty.forward();
///   model.backward(loss.backward());
///   penalty.backward();
///
/// On a GPU a launch takes 64 parameters; the sum takes a second one where they fill many blocks.
template <class T>
class WeightPenalty {
  public:
    virtual ~WeightPenalty() = default;

    /// strength sum R(w), of shape ().
    Tensor<T> forward() const;
    /// Adds strength dR/dw to the gradient of each parameter.
    void backward() const;

    /// "L2Penalty(0.0001)"
    [[nodiscard]] virtual std::string describe() const = 0;

  protected:
    /// The parameters must outlive the penalty. Throws Error where there are none, where one is
    /// null, and unless strength >= 0.
    WeightPenalty(const std::string& name, Penalty R, std::vector<Parameter<T>*> parameters,
                  double strength);
    WeightPenalty(const WeightPenalty&) = default;
    WeightPenalty& operator=(const WeightPenalty&) = default;

    [[nodiscard]] double strength() const { return strength_; }

  private:
    /// Where the parameters are now. Throws Error where they are on two devices.
    using Arrays = std::vector<ParameterArrays<T>, CachedAllocator<ParameterArrays<T>>>;
    [[nodiscard]] Arrays arrays() const;

    Penalty R_;
    std::vector<Parameter<T>*> parameters_;
    double strength_;
};

/// L1Penalty: R(w) = sum_i |w_i|
///
/// dR/dw_i = sign(w_i), and 0 at the kink: every weight is pulled with one force, small ones all
/// the way to zero.
template <class T>
class L1Penalty final : public WeightPenalty<T> {
  public:
    L1Penalty(std::vector<Parameter<T>*> parameters, double strength);
    [[nodiscard]] std::string describe() const override;
};

/// L2Penalty: R(w) = sum_i w_i^2
///
/// dR/dw_i = 2 w_i: large weights are pulled the most, so that weights spread out. On plain SGD it
/// is a weight decay of 2 strength.
template <class T>
class L2Penalty final : public WeightPenalty<T> {
  public:
    L2Penalty(std::vector<Parameter<T>*> parameters, double strength);
    [[nodiscard]] std::string describe() const override;
};

}  // namespace handgrad
