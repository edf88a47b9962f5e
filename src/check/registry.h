// Every layer and loss, with shapes to check it at.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "check/gradient_check.h"

namespace handgrad {

/// One layer or loss at one shape.
template <class T>
struct LayerCase {
    std::string name;  // "Linear(7, 5) on (3, 7)"
    /// A loss stands here as a layer: x is its input, y what it returns, and the target is bound.
    std::shared_ptr<Layer<T>> layer;
    Tensor<T> x;
    TapeForwardOf<T> tape;  // the same from autograd/functional.h
};
/// check_layer(*layer, x, tape) checks its gradients.
using GradientCase = LayerCase<double>;

struct CaseOptions {
    std::uint64_t seed = 0;  // of inputs, targets, weights and random shapes
    int random_shapes = 0;   // for each, beside the listed ones
    bool large = false;      // one shape each instead, of 65,536 elements or more: for benchmarks
};

/// All of them at awkward shapes, then each at random ones. Inputs keep a distance of 0.01 from
/// every kink of the first layer and 0.0001 from those further in, and no gradient is zero
/// throughout. It drives the tests, `make gradcheck` and bench/layers.cpp; a new layer is checked
/// and measured once it stands here.
template <class T>
std::vector<LayerCase<T>> layer_cases(const CaseOptions& options);

inline std::vector<GradientCase> gradient_cases(std::uint64_t seed, int random_shapes = 0) {
    return layer_cases<double>({.seed = seed, .random_shapes = random_shapes});
}

}  // namespace handgrad
