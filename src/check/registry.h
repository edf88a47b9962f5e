// Every layer and loss, with shapes to check it at.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "check/gradient_check.h"

namespace handgrad {

/// One layer or loss at one shape: check_layer(*layer, x, tape) checks its gradients.
struct GradientCase {
    std::string name;  // "Linear(7, 5) on (3, 7)"
    /// A loss stands here as a layer: x is its input, y what it returns, and the target is bound.
    std::shared_ptr<Layer<double>> layer;
    Tensor<double> x;
    TapeForward tape;  // the same from autograd/functional.h
};

/// All of them at awkward shapes, then each at as many random ones, on inputs, targets and weights
/// drawn from `seed`. Inputs keep a distance of 0.01 from every kink of the first layer, and no
/// gradient is zero throughout. It drives the tests and `make gradcheck`; a new layer is checked
/// once it stands here.
std::vector<GradientCase> gradient_cases(std::uint64_t seed, int random_shapes = 0);

}  // namespace handgrad
