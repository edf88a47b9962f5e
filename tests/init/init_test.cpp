#include "init/init.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "catch.h"
#include "core/error.h"
#include "golden.h"

using namespace handgrad;

namespace {

struct Moments {
    double mean = 0, variance = 0, largest = 0;
};

Moments moments_of(const Tensor<float>& x) {
    Moments m;
    const double n = static_cast<double>(x.size());
    for (const float v : x.span()) m.mean += v / n;
    for (const float v : x.span()) {
        m.variance += (v - m.mean) * (v - m.mean) / n;
        m.largest = std::max(m.largest, double{std::abs(v)});
    }
    return m;
}

}  // namespace

TEST_CASE("initialisers have the variance they promise", "[init]") {
    constexpr Index in = 400, out = 250;
    struct Rule {
        const char* name;
        std::function<void(const Tensor<float>&, Random&)> fill;
        double variance;
        bool uniform;
    };
    const Rule rules[] = {
        {"linear_default",
         [](auto& w, auto& r) { init::linear_default(w, Tensor<float>::empty({out}), r); },
         1.0 / (3 * in), true},
        {"xavier_uniform", init::xavier_uniform<float>, 2.0 / (in + out), true},
        {"xavier_normal", init::xavier_normal<float>, 2.0 / (in + out), false},
        {"he_uniform", init::he_uniform<float>, 2.0 / in, true},
        {"he_normal", init::he_normal<float>, 2.0 / in, false},
    };
    for (const Rule& rule : rules) {
        INFO(rule.name);
        const auto w = Tensor<float>::empty({out, in});
        Random random(3);
        rule.fill(w, random);
        const Moments m = moments_of(w);
        const double n = in * out;
        // Five standard errors: of the mean sqrt(V/n); of the variance at most V sqrt(2/n).
        REQUIRE(std::abs(m.mean) < 5 * std::sqrt(rule.variance / n));
        REQUIRE(std::abs(m.variance - rule.variance) < 5 * rule.variance * std::sqrt(2 / n));
        if (rule.uniform) {
            const double bound = std::sqrt(3 * rule.variance);
            REQUIRE(m.largest <= bound * (1 + 1e-6));
            REQUIRE(m.largest > 0.99 * bound);
        } else {
            REQUIRE(m.largest > 3.5 * std::sqrt(rule.variance));
        }
    }
}

TEST_CASE("fans of a weight", "[init]") {
    REQUIRE(init::fans_of({128, 784}).in == 784);
    REQUIRE(init::fans_of({128, 784}).out == 128);
    REQUIRE(init::fans_of({20, 3, 5, 5}).in == 75);
    REQUIRE(init::fans_of({20, 3, 5, 5}).out == 500);
    REQUIRE_THROWS_AS(init::fans_of({128}), Error);
}

TEST_CASE("initialisers draw the numbers that torch.nn.init draws, by their statistics",
          "[init][golden]") {
    const nlohmann::json values = golden("initialisers");
    REQUIRE(values["cases"].size() == 8);
    for (const nlohmann::json& expected : values["cases"]) {
        const std::string rule = expected["rule"];
        const auto sizes = expected["shape"].get<std::vector<Index>>();
        const auto w = Tensor<float>::empty(Shape(std::span<const Index>(sizes)));
        INFO(rule << " " << w.shape().str());
        Random random(values["seed"].get<std::uint64_t>());
        if (rule == "xavier_uniform")
            init::xavier_uniform(w, random);
        else if (rule == "xavier_normal")
            init::xavier_normal(w, random);
        else if (rule == "he_uniform")
            init::he_uniform(w, random);
        else
            init::he_normal(w, random);
        const Moments m = moments_of(w);
        const double n = static_cast<double>(w.size()), std = expected["std"];
        const auto [least, greatest] = std::minmax_element(w.span().begin(), w.span().end());
        // Two rounded floats of each element, added up.
        CHECK(std::abs(m.mean - expected["mean"].get<double>()) <= 1e-6 * std);
        CHECK(std::abs(std::sqrt(m.variance * n / (n - 1)) - std) <= 1e-6 * std);
        CHECK(std::abs(*least - expected["min"].get<double>()) <= 2e-6 * std);
        CHECK(std::abs(*greatest - expected["max"].get<double>()) <= 2e-6 * std);
    }
}
