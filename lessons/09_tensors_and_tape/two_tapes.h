// A tape of our own (tape.h) beside handgrad's.
#pragma once

#include <algorithm>
#include <cmath>

#include "autograd/operations.h"
#include "report/lesson.h"
#include "tape.h"
#include "train/metrics.h"

namespace handgrad {

inline void two_tapes(Lesson& lesson) {
    lesson.section("A tape of our own");
    lesson.say(
        "tape.h is a tape for single numbers. Every operation computes its value and notes its "
        "inputs with the slope towards each. A neuron, tanh(w1 x1 + w2 x2 + b), and its squared "
        "distance from a target:");
    const std::vector<double> v = {2, -0.5, 0.3, 0.8, 0.1};  // x1, x2, w1, w2, b
    const auto neuron = [](const auto& x1, const auto& x2, const auto& w1, const auto& w2,
                           const auto& b) {
        const auto error = tanh(w1 * x1 + w2 * x2 + b) - 0.9;
        return error * error;
    };
    const std::vector<Number> ours(v.begin(), v.end());
    backward(neuron(ours[0], ours[1], ours[2], ours[3], ours[4]));
    std::vector<Variable<double>> theirs;
    for (const double value : v) theirs.emplace_back(Tensor<double>::from({}, {value}), true);
    neuron(theirs[0], theirs[1], theirs[2], theirs[3], theirs[4]).backward();
    std::vector<Row> rows;
    double far = 0;
    const char* names[] = {"x1", "x2", "w1", "w2", "b"};
    for (std::size_t i = 0; i < v.size(); ++i) {
        const double a = ours[i].grad(), b = theirs[i].grad().item();
        far = worse(far, std::abs(a - b));
        rows.push_back(cells("%s | %.15f | %.15f", names[i], a, b));
    }
    lesson.table({"", "our tape", "handgrad's autograd"}, rows);
    lesson.check("our tape agrees with autograd", far < 1e-15, format("%.1e", far));
}

}  // namespace handgrad
