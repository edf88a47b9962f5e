// Gradients by hand against finite differences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "layers/layer.h"

namespace handgrad {

struct GradientCheckOptions {
    /// Elements of each tensor that are tried, drawn at random; all where there are fewer.
    Index max_elements = 500;
    /// Each element is moved by step * max(1, |value|) to either side. The error of a central
    /// difference falls with step^2, that of rounding grows with 1/step.
    double step = 1e-6;
    double tolerance = 1e-6;
    std::uint64_t seed = 0;
};

/// The check of one input or parameter.
struct GradientRow {
    std::string name;
    Shape shape;
    Index checked = 0;  // elements tried
    double norm = 0;    // of the whole gradient by hand, Euclidean
    /// The largest |by hand - difference| over the largest magnitude seen in either.
    double max_relative_error = 0;
    Index worst = 0;  // where that is, in row-major order
    double by_hand = 0, by_difference = 0;
    bool pass = false;
    std::string reason{};  // of a failure
};

/// Holds each parameter's grad, filled by a backward pass beforehand, against
/// (loss(w + h) - loss(w - h)) / 2h. `loss` evaluates the same loss as that pass did, from the
/// parameters' values as they stand; it must be smooth within h of them and the same at every
/// call. In double: float has too few digits for a difference of two losses.
///
/// A row fails beyond the tolerance, on a NaN, and where every gradient tried is zero both ways:
/// such a check has seen nothing. Values are restored. An input is checked like a parameter:
/// Parameter<double>{"x", x, dx}.
std::vector<GradientRow> check_gradients(const std::vector<Parameter<double>*>& parameters,
                                         const std::function<double()>& loss,
                                         const GradientCheckOptions& options = {});

/// Checks a layer alone, on L = sum r y with random r, by one forward and two backward passes, as
/// gradients of parameters must add up: a row for the input x and one for each parameter.
std::vector<GradientRow> check_layer(Layer<double>& layer, const Tensor<double>& x,
                                     const GradientCheckOptions& options = {});

bool all_pass(const std::vector<GradientRow>& rows);

/// The rows as a table, and for each row that failed the worst element with both values.
std::string table(const std::vector<GradientRow>& rows);

}  // namespace handgrad
