// The golden values that tools/make_golden.py wrote.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "data/npy.h"

/// Puts {"shape": [...], "values": [...]} or [...] where the script left the name of an array.
inline void put_arrays(nlohmann::json& value, const handgrad::NpzFile& file) {
    if (value.is_object() && value.size() == 1 &&
        (value.contains("array") || value.contains("list"))) {
        const bool is_list = value.contains("list");
        const auto x = file.read<double>(value.begin().value().get<std::string>());
        if (is_list) {
            value = x.values();
            return;
        }
        std::vector<handgrad::Index> shape;
        for (int axis = 0; axis < x.rank(); ++axis) shape.push_back(x.dim(axis));
        value = {{"shape", shape}, {"values", x.values()}};
    } else if (value.is_structured()) {
        for (nlohmann::json& part : value) put_arrays(part, file);
    }
}

/// tests/golden/NAME.npz, or the same in the folder that the environment's HANDGRAD_GOLDEN names.
/// Throws Error where it is missing.
inline nlohmann::json golden(const std::string& name) {
    const char* folder = std::getenv("HANDGRAD_GOLDEN");
    const std::filesystem::path path =
        std::filesystem::path(folder ? folder : HANDGRAD_GOLDEN) / name;
    if (name == "npy") return nlohmann::json::parse(handgrad::read_file(path.string() + ".json"));
    const handgrad::NpzFile file(path.string() + ".npz");
    const auto text = file.read<std::int32_t>("index").values();
    auto values = nlohmann::json::parse(text.begin(), text.end());
    put_arrays(values, file);
    return values;
}

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
