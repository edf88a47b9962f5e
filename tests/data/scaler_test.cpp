#include "data/scaler.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

namespace {

template <class T>
bool close(const Tensor<T>& x, const std::vector<double>& expected) {
    if (x.size() != static_cast<Index>(expected.size())) return false;
    for (std::size_t i = 0; i < expected.size(); ++i)
        if (!(std::abs(static_cast<double>(x.data()[i]) - expected[i]) <= 1e-6)) return false;
    return true;
}

}  // namespace

TEMPLATE_TEST_CASE("MinMaxScaler brings each feature to its range", "[scaler]", float, double) {
    // The second feature is constant.
    const auto x = Tensor<TestType>::from({3, 3}, {0, 5, -1, 4, 5, 1, 1, 5, 0});
    MinMaxScaler<TestType> scaler(-0.5, 0.5);
    scaler.fit(x);
    REQUIRE(scaler.constant_features() == 1);
    REQUIRE(close(scaler.transform(x), {-0.5, -0.5, -0.5, 0.5, -0.5, 0.5, -0.25, -0.5, 0}));
    // Others are moved by the same rule, also beyond the range.
    const auto other = Tensor<TestType>::from({1, 3}, {8, 6, -2});
    REQUIRE(close(scaler.transform(other), {1.5, 0.5, -1}));
    REQUIRE(close(scaler.inverse_transform(scaler.transform(other)), {8, 6, -2}));
    scaler.fit(x.rows(0, 1));  // one sample: all constant, and fitted anew
    REQUIRE(scaler.constant_features() == 3);
    REQUIRE(close(scaler.transform(x.rows(0, 1)), {-0.5, -0.5, -0.5}));
}

TEMPLATE_TEST_CASE("StandardScaler divides by N - 1", "[scaler]", float, double) {
    // 0.1 is no finite sum of powers of two: a constant feature must not become noise.
    const auto x =
        Tensor<TestType>::from({3, 2}, {1, TestType(0.1), 2, TestType(0.1), 6, TestType(0.1)});
    StandardScaler<TestType> scaler;
    scaler.fit(x);
    const double std = std::sqrt(7.0);  // squares 4 + 1 + 9 over 2
    REQUIRE(scaler.constant_features() == 1);
    REQUIRE(close(scaler.transform(x), {-2 / std, 0, -1 / std, 0, 3 / std, 0}));
    REQUIRE(close(scaler.inverse_transform(scaler.transform(x)), {1, 0.1, 2, 0.1, 6, 0.1}));
    REQUIRE(scaler.transform(x)(0, 1) == 0);
}

TEST_CASE("scalers refuse what they cannot scale", "[scaler]") {
    StandardScaler<float> standard;
    MinMaxScaler<float> min_max;
    const auto one = Tensor<float>::zeros({1, 2});
    REQUIRE_THROWS_WITH(standard.transform(one), ContainsSubstring("not been fitted"));
    REQUIRE_THROWS_WITH(standard.fit(one), ContainsSubstring("N at least 2"));
    REQUIRE_THROWS_AS(min_max.fit(Tensor<float>::zeros({0, 2})), Error);
    REQUIRE_THROWS_AS(min_max.fit(Tensor<float>::zeros({2})), Error);
    REQUIRE_THROWS_AS(min_max.fit({}), Error);
    REQUIRE_THROWS_WITH(min_max.fit(Tensor<float>::from({2, 2}, {0, 1, 2, NAN})),
                        ContainsSubstring("nan in row 1, feature 1"));
    min_max.fit(one);
    REQUIRE_THROWS_WITH(min_max.transform(Tensor<float>::zeros({5, 3})),
                        ContainsSubstring("(5, 3)") && ContainsSubstring("(N, 2)"));
    REQUIRE_THROWS_AS(MinMaxScaler<float>(1, 1), Error);
    REQUIRE_THROWS_AS(MinMaxScaler<float>(NAN, 1), Error);
}
