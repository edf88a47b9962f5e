#include "losses/cross_entropy.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

TEST_CASE("cross entropy worked by hand", "[losses]") {
    // Logits log 1, log 2, log 5: probabilities 1/8, 2/8, 5/8.
    const auto logits = Tensor<double>::from({2, 3}, {0, std::log(2), std::log(5), 0, 0, 0});
    const auto labels = Labels::from({2}, {2, 0});
    CrossEntropyLoss<double> mean, sum(Reduction::sum);
    const double expected = -std::log(5.0 / 8) + std::log(3);
    REQUIRE(std::abs(sum.forward(logits, labels).item() - expected) < 1e-15);
    REQUIRE(std::abs(mean.forward(logits, labels).item() - expected / 2) < 1e-15);
    const std::vector<double> by_hand = {1.0 / 8,     2.0 / 8, 5.0 / 8 - 1,
                                         1.0 / 3 - 1, 1.0 / 3, 1.0 / 3};
    const auto d_sum = sum.backward(), d_mean = mean.backward();
    for (Index i = 0; i < 6; ++i) {
        REQUIRE(std::abs(d_sum.data()[i] - by_hand[static_cast<std::size_t>(i)]) < 1e-15);
        REQUIRE(std::abs(d_mean.data()[i] - by_hand[static_cast<std::size_t>(i)] / 2) < 1e-15);
    }
}

TEST_CASE("a NaN among the logits shows in the loss", "[losses]") {
    const auto logits = Tensor<float>::zeros({4, 10});
    logits(2, 7) = std::numeric_limits<float>::quiet_NaN();
    CrossEntropyLoss<float> loss;
    REQUIRE(std::isnan(loss.forward(logits, Labels::zeros({4})).item()));
}

TEST_CASE("cross entropy refuses labels out of range and shapes that do not fit", "[losses]") {
    CrossEntropyLoss<float> loss;
    const auto logits = Tensor<float>::zeros({2, 10});
    REQUIRE_THROWS_WITH(loss.backward(), ContainsSubstring("before any forward"));
    REQUIRE_THROWS_WITH(loss.forward(logits, Labels::from({2}, {3, 10})),
                        ContainsSubstring("label 10") && ContainsSubstring("0 to 9"));
    REQUIRE_THROWS_AS(loss.forward(logits, Labels::from({2}, {-1, 0})), Error);
    REQUIRE_THROWS_WITH(loss.forward(logits, Labels::zeros({3})),
                        ContainsSubstring("(2, 10)") && ContainsSubstring("(3)"));
    REQUIRE_THROWS_AS(loss.forward(Tensor<float>::zeros({0, 10}), Labels::zeros({0})), Error);
    REQUIRE_THROWS_AS(loss.forward({}, {}), Error);
}
