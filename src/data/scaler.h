// Bringing features to one scale.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace handgrad {

/// What both scalers are once they have been fitted: z = (x - center) * factor for each feature,
/// computed in double. Fit on the training set alone, and transform all sets:
///
///     StandardScaler<float> scaler;
///     scaler.fit(train.x);
///     const Tensor<float> z = scaler.transform(val.x);
template <class T>
class Scaler {
  public:
    /// x (N, features) -> z (N, features), a tensor of its own. Throws Error before fit, and for
    /// another number of features.
    [[nodiscard]] Tensor<T> transform(const Tensor<T>& x) const;
    /// z back to x; a constant feature comes back as its one value.
    [[nodiscard]] Tensor<T> inverse_transform(const Tensor<T>& z) const;

    /// Features that had one value only in the set that was fitted.
    [[nodiscard]] Index constant_features() const { return constant_; }
    [[nodiscard]] const std::vector<double>& center() const { return center_; }
    [[nodiscard]] const std::vector<double>& factor() const { return factor_; }

  protected:
    Scaler() = default;
    std::vector<double> center_, factor_;
    double shift_ = 0;  // added after the factor
    Index constant_ = 0;

  private:
    void require_fitting(const char* operation, const Tensor<T>& x) const;
};

/// The least value of each feature becomes `low`, the greatest `high`. A constant feature becomes
/// `low`, as scikit-learn's MinMaxScaler has it.
template <class T>
class MinMaxScaler : public Scaler<T> {
  public:
    /// Throws Error unless low < high.
    explicit MinMaxScaler(double low = 0, double high = 1);
    /// x (N, features), N >= 1, on the CPU. Throws Error, also where a value is not finite.
    void fit(const Tensor<T>& x);

  private:
    double low_, high_;
};

/// Each feature gets mean 0 and standard deviation 1. The variance is divided by N - 1, which makes
/// it unbiased; scikit-learn's StandardScaler divides by N. A constant feature becomes 0.
template <class T>
class StandardScaler : public Scaler<T> {
  public:
    /// x (N, features), N >= 2, on the CPU. Throws Error, also where a value is not finite.
    void fit(const Tensor<T>& x);
};

}  // namespace handgrad
