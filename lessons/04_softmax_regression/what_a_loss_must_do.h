// Lesson 4: what a loss must do for a network to learn from it: pull where the classifier is badly
// wrong, and have a slope. Cross entropy does both, and is the negative log likelihood.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/tensor_ops.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"

namespace handgrad {

inline void three_losses(Lesson& lesson) {
    lesson.section("Three losses");
    lesson.say(
        "A loss says how far a probability q of class 1 is from the label. For y = 1: the square "
        "(1 - q)^2, the absolute 1 - q, and the cross entropy -log q. With q = logistic(o), what "
        "training feels is the slope by the score o:");
    struct Loss {
        const char* name;
        double (*value)(double q);
        double (*slope)(double q);  // dl/dq q (1 - q), by the score
    };
    const Loss losses[] = {
        {"square", [](double q) { return (1 - q) * (1 - q); },
         [](double q) { return -2 * (1 - q) * q * (1 - q); }},
        {"absolute", [](double q) { return 1 - q; }, [](double q) { return -q * (1 - q); }},
        {"cross entropy", [](double q) { return -std::log(q); }, [](double q) { return q - 1; }}};
    const auto logistic = [](double o) { return 1 / (1 + std::exp(-o)); };
    std::vector<Row> rows;
    for (const double o : {-8.0, -4.0, 0.0, 4.0, 8.0}) {
        rows.push_back(cells("%g | %.4f", o, logistic(o)));
        for (const Loss& loss : losses)
            for (const auto f : {loss.value, loss.slope})
                rows.back().push_back(format("%.2g", f(logistic(o))));
    }
    lesson.table({"o", "q", "square", "slope", "absolute", "slope", "cross entropy", "slope"},
                 rows);
    lesson.say(
        "At o = -8 the classifier is sure, and wrong. Square and absolute loss hardly pull there, "
        "as the logistic function is flat; cross entropy pulls with all its force.");
    Plot values{.title = "Loss, y = 1", .x_label = "score o", .y_range = {0, 4}};
    Plot slopes{.title = "Slope by the score", .x_label = "score o"};
    for (const Loss& loss : losses) {
        const auto along = [&](double (*f)(double)) {
            return curve(loss.name, [f, logistic](double o) { return f(logistic(o)); }, {-8, 8});
        };
        values.series.push_back(along(loss.value));
        slopes.series.push_back(along(loss.slope));
    }
    lesson.figure(
        "losses.png",
        "The losses of a sample of class 1, and their slopes. Far left it is badly wrong.",
        panels({values, slopes}, {.columns = 2}));
    const double wrong = logistic(-8);
    lesson.check("only cross entropy pulls where the classifier is badly wrong",
                 losses[2].slope(wrong) < -0.99 && losses[0].slope(wrong) > -0.001 &&
                     losses[1].slope(wrong) > -0.001);

    lesson.say("The same for three classes, of which the first is right:");
    const auto q = Tensor<double>::from(
        {4, 3}, {0.8, 0.1, 0.1, 0.5, 0.5, 0, 0.5, 0.25, 0.25, 0.01, 0.98, 0.01});
    const auto y = Tensor<double>::from({1, 3}, {1, 0, 0});
    const Tensor<double> square = sum((y - q) * (y - q), {1}), absolute = sum(abs(y - q), {1}),
                         entropy = -log(sum(q * y, {1}));  // (4) each
    rows.clear();
    for (Index i = 0; i < q.dim(0); ++i)
        rows.push_back(cells("%g, %g, %g | %.4f | %.4f | %.4f", q(i, 0), q(i, 1), q(i, 2),
                             square(i), absolute(i), entropy(i)));
    lesson.table({"q", "square |y-q|^2", "absolute |y-q|_1", "cross entropy -log q_y"}, rows);
    lesson.say(
        "Absolute loss, 2 (1 - q_y), and cross entropy ask only for the right class's share; "
        "square loss also for how the rest is spread.");
}

/// Along the line o - t change through the scores (N, C), accuracy is a staircase and `loss` a
/// slope.
template <class Loss>
void accuracy_is_flat(Lesson& lesson, const Tensor<double>& o, const Tensor<double>& change,
                      const Labels& labels, const Loss& loss) {
    lesson.section("Why accuracy can't be descended");
    Series losses{.label = "cross entropy"}, accuracies{.label = "accuracy", .right = true};
    int flat = 0;
    for (int i = 0; i <= 2000; ++i) {
        const double t = i * 2e-5;
        const Tensor<double> moved = o - t * change;
        losses.x.push_back(t);
        losses.y.push_back(loss(moved));
        accuracies.x.push_back(t);
        accuracies.y.push_back(accuracy(moved, labels));
        if (i > 0) flat += accuracies.y.end()[-1] == accuracies.y.end()[-2];
    }
    lesson.say(format(
        "Accuracy is what is wanted, so why not descend it? One step against the gradient of "
        "the cross entropy, from random weights on %td images, divided into 2000: %d of the "
        "2000 leave the accuracy exactly as it was. Its derivative is 0 where it has one, "
        "and where it jumps it has none. The loss falls all the way, whatever the "
        "accuracy does.",
        o.dim(0), flat));
    lesson.figure("accuracy.png", "Accuracy is a staircase: its slope says nothing.",
                  {.title = "Against the gradient",
                   .x_label = "step length",
                   .y_label = "cross entropy",
                   .series = {losses, accuracies},
                   .right_label = "accuracy"});
    const bool falls = std::is_sorted(losses.y.rbegin(), losses.y.rend());
    lesson.check("the loss falls all the way, the accuracy is flat nearly everywhere",
                 falls && flat > 1900, format("%d of 2000", flat));
}

/// From probabilities and one-hot labels (N, C).
inline void negative_log_likelihood(Lesson& lesson, const Tensor<float>& q,
                                    const Tensor<float>& y) {
    double product = 1, sum_of_losses = 0;
    Index samples = 0, until = 0;
    for (const float q_y : sum(q * y, {1}).values()) {
        product *= static_cast<double>(q_y);
        sum_of_losses -= std::log(static_cast<double>(q_y));
        if (product > 0) ++until;
        if (++samples == 10)
            lesson.check("the loss summed is the negative log likelihood",
                         std::abs(sum_of_losses + std::log(product)) < 1e-12,
                         format("-log of the product of ten %.6f, sum of ten losses %.6f",
                                -std::log(product), sum_of_losses));
    }
    lesson.say(
        format("The likelihood of all labels is the product of %td probabilities. The product "
               "itself is 0 in double after %td; its logarithm, minus %.1f, is no trouble.",
               samples, until, sum_of_losses));
}

}  // namespace handgrad
