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

/// Linear layers without bias from width to width, each followed by the activation. The weights of
/// a layer are normal, with Var(w) = variance(fan_in, fan_out).
inline Sequential<double> deep_net(const Unit& unit, const std::vector<Index>& widths,
                                   const std::function<double(double, double)>& variance,
                                   const LessonOptions& options) {
    Random random(options.seed);
    Sequential<double> model;
    for (std::size_t i = 1; i < widths.size(); ++i) {
        const Index in = widths[i - 1], out = widths[i];
        auto& linear = model.add<Linear<double>>(in, out, random, deep_device(options));
        const double var = variance(static_cast<double>(in), static_cast<double>(out));
        random.normal(linear.weight.value, 0, std::sqrt(var));
        linear.bias.value.fill(0);
        model.append(unit.make());
    }
    return model;
}

/// Twenty of them, of equal width, with Var(w) = gain / fan_in.
inline Sequential<double> deep_net(const Unit& unit, Index width, double gain,
                                   const LessonOptions& options) {
    return deep_net(
        unit, std::vector<Index>(depth + 1, width), [gain](double in, double) { return gain / in; },
        options);
}

/// Root mean squares of what leaves each linear layer with its activation, and of the gradient that
/// comes back to it, from layer 0, the input, to the last.
struct DeepFlow {
    std::vector<double> signal = {}, gradient = {};
};

/// Sends 200 normal samples through, and back, where wanted, a gradient of size 1. The first layer
/// is as wide as what the last one gives.
inline DeepFlow flow_through(Sequential<double>& model, Index width, const LessonOptions& options,
                             bool back = true) {
    Random random(options.seed + 1);
    const auto x = Tensor<double>::empty({200, width}, deep_device(options));
    const auto dy = Tensor<double>::empty(x.shape(), x.device());
    random.normal(x, 0, 1);
    random.normal(dy, 0, 1);
    const SignalFlow<double> all = signal_flow(model, x, back ? dy : Tensor<double>());
    DeepFlow flow;
    for (std::size_t i = 0; i < all.signal.size(); i += 2) flow.signal.push_back(all.signal[i]);
    for (std::size_t i = 0; i < all.gradient.size(); i += 2)
        flow.gradient.push_back(all.gradient[i]);
    return flow;
}

/// The share of a gradient's size that its way back should leave, by the slopes that flow_through
/// met: each layer multiplies the mean square by fan_out Var(w) E[f'^2], with gain = fan_out
/// Var(w).
inline double expected_share(Sequential<double>& model, Index width, double gain,
                             const LessonOptions& options) {
    const auto ones = Tensor<double>::full({200, width}, 1, deep_device(options));
    double share = 1;
    for (std::size_t i = 1; i < model.size(); i += 2)  // f' is backward of ones
        share *= std::sqrt(gain) * root_mean_square(model[i].backward(ones));
    return share;
}

}  // namespace handgrad
