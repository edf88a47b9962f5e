#include "check/registry.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "catch.h"
#include "core/random.h"

using namespace handgrad;

TEST_CASE("every layer and loss passes the gradient check, at several seeds and random shapes",
          "[check][gradient]") {
    for (const std::uint64_t seed : {0, 1, 2})
        for (const GradientCase& gradient_case : gradient_cases(seed, 3)) {
            const auto rows =
                check_layer(*gradient_case.layer, gradient_case.x, gradient_case.tape);
            INFO("seed " << seed << ", " << gradient_case.name << "\n" << table(rows));
            for (const GradientRow& row : rows) REQUIRE(row.autograd);
            REQUIRE(all_pass(rows));
        }
}

TEST_CASE("every layer and loss passes the gradient check at 50 random shapes",
          "[check][gradient]") {
    GradientCheckOptions options;  // differences along some directions: for speed
    options.max_jacobian = options.max_elements = 0;
    options.directions = 3;
    for (const GradientCase& gradient_case : gradient_cases(3, 50)) {
        const auto rows =
            check_layer(*gradient_case.layer, gradient_case.x, gradient_case.tape, options);
        INFO(gradient_case.name << "\n" << table(rows));
        for (const GradientRow& row : rows) REQUIRE(row.autograd);
        REQUIRE(all_pass(rows));
    }
}

TEST_CASE("random shapes come on top, and repeat for one seed", "[check]") {
    const auto listed = gradient_cases(5), more = gradient_cases(5, 2),
               again = gradient_cases(5, 2);
    REQUIRE(more.size() > listed.size());
    std::set<std::string> names;
    for (std::size_t i = 0; i < more.size(); ++i) {
        REQUIRE(more[i].name == again[i].name);
        REQUIRE(more[i].x.values() == again[i].x.values());
        names.insert(more[i].name);
    }
    for (const GradientCase& gradient_case : listed) REQUIRE(names.count(gradient_case.name) == 1);
}

TEST_CASE("backward_parameters adds what backward adds", "[check]") {
    for (const GradientCase& gradient_case : gradient_cases(3)) {
        INFO(gradient_case.name);
        Layer<double>& layer = *gradient_case.layer;
        const auto dy = Tensor<double>::full(layer.forward(gradient_case.x).shape(), 0.7);
        std::vector<std::vector<double>> by_backward;
        for (const Parameter<double>* parameter : layer.parameters()) parameter->grad.fill(0);
        layer.backward(dy);
        for (const Parameter<double>* parameter : layer.parameters()) {
            by_backward.push_back(parameter->grad.values());
            parameter->grad.fill(0);
        }
        layer.backward_parameters(dy);
        for (std::size_t i = 0; i < by_backward.size(); ++i)
            REQUIRE(layer.parameters()[i]->grad.values() == by_backward[i]);
    }
}

TEST_CASE("every layer and loss in float agrees with the tape in float", "[check]") {
    const auto close = [](const Tensor<float>& a, const Tensor<float>& b) {
        float largest = 0;
        for (const float v : b.span()) largest = std::max(largest, std::abs(v));
        bool all = a.shape() == b.shape();
        for (Index i = 0; all && i < a.size(); ++i)
            all = std::abs(a.data()[i] - b.data()[i]) <= 1e-4F * largest;
        return all;
    };
    for (const LayerCase<float>& one : layer_cases<float>({.seed = 4, .random_shapes = 5})) {
        INFO(one.name);
        std::vector<Variable<float>> weights;
        for (const Parameter<float>* weight : one.layer->parameters()) {
            weight->grad.fill(0);
            weights.emplace_back(weight->value, true);
        }
        const Variable<float> x(one.x, true);
        const Variable<float> by_tape = one.tape(x, TapeParametersOf<float>(weights));
        const Tensor<float> y = one.layer->forward(one.x), dy = Tensor<float>::empty(y.shape());
        REQUIRE(close(y, by_tape.value()));
        Random(1).uniform(dy, -1, 1);
        by_tape.backward(dy);
        REQUIRE(close(one.layer->backward(dy), x.grad()));
        for (std::size_t i = 0; i < weights.size(); ++i)
            REQUIRE(close(one.layer->parameters()[i]->grad, weights[i].grad()));
    }
}

TEST_CASE("large cases hold every kind of layer and loss once or more", "[check]") {
    const auto kinds = [](const auto& cases) {
        std::set<std::string> all;
        for (const auto& one : cases) all.insert(one.name.substr(0, one.name.find('(')));
        return all;
    };
    const auto large = layer_cases<float>({.large = true});
    CHECK(kinds(large) == kinds(gradient_cases(0)));
    for (const LayerCase<float>& one : large) {
        INFO(one.name);
        CHECK((one.x.size() >= 8192 || one.name.starts_with("Donsker")));
    }
}
