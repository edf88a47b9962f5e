// The slides' classifier of points on a line.
#pragma once

#include <cmath>

#include "layers/linear.h"
#include "losses/cross_entropy.h"
#include "losses/penalty.h"
#include "optim/sgd.h"
#include "report/plot.h"
#include "train/metrics.h"

namespace handgrad {

/// Points on a line, x (N, 1), of class 0 or 1.
struct Line {
    Tensor<double> x;
    Labels y;
    [[nodiscard]] Line to(Device device) const { return {x.to(device), y.to(device)}; }
};

/// Two scores s_i = w_i x + b_i, softmax, cross entropy: the slides' classifier. Starts at zero.
struct Classifier {
    Random random{0};
    Linear<double> linear;
    CrossEntropyLoss<double> loss;
    SGD<double> sgd;

    explicit Classifier(Device device)
        : linear(1, 2, random, device), sgd(linear.parameters(), 0.5) {
        linear.weight.value.fill(0);
        linear.bias.value.fill(0);
    }
    /// A full-batch step. Returns the data's loss before it.
    double step(const Line& line, const L2Penalty<double>* penalty = nullptr) {
        sgd.zero_grad();
        const Tensor<double> value = loss.forward(linear.forward(line.x), line.y);
        linear.backward_parameters(loss.backward());
        if (penalty != nullptr) penalty->backward();
        sgd.step();
        return value.item();  // last: a GPU has been asked for the whole step before the host waits
    }
    double loss_on(const Line& line) { return loss.forward(linear.forward(line.x), line.y).item(); }
    double accuracy_on(const Line& line) { return accuracy(linear.forward(line.x), line.y); }

    /// The probability of class 1 is logistic(u x + c), with u = w_1 - w_0 and c = b_1 - b_0.
    [[nodiscard]] double u() const { return difference(linear.weight); }
    [[nodiscard]] double c() const { return difference(linear.bias); }
    [[nodiscard]] Series probability(const std::string& label) const {
        const double slope = u(), shift = c();
        return curve(label, [&](double x) { return 1 / (1 + std::exp(-(slope * x + shift))); },
                     {-3, 3});
    }

  private:
    static double difference(const Parameter<double>& two) {
        const std::vector<double> values = two.value.values();
        return values[1] - values[0];
    }
};

/// p_1 along the axis, and the points that it was fitted to.
inline Plot probabilities(const std::string& title, std::vector<Series> curves, const Line& line) {
    const std::vector<std::int32_t> labels = line.y.values();
    curves.push_back({.label = "training points",
                      .y = std::vector<double>(labels.begin(), labels.end()),
                      .x = line.x.values(),
                      .style = Style::points});
    return {.title = title, .x_label = "x", .y_label = "p_1", .series = std::move(curves)};
}

}  // namespace handgrad
