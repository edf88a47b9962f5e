#include "report/image_set_pictures.h"

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "data/digits.h"
#include "report/image_grid.h"
#include "temp_dir.h"

using namespace handgrad;

TEST_CASE("write_samples shows the first of each class under its name") {
    const TempDir dir;
    const Dataset digits = load_digits();
    const Dataset few = digits.rows(0, 12);  // the digits 0 to 9, then 0 and 1
    write_samples(dir / "samples.png", two_classes(few, 0, 1), 2);
    const std::vector<Index> order = {0, 10, 1, 11};
    write_image_grid(dir / "expected.png", digits.subset(order).x,
                     {.height = 8, .width = 8, .captions = {"0", "0", "1", "1"}, .columns = 2});
    CHECK(read_file(dir / "samples.png") == read_file(dir / "expected.png"));
    CHECK_THROWS_AS(write_samples(dir / "no.png", few, 0), Error);
    Dataset flat = few;
    flat.sample = {64};
    CHECK_THROWS_AS(write_samples(dir / "no.png", flat, 1), Error);
}

TEST_CASE("pixel_map lays the numbers out as the sample") {
    const std::vector<float> numbers = {1, -2, 3, -4, 5, -6};
    const HeatMap map = pixel_map("w", numbers, {2, 3}, 7);
    CHECK(map.grid.rows == 2);
    CHECK(map.grid.columns == 3);
    CHECK(map.grid.z == std::vector<double>{1, -2, 3, -4, 5, -6});
    CHECK(map.limit == 7);
    CHECK(map.as_image);
    CHECK_THROWS_AS(Drawing(pixel_map("w", numbers, {2, 2})), Error);
    CHECK_THROWS_AS(pixel_map("w", numbers, {6}), Error);
}

TEST_CASE("write_mistakes shows what was taken for what") {
    const TempDir dir;
    const Dataset few = load_digits().rows(0, 3);  // the digits 0, 1, 2
    const auto scores = Tensor<float>::zeros({3, 10});
    for (Index i = 0; i < 3; ++i) scores(i, i == 1 ? 7 : few.y(i)) = 1;
    REQUIRE(write_mistakes(dir / "mistakes.png", few, scores, 8) == 1);
    write_image_grid(dir / "expected.png", few.x.rows(1, 2),
                     {.height = 8, .width = 8, .captions = {"1 as 7"}, .columns = 8});
    CHECK(read_file(dir / "mistakes.png") == read_file(dir / "expected.png"));
    scores(1, 1) = 2;
    CHECK(write_mistakes(dir / "none.png", few, scores, 8) == 0);
    CHECK_FALSE(std::filesystem::exists(dir / "none.png"));
    CHECK_THROWS_AS(write_mistakes(dir / "none.png", few, scores.rows(0, 2), 8), Error);
}

TEST_CASE("weight_maps shows each class's weights under its name, on one scale") {
    const auto weight = Tensor<float>::from({2, 6}, {1, 2, 3, 4, 5, 6, 7, 8, -12, 10, 11, -9});
    const std::vector<Drawing> maps = weight_maps(weight, {2, 3}, {"cat", "dog"});
    REQUIRE(maps.size() == 2);
    HeatMap second = pixel_map("dog", weight.rows(1, 2).span(), {2, 3}, 12);
    second.color_bar = false;
    CHECK(maps[1].script == Drawing(second).script);
    HeatMap first = pixel_map("cat", weight.rows(0, 1).span(), {2, 3}, 12);
    first.color_bar = false;
    CHECK(maps[0].script == Drawing(first).script);
    CHECK_THROWS_AS(weight_maps(weight, {2, 3}, {"cat"}), Error);
    CHECK_THROWS_AS(weight_maps(weight, {2, 2}, {"cat", "dog"}), Error);
}
