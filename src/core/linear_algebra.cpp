#include "core/linear_algebra.h"

#include <cmath>
#include <string>

#include "core/error.h"

namespace handgrad {
namespace {

/// The lower triangle l of a = l l'; what lies above the diagonal is left as it was.
Tensor<double> cholesky(const std::string& operation, const Tensor<double>& a) {
    if (!a.defined() || a.rank() != 2 || a.dim(0) != a.dim(1) || a.dim(0) < 1)
        throw Error(operation + ": the matrix is not square",
                    "a of shape " + (a.defined() ? a.shape().str() : "undefined"),
                    "(d, d), d >= 1");
    const Index d = a.dim(0);
    Tensor<double> l = a.clone();
    for (Index j = 0; j < d; ++j) {
        for (Index k = 0; k < j; ++k)
            for (Index i = j; i < d; ++i) l(i, j) -= l(i, k) * l(j, k);
        if (!(l(j, j) > 0))
            throw Error(
                operation + ": the matrix is not positive definite",
                "a square of " + std::to_string(l(j, j)) + " in row " + std::to_string(j),
                "squares above 0",
                "in x' x no column may be a sum of others; add rows, or a little to the diagonal");
        const double root = std::sqrt(l(j, j));
        for (Index i = j; i < d; ++i) l(i, j) /= root;
    }
    return l;
}

/// w with l l' w = b.
Tensor<double> substitute(const Tensor<double>& l, const Tensor<double>& b) {
    const Index d = l.dim(0);
    Tensor<double> w = b.clone();
    for (Index column = 0; column < b.dim(1); ++column) {
        for (Index i = 0; i < d; ++i) {  // l v = b
            for (Index k = 0; k < i; ++k) w(i, column) -= l(i, k) * w(k, column);
            w(i, column) /= l(i, i);
        }
        for (Index i = d - 1; i >= 0; --i) {  // l' w = v
            for (Index k = i + 1; k < d; ++k) w(i, column) -= l(k, i) * w(k, column);
            w(i, column) /= l(i, i);
        }
    }
    return w;
}

/// How much longer v becomes in the last of many steps of v <- multiply(v), each scaled back to 1.
template <class Multiply>
double growth(Tensor<double> v, int steps, Multiply multiply) {
    double norm = 0;
    for (int step = 0; step < steps; ++step) {
        v = multiply(v);
        norm = 0;
        for (const double element : v.span()) norm += element * element;
        norm = std::sqrt(norm);
        for (double& element : v.span()) element /= norm;
    }
    return norm;
}

}  // namespace

Tensor<double> solve_positive_definite(const Tensor<double>& a, const Tensor<double>& b) {
    const Tensor<double> l = cholesky("solve_positive_definite", a);
    if (!b.defined() || b.rank() != 2 || b.dim(0) != a.dim(0))
        throw Error("solve_positive_definite: the right side does not fit",
                    "a of shape " + a.shape().str() + ", b of shape " +
                        (b.defined() ? b.shape().str() : "undefined"),
                    "a (d, d), b (d, m)");
    return substitute(l, b);
}

Eigenvalues extreme_eigenvalues(const Tensor<double>& a, int steps) {
    const Tensor<double> l = cholesky("extreme_eigenvalues", a);
    // No eigenvector is likely to be at a right angle to this.
    const Tensor<double> start = Tensor<double>::empty({a.dim(0), 1});
    for (Index i = 0; i < a.dim(0); ++i) start(i, 0) = 1 + 1 / static_cast<double>(i + 1);
    const double greatest = growth(start, steps, [&](const Tensor<double>& v) {
        Tensor<double> product = Tensor<double>::empty(v.shape());
        matmul(product, a, v);
        return product;
    });
    const double of_inverse =
        growth(start, steps, [&](const Tensor<double>& v) { return substitute(l, v); });
    return {1 / of_inverse, greatest};
}

}  // namespace handgrad
