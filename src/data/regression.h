// Samples with a number to be predicted.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace handgrad {

/// N samples, on the CPU. Copying one shares the memory.
struct RegressionSet {
    std::string name;                   // "diabetes"
    Tensor<float> x;                    // (N, features), in their own units
    Tensor<float> y;                    // (N, 1)
    std::vector<std::string> features;  // their names
    std::string target;                 // the name of y

    [[nodiscard]] Index size() const { return y.defined() ? y.dim(0) : 0; }

    /// A copy of the rows with these numbers, in this order. Throws Error where there are none, or
    /// one is not 0 .. N-1. train_test_split(set) of data/dataset.h makes use of it.
    [[nodiscard]] RegressionSet subset(std::span<const Index> rows) const;
};

/// data/diabetes.csv, put into the program by the build.
std::string_view embedded_diabetes_csv();

/// The 442 patients that the program carries with it: ten measurements and how far their disease
/// progressed in a year, from 25 to 346. data/README.md says where they come from.
RegressionSet load_diabetes();

/// n points of a function with noise: x (n, 1) uniform on [low, high), y (n, 1) = f(x) + a normal
/// number of standard deviation `noise`. All x are drawn before the noise. Throws Error unless
/// n >= 1, low < high and noise >= 0.
struct FunctionSamples {
    Index n = 100;
    double low = -1, high = 1;
    double noise = 0;
};
RegressionSet sample_function(const std::function<double(double)>& f,
                              const FunctionSamples& samples, Random& random);

}  // namespace handgrad
