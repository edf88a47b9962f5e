#include "data/digits.h"

#include <algorithm>
#include <numeric>

#include "catch.h"

using namespace handgrad;

TEST_CASE("load_digits gives the digits that scikit-learn ships") {
    const Dataset digits = load_digits();
    REQUIRE(digits.x.shape() == Shape{1797, 64});
    REQUIRE(digits.y.shape() == Shape{1797});
    REQUIRE(digits.sample == Shape{8, 8});
    REQUIRE(digits.classes.size() == 10);
    REQUIRE(digits.source == "embedded");

    // sklearn.datasets.load_digits(): sums of data and target, and the number of each digit.
    const auto pixels = digits.x.span();
    REQUIRE(std::accumulate(pixels.begin(), pixels.end(), 0.0) * 16 == 561718);
    const auto labels = digits.y.span();
    REQUIRE(std::accumulate(labels.begin(), labels.end(), 0) == 8070);
    const int counts[] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
    for (int digit = 0; digit < 10; ++digit)
        REQUIRE(std::count(labels.begin(), labels.end(), digit) == counts[digit]);

    // The first line: 0,0,5,13,9,1,0,0, ... and the last ends in 14,12,1,0, label 8.
    const std::vector<float> first{0, 0, 5, 13, 9, 1, 0, 0};
    for (Index i = 0; i < 8; ++i)
        REQUIRE(digits.x(0, i) * 16 == first[static_cast<std::size_t>(i)]);
    REQUIRE(digits.y(0) == 0);
    REQUIRE(digits.x(1796, 61) * 16 == 12);
    REQUIRE(digits.y(1796) == 8);
    REQUIRE(*std::max_element(pixels.begin(), pixels.end()) == 1);
    REQUIRE(*std::min_element(pixels.begin(), pixels.end()) == 0);
}
