// Every layer and loss, with shapes to check it at.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "check/gradient_check.h"

namespace handgrad {

/// One layer or loss at one shape.
struct GradientCase {
    std::string name;  // "Linear(7, 5) on (3, 7)"
    std::function<std::vector<GradientRow>()> check;
};

/// All of them, on inputs and weights drawn from `seed` and kept off the kinks of ReLU. It drives
/// the tests and `make gradcheck`; a new layer is checked once it stands here.
std::vector<GradientCase> gradient_cases(std::uint64_t seed);

}  // namespace handgrad
