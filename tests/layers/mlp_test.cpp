#include "layers/mlp.h"

#include <vector>

#include "catch.h"
#include "core/error.h"

using namespace handgrad;

TEST_CASE("an MLP from a list of widths", "[layers]") {
    Random random(0);
    const std::vector<Index> lab = {784, 160, 80, 40, 20, 10}, small = {784, 128, 10}, one = {5};
    auto deep = mlp<float>(lab, random);
    REQUIRE(count_parameters(deep) == 142'750);
    REQUIRE(deep.size() == 9);
    auto shallow = mlp<float>(small, random, 0.2);
    REQUIRE(count_parameters(shallow) == 101'770);
    REQUIRE(shallow.describe() ==
            "Sequential(Linear(784, 128), ReLU(), Dropout(0.2), Linear(128, 10))");
    REQUIRE_THROWS_AS(mlp<float>(one, random), Error);
}
