#include "data/scaler.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace handgrad {
namespace {

template <class T>
void require_samples(const char* operation, const Tensor<T>& x, Index least) {
    if (!x.defined() || x.rank() != 2 || x.dim(0) < least || x.dim(1) < 1)
        throw Error(operation, x.defined() ? "x of shape " + x.shape().str() : "an undefined x",
                    "x of shape (N, features), N at least " + std::to_string(least));
    const auto values = x.span();
    const auto wrong =
        std::find_if(values.begin(), values.end(), [](T v) { return !std::isfinite(v); });
    if (wrong != values.end())
        throw Error(operation,
                    std::to_string(*wrong) + " in row " +
                        std::to_string((wrong - values.begin()) / x.dim(1)) + ", feature " +
                        std::to_string((wrong - values.begin()) % x.dim(1)),
                    "finite values");
}

/// The least and the greatest value of each feature.
struct Range {
    std::vector<double> least, greatest;
};

template <class T>
Range range_of(const Tensor<T>& x) {
    const Index features = x.dim(1);
    const T* const first = x.data();
    Range range{{first, first + features}, {first, first + features}};
    for (Index i = 0; i < x.size(); ++i) {
        const auto feature = static_cast<std::size_t>(i % features);
        const double value = static_cast<double>(x.data()[i]);
        range.least[feature] = std::min(range.least[feature], value);
        range.greatest[feature] = std::max(range.greatest[feature], value);
    }
    return range;
}

}  // namespace

template <class T>
void Scaler<T>::require_fitting(const char* operation, const Tensor<T>& x) const {
    if (center_.empty())
        throw Error(operation, "a scaler that has not been fitted", "fit(x) first");
    if (!x.defined() || x.rank() != 2 || x.dim(1) != static_cast<Index>(center_.size()))
        throw Error(operation, x.defined() ? "x of shape " + x.shape().str() : "an undefined x",
                    "x of shape (N, " + std::to_string(center_.size()) + "), as in fit");
}

template <class T>
Tensor<T> Scaler<T>::transform(const Tensor<T>& x) const {
    require_fitting("Scaler.transform", x);
    const auto values = x.span();
    const Tensor<T> z = Tensor<T>::empty(x.shape());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t f = i % center_.size();
        z.data()[i] =
            static_cast<T>((static_cast<double>(values[i]) - center_[f]) * factor_[f] + shift_);
    }
    return z;
}

template <class T>
Tensor<T> Scaler<T>::inverse_transform(const Tensor<T>& z) const {
    require_fitting("Scaler.inverse_transform", z);
    const auto values = z.span();
    const Tensor<T> x = Tensor<T>::empty(z.shape());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t f = i % center_.size();
        x.data()[i] =
            static_cast<T>((static_cast<double>(values[i]) - shift_) / factor_[f] + center_[f]);
    }
    return x;
}

template <class T>
MinMaxScaler<T>::MinMaxScaler(double low, double high) : low_(low), high_(high) {
    if (!(low < high))
        throw Error("MinMaxScaler", std::to_string(low) + " to " + std::to_string(high),
                    "low < high");
}

template <class T>
void MinMaxScaler<T>::fit(const Tensor<T>& x) {
    require_samples("MinMaxScaler.fit", x, 1);
    const Range range = range_of(x);
    this->center_ = range.least;
    this->factor_.clear();
    this->shift_ = low_;
    this->constant_ = 0;
    for (std::size_t f = 0; f < range.least.size(); ++f) {
        const double width = range.greatest[f] - range.least[f];
        this->constant_ += width == 0;
        this->factor_.push_back((high_ - low_) / (width == 0 ? 1 : width));
    }
}

template <class T>
void StandardScaler<T>::fit(const Tensor<T>& x) {
    require_samples("StandardScaler.fit", x, 2);
    const Range range = range_of(x);
    const std::size_t features = range.least.size();
    const auto n = static_cast<double>(x.dim(0));
    const auto values = x.span();
    std::vector<double> mean(features), squares(features);
    for (std::size_t i = 0; i < values.size(); ++i)
        mean[i % features] += static_cast<double>(values[i]) / n;
    for (std::size_t i = 0; i < values.size(); ++i)
        squares[i % features] += std::pow(static_cast<double>(values[i]) - mean[i % features], 2);
    this->factor_.clear();
    this->constant_ = 0;
    for (std::size_t f = 0; f < features; ++f) {
        // Told by its range, since the sum of equal numbers can be off by a rounding.
        const bool constant = range.least[f] == range.greatest[f];
        if (constant) mean[f] = range.least[f];
        this->constant_ += constant;
        this->factor_.push_back(constant ? 1 : 1 / std::sqrt(squares[f] / (n - 1)));
    }
    this->center_ = std::move(mean);
}

template class Scaler<float>;
template class Scaler<double>;
template class MinMaxScaler<float>;
template class MinMaxScaler<double>;
template class StandardScaler<float>;
template class StandardScaler<double>;

}  // namespace handgrad
