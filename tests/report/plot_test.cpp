#include "report/plot.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "report/fake_gnuplot.h"
#include "report/gnuplot.h"
#include "temp_dir.h"

using namespace handgrad;

namespace {

const double quiet_nan = std::nan("");

bool same(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (std::isnan(a[i]) != std::isnan(b[i]) ||
            (!std::isnan(a[i]) && !(std::abs(a[i] - b[i]) <= 1e-12)))
            return false;
    return true;
}

const Plot one_line = {.title = "t", .series = {{.label = "a", .y = {1, 2}}}};

}  // namespace

TEST_CASE("linspace has both ends, and equal distances") {
    REQUIRE(same(linspace(-1, 2, 4), {-1, 0, 1, 2}));
    REQUIRE(same(linspace(5, 3, 2), {5, 3}));
    REQUIRE(linspace(0, 0.3, 4).back() == 0.3);
    REQUIRE_THROWS_AS(linspace(0, 1, 1), Error);
}

TEST_CASE("log_steps has as many steps in each power of ten, and each once") {
    CHECK(log_steps(1000, 1) == std::vector<Index>{1, 10, 100, 1000});
    CHECK(log_steps(999, 1) == std::vector<Index>{1, 10, 100});
    CHECK(log_steps(100, 2) == std::vector<Index>{1, 4, 10, 32, 100});
    CHECK(log_steps(10) ==
          std::vector<Index>{1, 2, 3, 4, 6, 7, 8, 10});  // 1.26 is 2, and so is 1.58
    CHECK(log_steps(1'000'000).back() == 1'000'000);
    CHECK(log_steps(0).empty());
    CHECK_THROWS_AS(log_steps(10, 0), Error);
}

TEST_CASE("moving_average puts each mean at the centre of its window") {
    const std::vector<double> y = {1, 2, 6, 3, 5};
    REQUIRE(same(moving_average(y, 1).y, y));
    REQUIRE(same(moving_average(y, 2).x, {0.5, 1.5, 2.5, 3.5}));
    REQUIRE(same(moving_average(y, 2).y, {1.5, 4, 4.5, 4}));
    REQUIRE(same(moving_average(y, 3).x, {1, 2, 3}));
    REQUIRE(same(moving_average(y, 3).y, {3, 11.0 / 3, 14.0 / 3}));
    for (const Index window : {5, 6, 1000}) {  // cut to the values there are
        REQUIRE(same(moving_average(y, window).x, {2}));
        REQUIRE(same(moving_average(y, window).y, {3.4}));
    }
    REQUIRE(moving_average({}, 3).y.empty());
    REQUIRE(same(moving_average(std::vector<double>{7}, 3).y, {7}));
    REQUIRE(moving_average(std::vector<double>(50), 50).x.front() == 24.5);
    const std::vector<double> x = {0, 10, 20, 30, 100};
    REQUIRE(same(moving_average(y, 3, x).x, {10, 20, 50}));
    REQUIRE_THROWS_AS(moving_average(y, 0), Error);
    REQUIRE_THROWS_AS(moving_average(y, 2, std::vector<double>{1}), Error);
}

TEST_CASE("a NaN or a huge value touches only the windows that hold it") {
    std::vector<double> y(101, 0.1);
    y[40] = quiet_nan;
    y[70] = 1e300;
    for (const Index window : {1, 7, 50, 101}) {
        const Points mean = moving_average(y, window);
        REQUIRE(mean.y.size() == 101 - static_cast<std::size_t>(window) + 1);
        for (std::size_t i = 0; i < mean.y.size(); ++i) {
            const std::size_t end = i + static_cast<std::size_t>(window);
            const bool has_nan = i <= 40 && 40 < end, has_huge = i <= 70 && 70 < end;
            REQUIRE(std::isnan(mean.y[i]) == has_nan);
            if (!has_nan && !has_huge) REQUIRE(std::abs(mean.y[i] - 0.1) <= 1e-15);
        }
    }
}

TEST_CASE("smoothed gives the raw values thin and their average thick, in one colour") {
    const std::vector<double> y = {1, 3, 5};
    const std::vector<Series> series = smoothed("loss", y, 2, 4);
    REQUIRE(series.size() == 2);
    REQUIRE(series[0].y == y);
    REQUIRE(series[0].label.empty());
    REQUIRE(series[0].style == Style::thin);
    REQUIRE(series[1].label == "loss");
    REQUIRE(series[1].style == Style::thick);
    REQUIRE(same(series[1].x, {0.5, 1.5}));
    REQUIRE(same(series[1].y, {2, 4}));
    REQUIRE(series[0].color == 4);
    REQUIRE(series[1].color == 4);
}

TEST_CASE("gnuplot gets text that it cannot take for commands") {
    REQUIRE(gnuplot::quoted("it's `date` \"x\"\nquit") == "'it''s `date` \"x\" quit'");
    REQUIRE(gnuplot::color(0) == "#0072b2");
    REQUIRE(gnuplot::color(7) == gnuplot::color(0));
    REQUIRE(gnuplot::pale_color(6) == "#aaaaaa");  // of black
}

TEST_CASE("the script has an empty line for each gap, and only points that can be drawn") {
    const TempDir dir;
    fake_gnuplot(dir, "cat > '" + (dir / "script").string() + "'; printf '\\211PNG\\r\\n\\032\\n'");
    {
        const OnlyPath path(dir.path().string() + ":/bin:/usr/bin");
        const double inf = std::numeric_limits<double>::infinity();
        const Series series{.label = "it's", .y = {quiet_nan, 0.5, 1, quiet_nan, inf, 2, -1, 0}};
        REQUIRE(draw({.title = "T", .series = {series}, .log_y = true}, dir / "plot.png"));
    }
    const std::string script = read_file(dir / "script");
    REQUIRE_THAT(script, ContainsSubstring("$data0 << END\n1 0.5\n2 1\n\n5 2\n\nEND\n") &&
                             ContainsSubstring("title 'it''s'") && ContainsSubstring("logscale y"));
    REQUIRE(read_file(dir / "plot.png").starts_with("\x89PNG"));
}

TEST_CASE("a gnuplot that is missing or fails costs the picture alone") {
    const TempDir dir;
    {
        const OnlyPath path(dir.path());
        REQUIRE_FALSE(draw(one_line, dir / "plot.png"));
        REQUIRE_FALSE(draw(one_line, dir / "plot.png"));
        REQUIRE(path.errors().find("gnuplot cannot be run") ==
                path.errors().rfind("gnuplot cannot"));
    }
    fake_gnuplot(dir, "echo 'line 3: bad' >&2; exit 1");
    {
        const OnlyPath path(dir.path());
        REQUIRE_FALSE(draw(one_line, dir / "plot.png"));
        REQUIRE_THAT(path.errors(), ContainsSubstring("line 3: bad"));
    }
    for (const char* script : {"exit 0", "printf 'no picture'", "kill -9 $$",
                               "printf '\\211PNG\\r\\n\\032\\n'; exit 1"}) {
        fake_gnuplot(dir, script);
        const OnlyPath path(dir.path());
        REQUIRE_FALSE(draw(one_line, dir / "plot.png"));
    }
    REQUIRE_FALSE(std::filesystem::exists(dir / "plot.png"));
}

TEST_CASE("the real gnuplot draws every kind of plot") {
    if (!has_gnuplot()) {
        WARN("no gnuplot here: nothing was drawn");
        return;
    }
    const TempDir dir;
    const Series line{.label = "`date` $1 \\ \" '", .y = {1, quiet_nan, 3, 4}};
    const Series points{.label = "p", .y = {1, 2}, .x = {5, -1}, .style = Style::points};
    const Plot plots[] = {
        {.title = "all {/Bold x}_2", .x_label = "x", .y_label = "y", .series = {line, points}},
        {.series = {line, {.label = "low", .y = {0, -1, 1e-300}}}, .log_y = true},
        {.series = smoothed("s", std::vector<double>(1000, 0.5), 50)},  // flat
        {.series = {{.y = {0.3}}}},                                     // one point
        {.series = {{.label = "x", .y = {quiet_nan}}}, .log_y = true},  // nothing finite
        {.series = {line, {.label = "r", .y = {5, 9}, .right = true}}, .right_label = "%"},
        {.series = {{.y = {1, 10, 100}, .x = {0, 1, 1000}, .style = Style::dashed},
                    {.y = {1, 2}, .style = Style::path}},
         .log_x = true,
         .x_range = {0.5, 2000},
         .y_range = {-1, 300},
         .zero_lines = true},
        {},
    };
    for (const Plot& plot : plots) {
        REQUIRE(draw(plot, dir / "plot.png"));
        const std::string png = read_file(dir / "plot.png");
        REQUIRE(png.substr(16, 8) == std::string("\0\0\x04\xb0\0\0\x02\xbc", 8));  // 1200 x 700
    }
    REQUIRE_THROWS_AS(draw({.series = {{.y = {1, 2}, .x = {1}}}}, dir / "plot.png"), Error);
    REQUIRE_THROWS_AS(draw(one_line, dir / "none/plot.png"), Error);
}

TEST_CASE("curve puts its points at equal steps, both ends included") {
    const Series line = curve(
        "twice", [](double x) { return 2 * x; }, {-1, 3}, 5);
    REQUIRE(line.label == "twice");
    REQUIRE(same(line.x, {-1, 0, 1, 2, 3}));
    REQUIRE(same(line.y, {-2, 0, 2, 4, 6}));
    REQUIRE(same(curve(
                     "", [](double x) { return x; }, {7, 9}, 1)
                     .x,
                 {7}));
}

TEST_CASE("a function and its derivative stand in one picture, with the axes") {
    const Drawing drawing = function_and_derivative("square", {-1, 0, 2}, {1, 0, 4}, {-2, 0, 4});
    REQUIRE_THAT(drawing.script,
                 ContainsSubstring("set title 'square'") && ContainsSubstring("-1 1\n0 0\n2 4\n") &&
                     ContainsSubstring("-1 -2\n0 0\n2 4\n") && ContainsSubstring("title 'f(t)'") &&
                     ContainsSubstring("title 'f''(t)'") && ContainsSubstring("set zeroaxis") &&
                     ContainsSubstring("set yrange [-2.375:4.375]") &&
                     ContainsSubstring("dashtype"));
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Plot flat = function_and_derivative("none", {0, 1}, {nan, 2}, {nan, 2});
    REQUIRE_FALSE(flat.y_range.chosen());
}

TEST_CASE("an axis that belongs to one series has its colour, and round steps") {
    const Drawing drawing =
        Plot{.series = {{.y = {0, 1}}, {.y = {10, 110}, .right = true}}, .right_label = "R"};
    REQUIRE_THAT(drawing.script, ContainsSubstring("set y2label 'R' textcolor '#d55e00'") &&
                                     ContainsSubstring("set ylabel '' textcolor '#0072b2'") &&
                                     ContainsSubstring("set ytics 0.2\n") &&
                                     ContainsSubstring("set y2tics 20\n") &&
                                     ContainsSubstring(" axes x1y2"));
    const Drawing log = Plot{.series = {{.y = {1, 1000}}}, .log_y = true};
    REQUIRE(log.script.find("ytics") == std::string::npos);
}
