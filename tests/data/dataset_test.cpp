#include "data/dataset.h"

#include <cmath>
#include <limits>
#include <set>

#include "catch.h"
#include "core/error.h"
#include "core/random.h"

using namespace handgrad;

namespace {

/// n samples (i, -i) of the classes i % 3.
Dataset counting(Index n) {
    Dataset set{"counting",         Tensor<float>::empty({n, 2}),
                Labels::empty({n}), {2, 1},
                {"a", "b", "c"},    "a test"};
    for (Index i = 0; i < n; ++i) {
        set.x(i, 0) = static_cast<float>(i);
        set.x(i, 1) = -static_cast<float>(i);
        set.y(i) = static_cast<std::int32_t>(i % 3);
    }
    return set;
}

/// The samples are those with the numbers `rows` of counting().
void check_rows(const Dataset& set, const std::vector<Index>& rows) {
    set.validate();
    REQUIRE(set.size() == static_cast<Index>(rows.size()));
    for (Index i = 0; i < set.size(); ++i) {
        const Index row = rows[static_cast<std::size_t>(i)];
        REQUIRE(set.x(i, 0) == static_cast<float>(row));
        REQUIRE(set.x(i, 1) == -static_cast<float>(row));
        REQUIRE(set.y(i) == row % 3);
    }
}

}  // namespace

TEST_CASE("Dataset.validate accepts a data set that fits together") {
    counting(1).validate();
    counting(7).validate();
}

TEST_CASE("Dataset.validate names what does not fit") {
    const auto refused = [](const Dataset& set, const std::string& found) {
        REQUIRE_THROWS_AS(set.validate(), Error);
        REQUIRE_THROWS_WITH(set.validate(), ContainsSubstring("'counting' from a test") &&
                                                ContainsSubstring(found));
    };
    Dataset set = counting(5);
    set.y = set.y.rows(0, 4);
    refused(set, "5 samples and 4 labels");

    refused(counting(0), "(0, 2)");

    set = counting(5);
    set.x = {};
    refused(set, "x of shape ?");
    set = counting(5);
    set.y = {};
    refused(set, "y of shape ?");
    set = counting(4);
    set.x = set.x.reshape({4, 2, 1});
    refused(set, "(4, 2, 1)");

    set = counting(5);
    set.sample = {3, 1};
    refused(set, "2 features and samples of shape (3, 1)");

    set = counting(5);
    set.y(3) = 3;
    refused(set, "the label 3 in row 3");
    set = counting(5);
    set.y(4) = -1;
    refused(set, "the label -1 in row 4");
    set.classes.clear();
    refused(set, "the label 0 in row 0");
}

TEST_CASE("Dataset.subset takes rows in any order, also twice") {
    const Dataset set = counting(7);
    const std::vector<Index> rows{6, 0, 3, 3, 1};
    const Dataset part = set.subset(rows);
    check_rows(part, rows);
    REQUIRE(part.name == set.name);
    REQUIRE(part.sample == set.sample);
    REQUIRE(part.classes == set.classes);
    part.x(0, 0) = 100;  // a copy
    REQUIRE(set.x(6, 0) == 6);
}

TEST_CASE("Dataset.subset refuses rows that are not there") {
    const Dataset set = counting(7);
    for (const Index row : {Index{-1}, Index{7}, std::numeric_limits<Index>::min()})
        REQUIRE_THROWS_WITH(
            set.subset(std::vector<Index>{0, row}),
            ContainsSubstring("row " + std::to_string(row)) && ContainsSubstring("from 0 to 6"));
    REQUIRE_THROWS_AS(set.subset({}), Error);
}

TEST_CASE("Dataset.rows shares memory") {
    const Dataset set = counting(7);
    check_rows(set.rows(2, 5), {2, 3, 4});
    check_rows(set.rows(6, 7), {6});
    REQUIRE(set.rows(2, 5).x.data() == set.x.data() + 4);
    for (const auto& [begin, end] :
         {std::pair<Index, Index>{-1, 2}, {3, 3}, {4, 3}, {0, 8}, {7, 8}})
        REQUIRE_THROWS_WITH(set.rows(begin, end), ContainsSubstring("of 7"));
}

TEST_CASE("random_split takes numpy's permutation, first part first") {
    const Dataset set = counting(11);
    const Split split = random_split(set, 0.8, 42);  // int(8.8) = 8
    const std::vector<Index> order = numpy_permutation(42, 11);
    check_rows(split.first, {order.begin(), order.begin() + 8});
    check_rows(split.second, {order.begin() + 8, order.end()});
}

TEST_CASE("random_split loses nothing and doubles nothing") {
    for (const Index n : {2, 3, 10, 97, 1000}) {
        const Split split = random_split(counting(n), 0.5, 7);
        std::multiset<float> seen;
        for (const Dataset* part : {&split.first, &split.second})
            for (Index i = 0; i < part->size(); ++i) seen.insert(part->x(i, 0));
        REQUIRE(split.first.size() == n / 2);
        REQUIRE(seen.size() == static_cast<std::size_t>(n));
        REQUIRE(std::set<float>(seen.begin(), seen.end()).size() == seen.size());
    }
}

TEST_CASE("random_split refuses an empty part") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const double fraction : {0.0, 1.0, -0.5, 1.5, 1e300, nan, 0.09})
        REQUIRE_THROWS_WITH(random_split(counting(11), fraction, 1),
                            ContainsSubstring("11 samples"));
    REQUIRE_THROWS_AS(random_split(counting(1), 0.5, 1), Error);
    REQUIRE(random_split(counting(11), std::nextafter(1.0, 0.0), 1).second.size() == 1);
    REQUIRE_THROWS_AS(random_split(Dataset{}, 0.5, 1), Error);
}

TEST_CASE("with_shuffled_labels moves the labels alone") {
    const Dataset set = counting(7);
    const Dataset shuffled = with_shuffled_labels(set, 3);
    CHECK(shuffled.x.values() == set.x.values());
    const std::vector<Index> order = numpy_permutation(3, 7);
    for (Index i = 0; i < 7; ++i) CHECK(shuffled.y(i) == set.y(order[static_cast<std::size_t>(i)]));
    CHECK(set.y(1) == 1);  // the set itself keeps its own
    CHECK(shuffled.y.values() != set.y.values());
}

TEST_CASE("effect_size counts standard deviations between two classes") {
    // The first feature is 0 and 2, then 4 and 8: means 1 and 6, variances 1 and 4. The second is
    // constant.
    const Dataset set{"two",
                      Tensor<float>::from({4, 2}, {0, 5, 4, 5, 2, 5, 8, 5}),
                      Labels::from({4}, {0, 1, 0, 1}),
                      {2, 1},
                      {"a", "b"},
                      "a test"};
    const std::vector<float> effects = effect_size(set);
    REQUIRE(effects.size() == 2);
    CHECK(std::abs(effects[0] - 5 / std::sqrt(2.5F)) <= 1e-6F);
    CHECK(effects[1] == 0);
    CHECK_THROWS_AS(effect_size(counting(6)), Error);  // three classes
    Dataset one = set;
    one.y = Labels::from({4}, {0, 0, 0, 0});
    CHECK_THROWS_AS(effect_size(one), Error);
}

TEST_CASE("one_hot puts a one at each label") {
    const Labels labels = Labels::from({3}, {2, 0, 2});
    CHECK(one_hot<float>(labels, 3).values() == std::vector<float>{0, 0, 1, 1, 0, 0, 0, 0, 1});
    CHECK(one_hot<double>(labels, 4).shape() == Shape{3, 4});
    CHECK_THROWS_AS(one_hot<float>(labels, 2), Error);
    CHECK_THROWS_AS(one_hot<float>(Labels::from({1}, {-1}), 2), Error);
}
