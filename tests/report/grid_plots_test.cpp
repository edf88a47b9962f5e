#include "report/grid_plots.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "report/fake_gnuplot.h"

using namespace handgrad;

TEST_CASE("sample_grid goes row by row from low to high", "[grid_plots]") {
    const Grid grid = sample_grid([](double x, double y) { return 10 * y + x; }, {0, 2}, {5, 7}, 3);
    REQUIRE(grid.rows == 3);
    REQUIRE(grid.columns == 3);
    REQUIRE(grid.z == std::vector<double>{50, 51, 52, 60, 61, 62, 70, 71, 72});
}

TEST_CASE("a diverging heat map is symmetric about 0", "[grid_plots]") {
    HeatMap map{.grid = {{0, 1}, {0, 1}, 1, 3, {-3, std::nan(""), 2}}};
    REQUIRE_THAT(Drawing(map).script, ContainsSubstring("set cbrange [-3:3]") &&
                                          ContainsSubstring("\n0 0 -3\n0.5 0 NaN\n1 0 2\n"));
    map.limit = 0.5;
    REQUIRE_THAT(Drawing(map).script, ContainsSubstring("set cbrange [-0.5:0.5]"));
    map.limit = 0;
    map.palette = Palette::sequential;
    REQUIRE_THAT(Drawing(map).script, ContainsSubstring("set cbrange [-3:2]"));
}

TEST_CASE("grids that do not fit are refused", "[grid_plots]") {
    const Grid wrong{{}, {}, 2, 2, {1, 2, 3}};
    REQUIRE_THROWS_WITH(Drawing(HeatMap{.grid = wrong}),
                        ContainsSubstring("3 values for 2 rows and 2 columns"));
    REQUIRE_THROWS_AS(Drawing(Surface{.grid = wrong}), Error);
    REQUIRE_THROWS_AS(Drawing(ContourMap{.grid = wrong}), Error);
    REQUIRE_THROWS_AS(Drawing(HeatMap{}), Error);
}

TEST_CASE("the real gnuplot draws grids of every kind", "[grid_plots]") {
    if (!has_gnuplot()) {
        WARN("no gnuplot here: nothing was drawn");
        return;
    }
    const TempDir dir;
    const auto bowl = [](double x, double y) { return x * x + y * y; };
    const Grid grids[] = {sample_grid(bowl, {-1, 1}, {-2, 2}, 11),
                          sample_grid([](double, double) { return 0.0; }, {-1, 1}, {-2, 2}, 5),
                          {{}, {}, 2, 3, {1, std::nan(""), 3, 4, 5, INFINITY}},
                          {{}, {}, 2, 2, std::vector<double>(4, std::nan(""))}};
    for (const Grid& grid : grids) {
        const Series path{.label = "it's", .y = {0, 1, std::nan("")}, .x = {0, 0.5, 1}};
        const Drawing drawings[] = {
            HeatMap{.title = "h", .grid = grid},
            HeatMap{.grid = grid, .palette = Palette::sequential, .as_image = true},
            HeatMap{.grid = grid, .as_image = true, .color_bar = false},
            Surface{.title = "s", .z_label = "z", .grid = grid},
            ContourMap{.grid = grid, .paths = {path, {.y = {std::nan("")}}}},
            ContourMap{.grid = grid, .paths = {path}, .levels = {0.1, 0.2}},
            ContourMap{.grid = grid, .log_z = true}};
        int number = 0;
        for (const Drawing& drawing : drawings) {
            INFO("drawing " << number++ << " of the grid with " << grid.z.size() << " values");
            REQUIRE(draw(drawing, dir / "x.png"));
        }
    }
}
