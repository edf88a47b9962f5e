#include "data/regression.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "data/dataset.h"
#include "golden.h"

using namespace handgrad;

TEST_CASE("the embedded diabetes set is scikit-learn's", "[regression][golden]") {
    const auto expected = golden("notebook_sets")["diabetes"];
    const RegressionSet set = load_diabetes();
    REQUIRE(set.size() == 442);
    REQUIRE(set.x.shape() == Shape{442, 10});
    REQUIRE(set.y.shape() == Shape{442, 1});
    REQUIRE(set.features == expected["names"].get<std::vector<std::string>>());
    REQUIRE(set.target == "progression");
    for (Index k = 0; k <= 10; ++k) {
        const auto value = [&](Index i) {
            return static_cast<double>(k < 10 ? set.x(i, k) : set.y(i, 0));
        };
        const auto column = static_cast<std::size_t>(k);
        double mean = 0, squares = 0;
        for (Index i = 0; i < 442; ++i) mean += value(i) / 442;
        for (Index i = 0; i < 442; ++i) squares += std::pow(value(i) - mean, 2);
        REQUIRE(mean == Approx(expected["mean"][column].get<double>()));
        REQUIRE(std::sqrt(squares / 441) == Approx(expected["std"][column].get<double>()));
        REQUIRE(value(441) == Approx(expected["last_row"][column].get<double>()));
    }
}

TEST_CASE("regression sets are split by rows", "[regression]") {
    const RegressionSet set = load_diabetes();
    const auto parts = train_test_split(set);
    REQUIRE(parts.train.size() == 353);
    REQUIRE(parts.val.size() == 89);
    const RowSplit rows = split_rows(442);
    REQUIRE(parts.val.y(7, 0) == set.y(rows.val[7], 0));
    REQUIRE(parts.train.x(9, 3) == set.x(rows.train[9], 3));
    REQUIRE(parts.train.features == set.features);
    REQUIRE_THROWS_WITH(set.subset(std::vector<Index>{442}), ContainsSubstring("row 442"));
    REQUIRE_THROWS_AS(set.subset({}), Error);
}

TEST_CASE("sample_function gives the function where there is no noise", "[regression]") {
    Random random(1);
    const auto f = [](double x) { return std::sin(x); };
    const RegressionSet exact = sample_function(f, {.n = 37, .low = 2, .high = 5}, random);
    REQUIRE(exact.x.shape() == Shape{37, 1});
    for (Index i = 0; i < 37; ++i) {
        REQUIRE((exact.x(i, 0) >= 2 && exact.x(i, 0) < 5));
        REQUIRE(exact.y(i, 0) == static_cast<float>(std::sin(static_cast<double>(exact.x(i, 0)))));
    }
    const RegressionSet noisy = sample_function(f, {.n = 4000, .noise = 0.5}, random);
    double squares = 0;
    for (Index i = 0; i < 4000; ++i) {
        const auto x = static_cast<double>(noisy.x(i, 0));
        squares += std::pow(static_cast<double>(noisy.y(i, 0)) - std::sin(x), 2);
    }
    REQUIRE(std::sqrt(squares / 4000) == Approx(0.5).epsilon(0.05));  // 4 standard errors
    REQUIRE_THROWS_AS(sample_function(f, {.n = 0}, random), Error);
    REQUIRE_THROWS_AS(sample_function(f, {.low = 1}, random), Error);
    REQUIRE_THROWS_AS(sample_function(f, {.noise = -1}, random), Error);
}
