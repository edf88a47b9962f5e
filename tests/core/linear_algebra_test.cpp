#include "core/linear_algebra.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "core/random.h"

using namespace handgrad;

namespace {

/// x' x of 20 random rows: positive definite.
Tensor<double> random_square(Index d) {
    Random random(3);
    const auto x = Tensor<double>::empty({20, d}), a = Tensor<double>::empty({d, d});
    random.normal(x, 0, 1);
    matmul(a, x, x, {.trans_a = Trans::yes});
    return a;
}

}  // namespace

TEST_CASE("solve_positive_definite gives what a times it gives back") {
    for (const Index d : {1, 2, 7, 13})
        for (const Index m : {0, 1, 3}) {
            const Tensor<double> a = random_square(d), b = Tensor<double>::empty({d, m});
            Random(4).normal(b, 0, 1);
            const Tensor<double> w = solve_positive_definite(a, b), back = b.clone();
            matmul(back, a, w);
            for (Index i = 0; i < b.size(); ++i)
                REQUIRE(std::abs(back.data()[i] - b.data()[i]) <= 1e-10);
        }
    const auto a = Tensor<double>::from({2, 2}, {4, 2, 2, 3});  // 4 2 | 2 = 8, 2 1 | 3 = 7
    const Tensor<double> w = solve_positive_definite(a, Tensor<double>::from({2, 1}, {8, 7}));
    REQUIRE(std::abs(w(0, 0) - 1.25) <= 1e-15);
    REQUIRE(std::abs(w(1, 0) - 1.5) <= 1e-15);
}

TEST_CASE("extreme_eigenvalues finds both ends") {
    const Eigenvalues ends = extreme_eigenvalues(Tensor<double>::from({2, 2}, {2, 1, 1, 2}));
    REQUIRE(std::abs(ends.least - 1) <= 1e-12);
    REQUIRE(std::abs(ends.greatest - 3) <= 1e-12);
    const auto diagonal = Tensor<double>::from({3, 3}, {5, 0, 0, 0, 0.25, 0, 0, 0, 100});
    REQUIRE(std::abs(extreme_eigenvalues(diagonal).least - 0.25) <= 1e-12);
    REQUIRE(std::abs(extreme_eigenvalues(diagonal).greatest - 100) <= 1e-10);
}

TEST_CASE("linear algebra refuses what it cannot solve") {
    const auto b = Tensor<double>::from({2, 1}, {1, 1});
    REQUIRE_THROWS_WITH(solve_positive_definite(Tensor<double>::zeros({2, 3}), b),
                        ContainsSubstring("(2, 3)"));
    REQUIRE_THROWS_WITH(solve_positive_definite(random_square(3), b),
                        ContainsSubstring("b of shape (2, 1)"));
    REQUIRE_THROWS_WITH(
        solve_positive_definite(Tensor<double>::from({2, 2}, {1, 1, 1, 1}), b),  // a sum of others
        ContainsSubstring("not positive definite"));
    const double nan = std::nan("");
    REQUIRE_THROWS_WITH(extreme_eigenvalues(Tensor<double>::from({1, 1}, {nan})),
                        ContainsSubstring("not positive definite"));
}
