// Twenty layers of one activation: what lesson 6 sends a signal and its gradient through.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "layers/activations.h"
#include "layers/linear.h"
#include "report/lesson.h"
#include "train/signal_flow.h"

namespace handgrad {

/// An activation by name.
struct Unit {
    std::string name;
    std::function<std::unique_ptr<Layer<double>>()> make;
};

template <class Activation>
Unit unit(const std::string& name, double constant) {
    return {name, [constant] { return std::make_unique<Activation>(constant); }};
}
template <class Activation>
Unit unit(const std::string& name) {
    return {name, [] { return std::make_unique<Activation>(); }};
}

inline std::vector<Unit> six_units() {
    return {unit<ReLU<double>>("ReLU"),         unit<LeakyReLU<double>>("leaky ReLU", 0.1),
            unit<Softplus<double>>("softplus"), unit<Sigmoid<double>>("logistic"),
            unit<Tanh<double>>("tanh"),         unit<ELU<double>>("ELU")};
}

constexpr int depth = 20;

/// Linear layers of equal width without bias, each followed by the activation. Weights are drawn
/// with Var(w) = gain / width.
inline Sequential<double> deep_net(const Unit& unit, Index width, double gain,
                                             const LessonOptions& options) {
    Random random(options.seed);
    Sequential<double> model;
    for (int layer = 0; layer < depth; ++layer) {
        auto& linear = model.add<Linear<double>>(width, width, random, options.device);
        random.normal(linear.weight.value, 0, std::sqrt(gain / static_cast<double>(width)));
        linear.bias.value.fill(0);
        model.append(unit.make());
    }
    return model;
}

/// A normal signal of 200 samples (8 where time is short), and a gradient of size 1 that comes back.
inline SignalFlow<double> flow_through(Sequential<double>& model,
                                                 Index width, bool gradient,
                                                 const LessonOptions& options) {
    Random random(options.seed + 1);
    const Shape shape{options.tiny ? 8 : 200, width};
    const auto x = Tensor<double>::empty(shape, options.device);
    const auto dy = Tensor<double>::empty(shape, options.device);
    random.normal(x, 0, 1);
    random.normal(dy, 0, 1);
    return signal_flow(model, x, gradient ? dy : Tensor<double>());
}

}  // namespace handgrad
