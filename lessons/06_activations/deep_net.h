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
#include "train/metrics.h"
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

/// Where the deep nets live. Their thousands of products would take the emulator minutes.
inline Device deep_device(const LessonOptions& options) {
    return options.tiny ? Device::cpu : options.device;
}

/// Linear layers of equal width without bias, each followed by the activation. Weights are drawn
/// with Var(w) = gain / width.
inline Sequential<double> deep_net(const Unit& unit, Index width, double gain,
                                   const LessonOptions& options) {
    Random random(options.seed);
    Sequential<double> model;
    for (int layer = 0; layer < depth; ++layer) {
        auto& linear = model.add<Linear<double>>(width, width, random, deep_device(options));
        random.normal(linear.weight.value, 0, std::sqrt(gain / static_cast<double>(width)));
        linear.bias.value.fill(0);
        model.append(unit.make());
    }
    return model;
}

/// Root mean squares of what leaves each linear layer with its activation, and of the gradient that
/// comes back to it, from layer 0, the input, to the last.
struct DeepFlow {
    std::vector<double> signal = {}, gradient = {};
    Tensor<double> output = {};  // (N, width)
    double expected = 1;  // of gradient.front() / gradient.back(), from the slopes that were met
};

/// Sends 200 normal samples through, and back, where wanted, a gradient of size 1.
inline DeepFlow flow_through(Sequential<double>& model, Index width, double gain,
                             const LessonOptions& options, bool back = true) {
    Random random(options.seed + 1);
    const auto x = Tensor<double>::empty({200, width}, deep_device(options));
    const auto dy = Tensor<double>::empty(x.shape(), x.device());
    random.normal(x, 0, 1);
    random.normal(dy, 0, 1);
    const SignalFlow<double> all = signal_flow(model, x, back ? dy : Tensor<double>());
    DeepFlow flow{.output = all.y};
    for (std::size_t i = 0; i < all.signal.size(); i += 2) flow.signal.push_back(all.signal[i]);
    for (std::size_t i = 0; i < all.gradient.size(); i += 2)
        flow.gradient.push_back(all.gradient[i]);
    // Each layer multiplies the mean square by fan_out Var(w) E[f'^2]; f' is backward of ones.
    const auto ones = Tensor<double>::full(x.shape(), 1, x.device());
    for (std::size_t i = 1; back && i < model.size(); i += 2)
        flow.expected *= std::sqrt(gain) * root_mean_square(model[i].backward(ones));
    return flow;
}

}  // namespace handgrad
