// Lesson 2: Rosenblatt's perceptron, which also learns from one example at a time, beside logistic
// regression by SGD.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/operations.h"
#include "core/tensor_ops.h"
#include "data/image_set.h"
#include "report/lesson.h"
#include "report/plot.h"

namespace handgrad {

using Vector = Tensor<double>;

/// z = y (x, 1) for each image x and its class y, -1 or +1. A weight w is right where w z > 0.
inline std::vector<Vector> signed_examples(const Dataset& two, Index most, Device device) {
    std::vector<Vector> examples;
    for (const Index row : numpy_permutation(42, two.size())) {
        const double label = two.y(row) == 1 ? 1 : -1;
        std::vector<double> z;
        for (const float v : two.x.rows(row, row + 1).span())
            z.push_back(label * (static_cast<double>(v) - 0.5));
        z.push_back(label);
        examples.push_back(Vector::from({std::ssize(z)}, z, device));
        if (std::ssize(examples) == most) break;
    }
    return examples;
}

/// w <- w + push(w z) z for each example in turn, pass after pass. Returns how many were on the
/// wrong side in each pass when their turn came.
template <class Push>
std::vector<double> learn(const Vector& w, const std::vector<Vector>& examples, int passes,
                          Push push) {
    std::vector<double> mistakes(static_cast<std::size_t>(passes), 0);
    for (double& wrong : mistakes)
        for (const Vector& z : examples) {
            const double margin = sum(w * z).item(), step = push(margin);
            wrong += margin > 0 ? 0 : 1;
            if (step != 0) w += step * z;
        }
    return mistakes;
}

inline double perceptron(double margin) {
    return margin > 0 ? 0 : 1;
}

/// The same pass as SGD at rate 1 on max(0, -w z), with autograd's gradient: how far apart they
/// are.
inline double distance_from_sgd(const std::vector<Vector>& examples, std::uint64_t seed) {
    const Vector start = Vector::empty(examples[0].shape());
    Random(seed).normal(start, 0, 0.01);  // off the kink at w = 0
    const Device device = examples[0].device();
    const Vector by_hand = start.clone().to(device), by_sgd = start.clone().to(device);
    learn(by_hand, examples, 1, perceptron);
    const Variable<double> w(by_sgd, true);
    for (const Vector& z : examples) {
        w.zero_grad();
        maximum(-sum(w * Variable<double>(z)), 0.0).backward();
        by_sgd -= w.grad();
    }
    return max(abs(by_hand - by_sgd)).item();
}

inline void show_perceptron(Lesson& lesson) {
    lesson.section("The perceptron");
    const LessonOptions& options = lesson.options();
    const Dataset two = two_classes(load_image_set(options.data).train, 3, 8);
    std::vector<Vector> examples = signed_examples(two, options.tiny ? 150 : 500, options.device);
    lesson.say(
        format("%zu images of the classes %s and %s, with z = y (x, 1) and y = -1 or +1. The "
               "perceptron takes one example at a time, and where it is on the wrong side, "
               "w z <= 0, adds it: w <- w + z. Logistic regression by SGD adds "
               "rate / (1 + e^(w z)) z: always something, less the surer it is.",
               examples.size(), two.classes[0].c_str(), two.classes[1].c_str()));
    const double far = distance_from_sgd(examples, options.seed);
    lesson.check("the perceptron is SGD on max(0, -w z)", far < 1e-12, format("%.1e", far));

    const int passes = options.tiny ? 10 : 60;
    std::vector<Drawing> plots;
    std::vector<Row> rows;
    for (const bool turned : {false, true}) {
        if (turned)
            for (std::size_t i = 0; i < examples.size(); i += 20) examples[i] = -examples[i];
        const char* set = turned ? "every twentieth label turned round" : "as they are";
        std::vector<Series> curves;
        const Vector w = Vector::zeros(examples[0].shape(), options.device);
        const auto run = [&](const char* name, auto push) {
            w.fill(0);
            const std::vector<double> mistakes = learn(w, examples, passes, push);
            const double all = std::accumulate(mistakes.begin(), mistakes.end(), 0.0);
            rows.push_back(cells("%s | %s | %.0f | %.0f", set, name, all, mistakes.back()));
            curves.push_back({name, mistakes, linspace(1, passes, passes)});
            return all;
        };
        const double all = run("perceptron", perceptron);
        if (!turned) {
            double radius2 = 0, margin = INFINITY;  // of all examples, Novikoff's R^2 and gamma
            for (const Vector& z : examples) {
                radius2 = std::max(radius2, sum(z * z).item());
                margin = std::min(margin, sum(w * z).item() / std::sqrt(sum(w * w).item()));
            }
            const double bound = radius2 / (margin * margin);
            lesson.check("the perceptron comes to rest", curves[0].y.back() == 0 && margin > 0,
                         "there is a line between the classes");
            lesson.check("after no more than (R/gamma)^2 mistakes", all <= bound,
                         format("%.0f, and the bound is %.0f", all, bound));
        }
        const auto logistic = [](double rate) {
            return [rate](double margin) { return rate / (1 + std::exp(margin)); };
        };
        run("logistic, rate 0.1", logistic(0.1));
        const double softly = run("logistic, rate 0.01", logistic(0.01));
        if (turned)
            lesson.check("with wrong labels the perceptron never rests, and errs more",
                         curves[0].y.back() > 0 && all > softly);
        plots.push_back(
            Plot{.title = set, .x_label = "pass", .y_label = "mistakes", .series = curves});
    }
    lesson.table({"examples", "learner", "mistakes in all", "in the last pass"}, rows);
    lesson.figure("perceptron.png", "Examples that were on the wrong side when their turn came.",
                  panels(plots, {.columns = 2, .panel_height = 720}));
    lesson.say(
        "Where a line separates the classes, the perceptron finds one and stops. Where none does, "
        "each mistake throws it as far as the first one did. The logistic step shrinks with the "
        "rate, and so weighs many examples against each other.");
}

}  // namespace handgrad
