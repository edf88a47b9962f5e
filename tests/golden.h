// The golden values that tools/make_golden.py wrote.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

/// tests/golden/NAME.npz, or the same in the folder that the environment's HANDGRAD_GOLDEN names.
/// Throws Error where it is missing.
nlohmann::json golden(const std::string& name);

/// A tensor that the script wrote as {"shape": [...], "values": [...]}.
template <class T>
handgrad::Tensor<T> golden_tensor(const nlohmann::json& x) {
    const auto shape = x["shape"].get<std::vector<handgrad::Index>>();
    const auto values = x["values"].get<std::vector<T>>();
    return handgrad::Tensor<T>::from(handgrad::Shape(std::span<const handgrad::Index>(shape)),
                                     std::span<const T>(values));
}

/// Is each element within this relative error? Elements below a tenth of the largest are held
/// to that tenth: they are differences of larger numbers.
template <class T>
bool matches_golden(const handgrad::Tensor<T>& got, const nlohmann::json& x, double tolerance) {
    const auto expected = golden_tensor<double>(x);
    if (got.shape() != expected.shape()) return false;
    double largest = 0;
    for (const double v : expected.span()) largest = std::max(largest, std::abs(v));
    for (handgrad::Index i = 0; i < got.size(); ++i) {
        const double v = expected.data()[i];
        const double allowed = tolerance * std::max(std::abs(v), 0.1 * largest);
        if (!(std::abs(static_cast<double>(got.data()[i]) - v) <= allowed)) return false;
    }
    return true;
}
