#include "train/metrics.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

namespace {

constexpr double quiet_nan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

Labels labels(std::initializer_list<std::int32_t> values) {
    return Labels::from({static_cast<Index>(values.size())}, values);
}

bool near(double a, double b) {
    return std::abs(a - b) <= 1e-12;
}

}  // namespace

TEMPLATE_TEST_CASE("count_correct takes the first greatest value, and never a NaN", "", float,
                   double) {
    const auto one = [](std::initializer_list<TestType> row, std::int32_t label) {
        const Index classes = static_cast<Index>(row.size());
        return count_correct(Tensor<TestType>::from({1, classes}, row), labels({label}));
    };
    const auto n = static_cast<TestType>(quiet_nan), i = static_cast<TestType>(inf);
    REQUIRE(one({1, 3, 2}, 1) == 1);
    REQUIRE(one({1, 3, 2}, 0) == 0);
    REQUIRE(one({1, 3, 2}, 2) == 0);
    REQUIRE(one({3, 3, 1}, 0) == 1);  // the first of equal ones
    REQUIRE(one({3, 3, 1}, 1) == 0);
    REQUIRE(one({5}, 0) == 1);
    REQUIRE(one({n}, 0) == 0);
    REQUIRE(one({-i, -i}, 0) == 1);
    REQUIRE(one({0, i, 0}, 1) == 1);
    for (const std::int32_t label : {0, 1, 2}) {
        REQUIRE(one({n, 1, 2}, label) == 0);
        REQUIRE(one({1, 2, n}, label) == 0);
        REQUIRE(one({n, n, n}, label) == 0);
    }
    const auto logits = Tensor<TestType>::from({3, 2}, {1, 0, 0, 1, 0, 1});
    REQUIRE(count_correct(logits, labels({0, 1, 0})) == 2);
    REQUIRE(count_correct(Tensor<TestType>::empty({0, 4}), labels({})) == 0);
}

TEMPLATE_TEST_CASE("accuracy is the share of rows that are right", "", float, double) {
    const auto logits = Tensor<TestType>::from({4, 2}, {1, 0, 0, 1, 0, 1, 3, 2});
    REQUIRE(accuracy(logits, labels({0, 1, 0, 0})) == 0.75);
    REQUIRE_THROWS_WITH(accuracy(Tensor<TestType>::empty({0, 2}), labels({})),
                        ContainsSubstring("accuracy: nothing to judge by"));
    REQUIRE_THROWS_AS(accuracy(logits, labels({0, 1, 0})), Error);
}

TEMPLATE_TEST_CASE("r_squared compares with the mean", "", float, double) {
    const auto t = Tensor<TestType>::from({4, 1}, {1, 2, 3, 6});
    REQUIRE(r_squared(t, t) == 1);
    REQUIRE(near(r_squared(Tensor<TestType>::full({4, 1}, 3), t), 0));
    // errors 1, 0, 0, 2: 5 of a variance of 4 + 1 + 0 + 9
    const auto y = Tensor<TestType>::from({4, 1}, {2, 2, 3, 4});
    REQUIRE(near(r_squared(y, t), 1 - 5.0 / 14));
    REQUIRE(std::isnan(r_squared(Tensor<TestType>::full({4, 1}, TestType(quiet_nan)), t)));
    REQUIRE_THROWS_WITH(r_squared(y.reshape({4}), t), ContainsSubstring("(4) predicted"));
}

TEMPLATE_TEST_CASE("root_mean_square and share_beyond look at all numbers, wherever they are", "",
                   float, double) {
    for (const Device device : {Device::cpu, Device::emulated}) {
        const auto x = Tensor<TestType>::from({2, 2}, {1, -1, 0.5, -5}, device);
        REQUIRE(near(root_mean_square(x), std::sqrt(27.25 / 4)));
        REQUIRE(share_beyond(x) == 0.75);
        REQUIRE(share_beyond(x, 1) == 0.25);  // beyond, not at
    }
    REQUIRE(std::isnan(root_mean_square(Tensor<TestType>::empty({0}))));
    REQUIRE(std::isnan(share_beyond(Tensor<TestType>::empty({0}))));
}

TEST_CASE("confusion_matrix counts true classes in rows, predicted ones in columns") {
    const auto n = static_cast<float>(quiet_nan);
    const auto logits = Tensor<float>::from({5, 3}, {1, 0, 0, 0, 2, 0, 0, 0, 9, 4, 4, 0, n, 5, 0});
    const Tensor<Index> counts = confusion_matrix(logits, labels({0, 0, 1, 2, 2}));
    REQUIRE(counts.values() == std::vector<Index>{1, 1, 0, 0, 0, 1, 1, 0, 0});
    REQUIRE(confusion_matrix(Tensor<float>::empty({0, 2}), labels({})).values() ==
            std::vector<Index>(4, 0));
    REQUIRE_THROWS_WITH(confusion_matrix(logits, labels({0, 0, 1, 2, 3})),
                        ContainsSubstring("confusion_matrix") && ContainsSubstring("label 3"));
    REQUIRE_THROWS_AS(confusion_matrix(logits, labels({0})), Error);
    REQUIRE_THROWS_AS(confusion_matrix(Tensor<float>(), labels({0})), Error);
}

TEST_CASE("count_correct refuses what does not fit") {
    const auto logits = Tensor<float>::zeros({2, 3});
    REQUIRE_THROWS_WITH(count_correct(logits, labels({0})),
                        ContainsSubstring("(2, 3)") && ContainsSubstring("(1)"));
    REQUIRE_THROWS_WITH(count_correct(logits, labels({0, 3})),
                        ContainsSubstring("label 3 in row 1"));
    REQUIRE_THROWS_AS(count_correct(logits, labels({-1, 0})), Error);
    REQUIRE_THROWS_AS(count_correct(logits.reshape({6}), labels({0, 1})), Error);
    REQUIRE_THROWS_AS(count_correct(Tensor<float>::zeros({1, 0}), labels({0})), Error);
    REQUIRE_THROWS_AS(count_correct(Tensor<float>(), labels({0})), Error);
}

TEST_CASE("the worse of two errors is NaN where either is") {
    REQUIRE(worse(1, 2) == 2);
    REQUIRE(worse(2, 1) == 2);
    REQUIRE(worse(-0.5, -0.5) == -0.5);
    REQUIRE(std::isnan(worse(quiet_nan, 1)));
    REQUIRE(std::isnan(worse(1, quiet_nan)));
    REQUIRE(std::isnan(worse(quiet_nan, inf)));
}

TEST_CASE("wilson_interval holds in the middle and at the ends") {
    // The ends are the p that lie just z standard deviations of their own from what was seen.
    for (const auto& [correct, n] : {std::pair<Index, Index>{9712, 10000}, {1, 3}, {1, 1000000}}) {
        const auto tries = static_cast<double>(n);
        const double share = static_cast<double>(correct) / tries;
        const Interval interval = wilson_interval(correct, n);
        REQUIRE(interval.low < share);
        REQUIRE(share < interval.high);
        for (const double p : {interval.low, interval.high})
            REQUIRE(std::abs(std::abs(share - p) / std::sqrt(p * (1 - p) / tries) - 1.959964) <=
                    1e-6);
    }
    const double z2 = 1.959964 * 1.959964;
    REQUIRE(wilson_interval(0, 10).low == 0);
    REQUIRE(near(wilson_interval(0, 10).high, z2 / (10 + z2)));
    REQUIRE(near(wilson_interval(10, 10).low, 10 / (10 + z2)));
    REQUIRE(wilson_interval(10, 10).high == 1);
    REQUIRE(wilson_interval(0, 0).low == 0);
    REQUIRE(wilson_interval(0, 0).high == 1);
    REQUIRE(near(wilson_interval(3, 10, 0).low, 0.3));
    REQUIRE_THROWS_AS(wilson_interval(11, 10), Error);
    REQUIRE_THROWS_AS(wilson_interval(-1, 10), Error);
    REQUIRE_THROWS_AS(wilson_interval(0, -1), Error);
}

TEST_CASE("require_finite_loss stops a run that has left the numbers") {
    REQUIRE_NOTHROW(require_finite_loss(0, 1, 1));
    REQUIRE_NOTHROW(require_finite_loss(1e308, 1, 1));
    for (const double loss : {quiet_nan, inf, -inf})
        REQUIRE_THROWS_WITH(
            require_finite_loss(loss, 3, 17),
            ContainsSubstring("epoch 3, step 17") && ContainsSubstring("learning rate"));
}

TEMPLATE_TEST_CASE("count_correct_binary predicts class 1 from a logit of 0 up", "", float,
                   double) {
    const auto n = static_cast<TestType>(quiet_nan);
    const auto logits = Tensor<TestType>::from({6, 1}, {-1, 0, 2, 3, n, n});
    CHECK(count_correct_binary(logits, labels({0, 1, 1, 1, 0, 1})) == 4);  // NaN is never right
    CHECK(count_correct_binary(logits, labels({1, 0, 0, 1, 0, 1})) == 1);
    CHECK(count_correct_binary(Tensor<TestType>::empty({0, 1}), labels({})) == 0);
    CHECK(binary_accuracy(logits, labels({0, 1, 1, 1, 0, 1})) == 4.0 / 6);
    CHECK_THROWS_AS(binary_accuracy(Tensor<TestType>::empty({0, 1}), labels({})), Error);
    CHECK_THROWS_AS(count_correct_binary(logits, labels({0, 1})), Error);
    CHECK_THROWS_AS(count_correct_binary(logits.reshape({3, 2}), labels({0, 1, 1})), Error);
    CHECK_THROWS_AS(count_correct_binary(Tensor<TestType>(), labels({})), Error);
}

TEST_CASE("confused_pairs lists the most confused first") {
    const auto counts = Tensor<Index>::from({3, 3}, {9, 1, 0, 2, 8, 0, 5, 0, 7});
    const std::vector<ConfusedPair> pairs = confused_pairs(counts);
    REQUIRE(pairs.size() == 3);
    CHECK((pairs[0].a == 0 && pairs[0].b == 2));
    CHECK((pairs[0].a_as_b == 0 && pairs[0].b_as_a == 5 && pairs[0].count() == 5));
    CHECK((pairs[1].a == 0 && pairs[1].b == 1 && pairs[1].count() == 3));
    CHECK(pairs[2].count() == 0);
    CHECK(confused_pairs(Tensor<Index>::zeros({1, 1})).empty());
    CHECK_THROWS_AS(confused_pairs(Tensor<Index>::zeros({2, 3})), Error);
}
