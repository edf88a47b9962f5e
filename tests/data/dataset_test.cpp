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
