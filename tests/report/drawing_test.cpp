#include "report/drawing.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "report/fake_gnuplot.h"
#include "report/plot.h"

using namespace handgrad;

namespace {

const Plot rising = {.series = {{.y = {1, 2}}}, .y_range = {0, 3}};

std::string size_of_png(const std::string& png) {
    return png.substr(16, 8);
}

}  // namespace

TEST_CASE("set_tics takes round steps, as many as are wanted at most", "[drawing]") {
    REQUIRE(set_tics("x", 0, 10, 5) == "set xtics 2\n");
    REQUIRE(set_tics("y", -4, 4, 8) == "set ytics 1\n");
    REQUIRE(set_tics("y", 0, 2.31, 5) == "set ytics 0.5\n");
    REQUIRE(set_tics("cb", 0, 7e-5, 6) == "set cbtics 2e-05\n");
    REQUIRE(set_tics("x", 0, 90, 10) == "set xtics 10\n");
    for (const double span : {0.0, std::nan(""), std::numeric_limits<double>::infinity()})
        REQUIRE(set_tics("x", 0, span, 5).empty());
}

TEST_CASE("gnuplot_number loses no digit and knows what is no number", "[drawing]") {
    REQUIRE(gnuplot_number(0.1) == "0.1");
    REQUIRE(std::stod(gnuplot_number(1 / 3.0)) == 1 / 3.0);
    REQUIRE(gnuplot_number(std::nan("")) == "NaN");
    REQUIRE(gnuplot_number(-std::numeric_limits<double>::infinity()) == "NaN");
    REQUIRE(set_range("x", {-1, 2.5}) == "set xrange [-1:2.5]\n");
    REQUIRE(set_range("x", {}).empty());
}

TEST_CASE("draw refuses what is neither PNG nor SVG", "[drawing]") {
    REQUIRE_THROWS_WITH(draw(rising, "picture.jpg"), ContainsSubstring("*.jpg"));
    REQUIRE_THROWS_AS(draw(rising, "picture"), Error);
    REQUIRE_THROWS_AS(panels({}), Error);
    REQUIRE_THROWS_AS(panels({rising}, {.columns = 0}), Error);
    REQUIRE_THROWS_AS(animate({}, "picture"), Error);
}

TEST_CASE("on a phone a drawing is less wide, and few panels stand below one another",
          "[drawing]") {
    const Drawing plot = rising;
    REQUIRE(plot.width == 1200);
    REQUIRE(plot.narrow->width == 800);
    REQUIRE(plot.narrow->script.ends_with(plot.script));
    const auto narrow = [&](int n, const Panels& layout) {
        return *panels(std::vector<Drawing>(static_cast<std::size_t>(n), plot), layout).narrow;
    };
    const Drawing two = narrow(2, {.title = "two", .columns = 2});
    REQUIRE(two.width == 800);
    REQUIRE(two.height == 2 * 600 + 60);
    REQUIRE_THAT(two.script, ContainsSubstring("layout 2,1 title 'two'"));
    REQUIRE(narrow(2, {}).height == 2 * 520);  // as high as in one wide column
    const Drawing six = narrow(6, {.columns = 3, .panel_height = 600});
    REQUIRE_THAT(six.script, ContainsSubstring("layout 6,1"));
    REQUIRE(six.height == 6 * (600 * 800 / 666));
    const Drawing ten = narrow(10, {.columns = 5, .panel_height = 400});
    REQUIRE_THAT(ten.script, ContainsSubstring("layout 5,2"));
    REQUIRE(ten.width == 900);
    REQUIRE(ten.height == 5 * (400 * 450 / 400));
    REQUIRE(Drawing{"plot x"}.narrow == nullptr);
}

TEST_CASE("without a GIF an animation is a strip of some of its frames", "[drawing]") {
    const TempDir dir;
    fake_gnuplot(dir, "cat > '" + (dir / "script").string() + "'; grep -q 'terminal gif' '" +
                          (dir / "script").string() +
                          "' && { echo 'unknown terminal' >&2; exit 1; }; "
                          "printf '\\211PNG\\r\\n\\032\\n'");
    std::vector<Drawing> frames;
    for (int i = 0; i <= 20; ++i) frames.push_back({"# frame " + std::to_string(i) + "\n"});
    const OnlyPath path(dir.path().string() + ":/bin:/usr/bin");
    REQUIRE(animate(frames, dir / "fit") == dir / "fit.png");
    const std::string script = read_file(dir / "script");
    for (const int i : {0, 4, 8, 12, 16, 20})
        REQUIRE_THAT(script, ContainsSubstring("# frame " + std::to_string(i) + "\n"));
    REQUIRE(script.find("# frame 1\n") == std::string::npos);
    REQUIRE(animate({{"# only\n"}}, dir / "one") == dir / "one.png");
    REQUIRE_FALSE(std::filesystem::exists(dir / "fit.gif"));
}

TEST_CASE("without gnuplot there is no animation", "[drawing]") {
    const TempDir dir;
    const OnlyPath path(dir.path());
    REQUIRE(animate({rising}, dir / "fit") == std::nullopt);
}

TEST_CASE("the real gnuplot draws PNG, SVG, panels and GIF", "[drawing]") {
    if (!has_gnuplot()) {
        WARN("no gnuplot here: nothing was drawn");
        return;
    }
    const TempDir dir;
    REQUIRE(draw(rising, dir / "p.svg"));
    REQUIRE_THAT(read_file(dir / "p.svg"), ContainsSubstring("</svg>"));
    // Settings of one panel do not reach the next: a log axis would make 0 impossible.
    const Drawing both = panels({Plot{.series = {{.y = {1, 10}}}, .log_y = true},
                                 Plot{.series = {{.y = {-1, 0}}}, .y_range = {-1, 0}}, rising},
                                {.title = "it's", .columns = 2});
    REQUIRE(both.width == 1600);
    REQUIRE(both.height == 2 * 600 + 60);
    REQUIRE(draw(both, dir / "panels.png"));
    REQUIRE(size_of_png(read_file(dir / "panels.png")) ==
            std::string("\0\0\x06\x40\0\0\x04\xec", 8));
    if (const auto gif = animate({rising, rising}, dir / "fit", 0.5))
        REQUIRE(std::filesystem::file_size(*gif) > 1000);
}
