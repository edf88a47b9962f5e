#include "report/histogram.h"

#include <cmath>
#include <numbers>

#include "catch.h"
#include "core/error.h"
#include "core/random.h"
#include "report/fake_gnuplot.h"

using namespace handgrad;

namespace {

std::vector<double> normal_numbers(Index n) {
    Random random(3);
    const Tensor<double> x = Tensor<double>::empty({n});
    random.normal(x, 2, 0.5);
    return x.values();
}

}  // namespace

TEST_CASE("the density curve is near the density that the values were drawn from", "[histogram]") {
    const Points curve = density(normal_numbers(100000), {-1, 5}, 601);
    REQUIRE(curve.x.size() == 601);
    double area = 0;
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
        const double z = (curve.x[i] - 2) / 0.5;
        const double exact = std::exp(-z * z / 2) / (0.5 * std::sqrt(2 * std::numbers::pi));
        REQUIRE(std::abs(curve.y[i] - exact) <= 0.03);
        area += curve.y[i] * 0.01;
    }
    REQUIRE(area == Approx(1).epsilon(0.001));
}

TEST_CASE("the density of two values is two Gaussians", "[histogram]") {
    // std sqrt(2), quartiles 0 and 2, so h = 0.9 min(sqrt(2), 2 / 1.34) 2^(-1/5).
    const double h = 0.9 * std::sqrt(2.0) * std::pow(2, -0.2);
    const Points curve = density({0, 2, std::nan("")}, {0, 2}, 3);
    const auto gauss = [&](double z) {
        return std::exp(-z * z / 2 / (h * h)) / (h * std::sqrt(2 * std::numbers::pi));
    };
    REQUIRE(curve.y[0] == Approx((gauss(0) + gauss(2)) / 2).epsilon(0.01));
    REQUIRE(curve.y[1] == Approx(gauss(1)).epsilon(0.01));
    REQUIRE(density({1, 1, 1}, {0, 2}).y.empty());
    REQUIRE(density({}, {0, 2}).y.empty());
}

TEST_CASE("the bars of a histogram have the area 1", "[histogram]") {
    const Histogram histogram{.samples = {{"a", {0, 0.1, 0.2, 1}}}, .bins = 2};
    REQUIRE_THAT(Drawing(histogram).script,
                 ContainsSubstring("$bars0 << END\n0.25 1.5 0.5\n0.75 0.5 0.5\nEND\n"));
    REQUIRE_THROWS_AS(Drawing(Histogram{.bins = 0}), Error);
}

TEST_CASE("a histogram can do without its density curve", "[histogram]") {
    Histogram histogram{.samples = {{"a", {0, 0.1, 0.2, 1}}}};
    REQUIRE_THAT(Drawing(histogram).script, ContainsSubstring("$curve0"));
    histogram.density_curve = false;
    REQUIRE_THAT(Drawing(histogram).script, !ContainsSubstring("$curve0"));
    REQUIRE_THAT(Drawing(histogram).script, ContainsSubstring("$bars0 with boxes"));
}

TEST_CASE("the real gnuplot draws histograms of anything", "[histogram]") {
    if (!has_gnuplot()) {
        WARN("no gnuplot here: nothing was drawn");
        return;
    }
    const TempDir dir;
    for (const std::vector<double>& values :
         {normal_numbers(1000), std::vector<double>{}, std::vector<double>{5, 5, 5},
          std::vector<double>{std::nan(""), INFINITY}, std::vector<double>{0},
          std::vector<double>{0, 0, 0, 0, 0, 1}, std::vector<double>{1e-30, 2e-30}})
        REQUIRE(draw(
            Histogram{.title = "h", .x_label = "w", .samples = {{"it's", values}, {"", {1, 2, 3}}}},
            dir / "x.png"));
}
