// Optimisers, schedules and clipping against PyTorch (tools/make_golden.py).
#include <algorithm>
#include <cmath>
#include <memory>

#include "catch.h"
#include "golden.h"
#include "layers/linear.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/rmsprop.h"
#include "optim/schedule.h"
#include "optim/sgd.h"

using namespace handgrad;
using Json = nlohmann::json;

namespace {

template <class Value>
std::size_t take(const Json& options, const char* name, Value& value) {
    if (!options.contains(name)) return 0;
    options[name].get_to(value);
    return 1;
}

/// Options by name: take_all(json, "lr", o.lr, "momentum", o.momentum). Returns how many there
/// were.
template <class Value, class... Rest>
std::size_t take_all(const Json& options, const char* name, Value& value, Rest&&... rest) {
    const std::size_t found = take(options, name, value);
    if constexpr (sizeof...(rest) == 0)
        return found;
    else
        return found + take_all(options, rest...);
}

void read(const Json& json, SGDOptions& o) {
    CHECK(take_all(json, "lr", o.lr, "momentum", o.momentum, "dampening", o.dampening,
                   "weight_decay", o.weight_decay, "nesterov", o.nesterov, "moving_average",
                   o.moving_average) == json.size());
}
template <class Options>
void read_adam(const Json& json, Options& o) {
    CHECK(take_all(json, "lr", o.lr, "betas", o.betas, "eps", o.eps, "weight_decay", o.weight_decay,
                   "amsgrad", o.amsgrad) == json.size());
}
void read(const Json& json, AdamOptions& o) {
    read_adam(json, o);
}
void read(const Json& json, AdamWOptions& o) {
    read_adam(json, o);
}
void read(const Json& json, AdagradOptions& o) {
    CHECK(take_all(json, "lr", o.lr, "lr_decay", o.lr_decay, "weight_decay", o.weight_decay,
                   "initial_accumulator_value", o.initial_accumulator_value, "eps",
                   o.eps) == json.size());
}
void read(const Json& json, RMSpropOptions& o) {
    CHECK(take_all(json, "lr", o.lr, "alpha", o.alpha, "eps", o.eps, "weight_decay", o.weight_decay,
                   "momentum", o.momentum, "centered", o.centered) == json.size());
}

template <class T, class Options, template <class> class Rule>
std::unique_ptr<Optimizer<T>> make_one(Linear<T>& linear, const Json& gold) {
    Options options, bias_options;
    read(gold["options"], options);
    read(gold["bias_options"], bias_options);
    using Group = typename Rule<T>::Group;
    return std::make_unique<Rule<T>>(
        std::vector<Group>{{{&linear.weight}, options}, {{&linear.bias}, bias_options}});
}

template <class T>
std::unique_ptr<Optimizer<T>> make(Linear<T>& linear, const Json& gold) {
    const std::string name = gold["optimizer"];
    if (name == "SGD") return make_one<T, SGDOptions, SGD>(linear, gold);
    if (name == "Adam") return make_one<T, AdamOptions, Adam>(linear, gold);
    if (name == "AdamW") return make_one<T, AdamWOptions, AdamW>(linear, gold);
    if (name == "Adagrad") return make_one<T, AdagradOptions, Adagrad>(linear, gold);
    if (name == "RMSprop") return make_one<T, RMSpropOptions, RMSprop>(linear, gold);
    throw std::runtime_error("no such optimiser: " + name);
}

template <class T>
Tensor<T> tensor(const Json& values, const Shape& shape) {
    return Tensor<T>::from(shape, values.get<std::vector<T>>());
}

/// The largest difference, in parts of the largest number.
template <class T>
double worst(const std::vector<T>& got, const std::vector<double>& expected) {
    REQUIRE(got.size() == expected.size());
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double d = std::abs(double{got[i]} - expected[i]);
        if (!(d <= difference)) difference = d;  // takes NaN, and keeps it out of the next line
        size = std::max(size, std::abs(expected[i]));
        if (std::isnan(d)) return d;
    }
    return difference / size;
}

}  // namespace

TEMPLATE_TEST_CASE("100 steps of every optimiser end where PyTorch's do", "[optim][golden]", float,
                   double) {
    using T = TestType;
    constexpr bool is_float = sizeof(T) == 4;
    const Json gold = golden("optimizers");
    const auto x = tensor<T>(gold["problem"][0], {16, 3});
    const auto target = tensor<T>(gold["problem"][1], {16, 2});
    REQUIRE(gold["cases"].size() >= 20);
    for (const Json& one : gold["cases"]) {
        INFO(one["optimizer"] << " " << one["options"] << " " << one["bias_options"]);
        Random random(0);
        Linear<T> linear(3, 2, random);
        linear.weight.value.copy_from(tensor<T>(gold["problem"][2], {2, 3}));
        linear.bias.value.copy_from(tensor<T>(gold["problem"][3], {2}));
        const auto optimizer = make(linear, one);
        for (int step = 1; step <= 100; ++step) {
            optimizer->zero_grad();
            const Tensor<T> y = linear.forward(x), dy = Tensor<T>::empty(y.shape());
            for (Index i = 0; i < y.size(); ++i)  // of mean (y - target)^2
                dy.data()[i] = 2 * (y.data()[i] - target.data()[i]) / static_cast<T>(y.size());
            linear.backward(dy);
            optimizer->step();
            const Json& points = one[is_float ? "float" : "double"];
            const std::string key = std::to_string(step);
            if (!points.contains(key)) continue;
            std::vector<T> got = linear.weight.value.values();
            for (const T b : linear.bias.value.span()) got.push_back(b);
            INFO("step " << step);
            CHECK(worst(got, points[key].get<std::vector<double>>()) <= (is_float ? 1e-4 : 1e-10));
        }
        CHECK(optimizer->steps() == 100);
    }
}

namespace {

Schedule::Function make_schedule(const std::string& name, const Json& json) {
    if (name == "StepLR") {
        StepLR s{};
        CHECK(take_all(json, "step_size", s.step_size, "gamma", s.gamma) == json.size());
        return s;
    }
    if (name == "MultiStepLR") {
        MultiStepLR s;
        CHECK(take_all(json, "milestones", s.milestones, "gamma", s.gamma) == json.size());
        return s;
    }
    if (name == "ExponentialLR") {
        ExponentialLR s{};
        CHECK(take_all(json, "gamma", s.gamma) == json.size());
        return s;
    }
    if (name == "CosineAnnealingLR") {
        CosineAnnealingLR s{};
        CHECK(take_all(json, "T_max", s.T_max, "eta_min", s.eta_min) == json.size());
        return s;
    }
    if (name == "LinearLR") {
        LinearLR s;
        CHECK(take_all(json, "start_factor", s.start_factor, "end_factor", s.end_factor,
                       "total_iters", s.total_iters) == json.size());
        return s;
    }
    throw std::runtime_error("no such schedule: " + name);
}

/// Relative, but for rates that PyTorch's recursion brings to zero only by rounding.
bool same_rate(double got, double expected, double start) {
    return std::abs(got - expected) <= 1e-10 * std::abs(expected) + 1e-15 * start;
}

}  // namespace

TEST_CASE("schedules give PyTorch's learning rates over 50 epochs", "[optim][golden]") {
    const Json gold = golden("schedules");
    const double start = gold["start"];
    Parameter<float> w{"w", Tensor<float>::zeros({1}), Tensor<float>::zeros({1})};
    for (const Json& one : gold["cases"]) {
        INFO(one["schedule"] << " " << one["options"]);
        SGD<float> sgd({&w}, start);
        Schedule schedule(sgd, make_schedule(one["schedule"], one["options"]));
        REQUIRE(one["rates"].size() == 51);
        for (const double rate : one["rates"]) {
            INFO("epoch " << schedule.epoch() << ": got " << sgd.lr() << ", needs " << rate);
            CHECK(same_rate(sgd.lr(), rate, start));
            schedule.step();
        }
    }
    for (const Json& one : gold["plateaus"]) {
        INFO(one["schedule"] << " " << one["options"]);
        PlateauOptions o;
        std::string mode = "min", threshold_mode = "rel";
        CHECK(take_all(one["options"], "mode", mode, "factor", o.factor, "patience", o.patience,
                       "threshold", o.threshold, "threshold_mode", threshold_mode, "cooldown",
                       o.cooldown, "min_lr", o.min_lr, "eps", o.eps) == one["options"].size());
        if (mode == "max") o.mode = PlateauOptions::Mode::max;
        if (threshold_mode == "abs") o.threshold_mode = PlateauOptions::ThresholdMode::abs;
        SGD<float> sgd({&w}, start);
        ReduceLROnPlateau plateau(sgd, o);
        REQUIRE(one["rates"].size() == 51);
        for (std::size_t epoch = 0; epoch < 50; ++epoch) {
            const double before = sgd.lr();
            const bool reduced = plateau.step(gold["metrics"][epoch]);
            INFO("epoch " << epoch);
            CHECK(same_rate(sgd.lr(), one["rates"][epoch + 1], start));
            CHECK(reduced == (sgd.lr() < before));
        }
    }
}

TEMPLATE_TEST_CASE("clipping gives PyTorch's gradients", "[optim][golden]", float, double) {
    using T = TestType;
    const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-14;
    const Json gold = golden("clipping");
    for (const char* way : {"norm", "value"})
        for (const Json& one : gold[way]) {
            const double limit = one["limit"];
            INFO("by " << way << ", " << limit);
            std::vector<Parameter<T>> parameters;
            for (const Json& gradient : gold["gradients"]) {
                const Shape shape{static_cast<Index>(gradient.size())};
                parameters.push_back({"w", Tensor<T>::zeros(shape), tensor<T>(gradient, shape)});
            }
            std::vector<Parameter<T>*> pointers;
            for (Parameter<T>& parameter : parameters) pointers.push_back(&parameter);
            if (one["norm"].is_null()) {
                clip_grad_value(pointers, limit);
            } else {
                const double norm = one["norm"];
                CHECK(std::abs(clip_grad_norm(pointers, limit).item() - norm) <= tolerance * norm);
            }
            for (std::size_t i = 0; i < parameters.size(); ++i)
                CHECK(worst(parameters[i].grad.values(),
                            one["clipped"][i].get<std::vector<double>>()) <= tolerance);
        }
}
