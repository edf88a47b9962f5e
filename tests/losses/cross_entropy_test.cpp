#include "losses/cross_entropy.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

namespace {

bool close(const Tensor<double>& got, const std::vector<double>& expected) {
    for (Index i = 0; i < got.size(); ++i)
        if (!(std::abs(got.data()[i] - expected[static_cast<std::size_t>(i)]) < 1e-15))
            return false;
    return got.size() == static_cast<Index>(expected.size());
}

}  // namespace

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

TEST_CASE("cross entropy of one-hot and soft targets, by hand", "[losses]") {
    const auto logits = Tensor<double>::from({2, 3}, {0, std::log(2), std::log(5), 0, 0, 0});
    const std::vector<double> q = {1.0 / 8, 2.0 / 8, 5.0 / 8, 1.0 / 3, 1.0 / 3, 1.0 / 3};
    CrossEntropyLoss<double> loss, none(Reduction::none);
    // One-hot targets are the labels.
    const auto one_hot = Tensor<double>::from({2, 3}, {0, 0, 1, 1, 0, 0});
    const auto labels = Labels::from({2}, {2, 0});
    const double by_label = loss.forward(logits, labels).item();
    const auto d_label = loss.backward();
    REQUIRE(std::abs(loss.forward(logits, one_hot).item() - by_label) < 1e-15);
    REQUIRE(close(loss.backward(), d_label.values()));
    // Soft ones weigh the logarithms: row 0 is -(log 1/8 + log 5/8) / 2.
    const auto soft = Tensor<double>::from({2, 3}, {0.5, 0, 0.5, 0.25, 0.25, 0.5});
    REQUIRE(close(none.forward(logits, soft),
                  {-(std::log(1.0 / 8) + std::log(5.0 / 8)) / 2, std::log(3)}));
    REQUIRE(close(none.backward(Tensor<double>::from({2}, {1, 6})),
                  {q[0] - 0.5, q[1], q[2] - 0.5, 0.5, 0.5, -1}));
    REQUIRE_THROWS_WITH(loss.forward(logits, Tensor<double>::zeros({2, 4})),
                        ContainsSubstring("(2, 3)") && ContainsSubstring("(2, 4)"));
    REQUIRE_THROWS_AS(loss.forward(logits.reshape({6}), soft.reshape({6})), Error);
}

TEST_CASE("label smoothing by hand", "[losses]") {
    // e = 0.3 and three classes: 0.7 on the label and 0.1 on each.
    const auto logits = Tensor<double>::from({1, 3}, {0, std::log(2), std::log(5)});
    CrossEntropyLoss<double> loss(Reduction::mean, 0.3);
    const double expected =
        -0.1 * std::log(1.0 / 8) - 0.1 * std::log(2.0 / 8) - 0.8 * std::log(5.0 / 8);
    const std::vector<double> gradient = {1.0 / 8 - 0.1, 2.0 / 8 - 0.1, 5.0 / 8 - 0.8};
    REQUIRE(std::abs(loss.forward(logits, Labels::from({1}, {2})).item() - expected) < 1e-15);
    REQUIRE(close(loss.backward(), gradient));
    loss.forward(logits, Tensor<double>::from({1, 3}, {0, 0, 1}));
    REQUIRE(close(loss.backward(), gradient));
    REQUIRE_THROWS_AS(CrossEntropyLoss<double>(Reduction::mean, 1.5), Error);
    REQUIRE_THROWS_AS(CrossEntropyLoss<double>(Reduction::mean, std::nan("")), Error);
}

TEST_CASE("class weights by hand: the mean over labels is the weighted one", "[losses]") {
    const auto logits = Tensor<double>::from({2, 2}, {0, std::log(3), 0, 0});
    const auto labels = Labels::from({2}, {0, 1});
    const auto weight = Tensor<double>::from({2}, {1, 4});
    CrossEntropyLoss<double> none(Reduction::none, 0, weight), mean(Reduction::mean, 0, weight);
    const double first = std::log(4), second = 4 * std::log(2);
    REQUIRE(close(none.forward(logits, labels), {first, second}));
    REQUIRE(std::abs(mean.forward(logits, labels).item() - (first + second) / 5) < 1e-15);
    REQUIRE(close(mean.backward(), {-0.75 / 5, 0.75 / 5, 2.0 / 5, -2.0 / 5}));
    // The mean over targets divides by N.
    const auto one_hot = Tensor<double>::from({2, 2}, {1, 0, 0, 1});
    REQUIRE(std::abs(mean.forward(logits, one_hot).item() - (first + second) / 2) < 1e-15);
    // A class that is masked out by -inf and that no sample has costs nothing.
    const auto masked = Tensor<double>::from({1, 2}, {0, -std::numeric_limits<double>::infinity()});
    REQUIRE(mean.forward(masked, Labels::from({1}, {0})).item() == 0);
    REQUIRE(mean.backward().values() == std::vector<double>{0, 0});
    REQUIRE_THROWS_WITH(mean.forward(Tensor<double>::zeros({2, 3}), labels),
                        ContainsSubstring("CrossEntropyLoss(mean, weight (2))") &&
                            ContainsSubstring("(2, 3)") && ContainsSubstring("(3)"));
}

TEST_CASE("cross entropy of pixels: each is a sample, its classes along the second axis",
          "[losses]") {
    // Two pixels with the scores (0, log 3) and (0, 0).
    const auto logits = Tensor<double>::from({1, 2, 2}, {0, 0, std::log(3), 0});
    const auto labels = Labels::from({1, 2}, {0, 1});
    const auto targets = Tensor<double>::from({1, 2, 2}, {1, 0, 0, 1});
    CrossEntropyLoss<double> none(Reduction::none), mean;
    const Tensor<double> losses = none.forward(logits, labels);
    REQUIRE(losses.shape() == Shape{1, 2});
    REQUIRE(close(losses, {std::log(4), std::log(2)}));
    REQUIRE(close(none.forward(logits, targets), {std::log(4), std::log(2)}));
    REQUIRE(std::abs(mean.forward(logits, labels).item() - std::log(8) / 2) < 1e-15);
    REQUIRE(mean.backward().shape() == logits.shape());
    REQUIRE(close(mean.backward(), {-0.75 / 2, 0.5 / 2, 0.75 / 2, -0.5 / 2}));
    REQUIRE_THROWS_WITH(mean.forward(logits, Labels::zeros({2, 2})),
                        ContainsSubstring("(1, 2, 2)") && ContainsSubstring("(2, 2)"));
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
    REQUIRE_THROWS_AS(loss.forward({}, Labels()), Error);
}
