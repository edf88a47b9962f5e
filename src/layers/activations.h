// Activations: functions of each element alone
//
// y[i] = f(x[i]), hence dL/dx[i] = dL/dy[i] f'(x[i]). Each class below states f and derives f';
// kernels/cpu/activations.h transcribes both. Any shape will do. At a kink, where there is no
// derivative, the one to the left is taken, as PyTorch does.
#pragma once

#include "layers/layer.h"

namespace handgrad {

/// What they share: y = f(x; a, b), with f one of the kernels.
template <class T>
class ElementwiseLayer : public Layer<T> {
  public:
    Tensor<T> forward(const Tensor<T>& x) final;
    Tensor<T> backward(const Tensor<T>& dy) final;

  protected:
    explicit ElementwiseLayer(Activation f, double a = 0, double b = 0);

    Tensor<T> kept_;  // x or y of the last forward, whichever f's derivative is computed from

  private:
    Activation f_;
    T a_, b_;
};

/// ReLU: y = max(x, 0)
///
/// dy/dx = 1 where x > 0, else 0; and x > 0 exactly where y > 0, so that keeping y is enough. At
/// NaN it is 1, as PyTorch has it.
template <class T>
class ReLU final : public ElementwiseLayer<T> {
  public:
    ReLU() : ElementwiseLayer<T>(Activation::relu) {}
    /// As if forward had returned y: for Sequential, which lets the Linear before find it.
    void keep_output(const Tensor<T>& y) { this->kept_ = y; }
    [[nodiscard]] std::string describe() const override { return "ReLU()"; }
};

/// LeakyReLU: y = x where x > 0, else slope x
///
/// dy/dx = 1 where x > 0, else slope: no unit is ever cut off from the gradient.
template <class T>
class LeakyReLU final : public ElementwiseLayer<T> {
  public:
    explicit LeakyReLU(double negative_slope = 0.01)
        : ElementwiseLayer<T>(Activation::leaky_relu, negative_slope), slope_(negative_slope) {}
    [[nodiscard]] std::string describe() const override {
        return "LeakyReLU(" + number_str(slope_) + ")";
    }

  private:
    double slope_;
};

/// ELU: y = x where x > 0, else alpha (e^x - 1)
///
/// dy/dx = 1 where x > 0, else alpha e^x. Source: Clevert, Unterthiner, Hochreiter 2016.
template <class T>
class ELU final : public ElementwiseLayer<T> {
  public:
    explicit ELU(double alpha = 1) : ElementwiseLayer<T>(Activation::elu, alpha), alpha_(alpha) {}
    [[nodiscard]] std::string describe() const override {
        return "ELU(" + number_str(alpha_) + ")";
    }

  private:
    double alpha_;
};

/// Softplus: y = log(1 + e^(beta x)) / beta, a smooth ReLU
///
/// dy/dx = e^(beta x) / (1 + e^(beta x)) = sigmoid(beta x).
/// Where beta x > threshold, y = x and dy/dx = 1: with z = beta x,
///   log(1 + e^z) = max(z, 0) + log(1 + e^-|z|),
/// which never overflows, and beyond z = 20 its second term is less than 3e-9.
template <class T>
class Softplus final : public ElementwiseLayer<T> {
  public:
    /// Throws Error unless beta > 0.
    explicit Softplus(double beta = 1, double threshold = 20);
    [[nodiscard]] std::string describe() const override {
        return "Softplus(" + number_str(beta_) + ", " + number_str(threshold_) + ")";
    }

  private:
    double beta_, threshold_;
};

/// Sigmoid: y = 1 / (1 + e^-x)
///
/// dy/dx = e^-x / (1 + e^-x)^2 = y (1 - y), as 1 - y = e^-x / (1 + e^-x).
template <class T>
class Sigmoid final : public ElementwiseLayer<T> {
  public:
    Sigmoid() : ElementwiseLayer<T>(Activation::sigmoid) {}
    [[nodiscard]] std::string describe() const override { return "Sigmoid()"; }
};

/// Tanh: y = tanh x = sinh x / cosh x
///
/// dy/dx = (cosh^2 x - sinh^2 x) / cosh^2 x = 1 - y^2.
template <class T>
class Tanh final : public ElementwiseLayer<T> {
  public:
    Tanh() : ElementwiseLayer<T>(Activation::tanh) {}
    [[nodiscard]] std::string describe() const override { return "Tanh()"; }
};

/// SiLU: y = x s with s = sigmoid(x)
///
/// ds/dx = s (1 - s), hence dy/dx = s + x s (1 - s) = s (1 + x (1 - s)).
template <class T>
class SiLU final : public ElementwiseLayer<T> {
  public:
    SiLU() : ElementwiseLayer<T>(Activation::silu) {}
    [[nodiscard]] std::string describe() const override { return "SiLU()"; }
};

/// GELU: y = x Phi(x) with Phi(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution function
///
/// dPhi/dx = phi(x) = e^(-x^2/2) / sqrt(2 pi), hence dy/dx = Phi(x) + x phi(x).
///
/// In the tanh form, Phi(x) becomes (1 + tanh u) / 2 = s with
///   s = sigmoid(2u),   u = sqrt(2/pi) (x + 0.044715 x^3)
///   ds/dx = s (1 - s) 2 du/dx,   du/dx = sqrt(2/pi) (1 + 3 0.044715 x^2)
///   dy/dx = s + x ds/dx = s (1 + x (1 - s) 2 du/dx)
/// It differs from the exact form by less than 5e-4. Source: Hendrycks and Gimpel 2016.
template <class T>
class GELU final : public ElementwiseLayer<T> {
  public:
    /// PyTorch's GELU(approximate = "none" or "tanh").
    enum class Approximate : std::uint8_t { none, tanh };
    explicit GELU(Approximate approximate = Approximate::none)
        : ElementwiseLayer<T>(approximate == Approximate::none ? Activation::gelu
                                                               : Activation::gelu_tanh),
          approximate_(approximate) {}
    [[nodiscard]] std::string describe() const override {
        return approximate_ == Approximate::none ? "GELU()" : "GELU(tanh)";
    }

  private:
    Approximate approximate_;
};

/// Identity: y = x, dL/dx = dL/dy
template <class T>
class Identity final : public Layer<T> {
  public:
    Tensor<T> forward(const Tensor<T>& x) override;
    Tensor<T> backward(const Tensor<T>& dy) override;
    [[nodiscard]] std::string describe() const override { return "Identity()"; }

  private:
    Tensor<T> y_;
};

}  // namespace handgrad
