// Small symmetric systems: for closed forms that gradient descent is held against.
#pragma once

#include "core/tensor.h"

namespace handgrad {

/// The solution w (d, m) of a w = b, for a symmetric positive definite a (d, d) and b (d, m), by
/// Cholesky's a = l l'. On the CPU. Throws Error where the shapes do not fit, or a is not positive
/// definite.
Tensor<double> solve_positive_definite(const Tensor<double>& a, const Tensor<double>& b);

struct Eigenvalues {
    double least, greatest;
};
/// The ends of the spectrum of a symmetric positive definite a (d, d), by `steps` of power
/// iteration on a and on its inverse: each forgets the next eigenvalue at the rate of their
/// quotient. On the CPU. Throws Error as above.
Eigenvalues extreme_eigenvalues(const Tensor<double>& a, int steps = 2000);

}  // namespace handgrad
