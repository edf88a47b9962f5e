// Overfitting: what a classifier does with data that it can fit too well, and what penalties on the
// weights do about it.
//
//   make lesson N=8
//
// Here: the weights of a classifier on a line (classifier.h) grow without end; twelve points that
// it fits too well, and L2 against it; why biases are left out. In files beside this one, each a
// section of the report: what_penalties_prefer.h, L2 and L1, and penalties_on_images.h. README.md
// derives how fast the weights grow and where each penalty ends.
#include <algorithm>
#include <cmath>

#include "classifier.h"
#include "losses/penalty.h"
#include "penalties_on_images.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"
#include "what_penalties_prefer.h"

using namespace handgrad;

namespace {

const Line six_points = {Tensor<double>::from({6, 1}, {-1.6, -1.1, -0.5, 0.5, 0.9, 1.7}),
                         Labels::from({6}, {0, 0, 0, 1, 1, 1})};

/// Unpenalised weights on separable data grow with the logarithm of the steps.
void grow_without_end(Lesson& lesson) {
    lesson.section("Weights that grow without end");
    lesson.say(
        "Six points on a line, three of either class, with a gap from -0.5 to 0.5. Any classifier "
        "with its boundary in the gap is always right, but the loss is lower the steeper it is: "
        "gradient descent never arrives.");
    const int steps = lesson.options().epochs;
    const Line line = six_points.to(lesson.options().device);
    Classifier model(lesson.options().device);
    Series growth{.label = "w_1 - w_0"}, predicted{.label = "2 ln(t / 12)"};
    std::vector<Series> cliffs;
    std::vector<Row> rows;
    Index step = 0;
    for (const Index shown : log_steps(steps)) {
        double loss = 0;
        for (; step < shown; ++step) loss = model.step(line);
        const auto t = static_cast<double>(step);
        const double u = model.u(), expected = 2 * std::log(t / 12);
        growth.x.push_back(t);
        growth.y.push_back(u);
        if (step > 12) {
            predicted.x.push_back(t);
            predicted.y.push_back(expected);
        }
        if (step < 10 || std::fmod(std::log10(t), 1) > 1e-9) continue;  // 10, 100, 1000, ...
        rows.push_back(cells("%td | %.4f | %.4f | %.3e | %.4f", step, u, expected, loss, loss * t));
        cliffs.push_back(model.probability(format("%td steps", step)));
    }
    lesson.table({"step t", "w_1 - w_0", "2 ln(t / 12)", "loss", "loss x t"}, rows);
    lesson.figure("growth.png",
                  "Ten times the steps always add as much: the weights grow like ln t.",
                  {.title = "w_1 - w_0, unpenalised",
                   .x_label = "step",
                   .y_label = "w_1 - w_0",
                   .series = {growth, predicted},
                   .log_x = true});
    const double u = growth.y.back(), expected = 2 * std::log(growth.x.back() / 12);
    lesson.say(
        format("The two nearest points, at distance m = 0.5 from the boundary, keep pulling. The "
               "README derives u = w_1 - w_0 = ln(t / 12) / m and a loss of 4 / t. After %td steps "
               "u is %.4f against %.4f.",
               step, u, expected));
    lesson.result("u_after_all_steps", u);
    const double near =
        lesson.options().tiny ? 0.2 : 0.01;  // after few steps the others still pull
    lesson.check("the weights grow like ln(t / 12) / m", std::abs(u - expected) < near,
                 format("%.4f against %.4f", u, expected));
    lesson.figure(
        "cliff.png",
        "All of these are right on every training point. The later, the steeper the cliff.",
        probabilities("Probability of class 1", cliffs, six_points));
}

/// Points whose class is drawn with p_1 = logistic(2 x): no classifier can be certain.
Line noisy_points(Random& random, Index n) {
    Line line{Tensor<double>::empty({n, 1}), Labels::empty({n})};
    const Tensor<double> dice = Tensor<double>::empty({n});
    random.normal(line.x, 0, 1);
    random.uniform(dice, 0, 1);
    for (Index i = 0; i < n; ++i) line.y(i) = dice(i) < 1 / (1 + std::exp(-2 * line.x(i, 0)));
    return line;
}

/// Are there points of both classes, all of class 1 to the right of all of class 0?
bool separable(const Line& line) {
    double last_zero = -INFINITY, first_one = INFINITY;
    for (Index i = 0; i < line.y.size(); ++i) {
        double& end = line.y(i) == 1 ? first_one : last_zero;
        end = line.y(i) == 1 ? std::min(end, line.x(i, 0)) : std::max(end, line.x(i, 0));
    }
    return -INFINITY < last_zero && last_zero < first_one && first_one < INFINITY;
}

void overfit_and_penalise(Lesson& lesson, int steps) {
    lesson.section("Why that is bad, and L2");
    Random random(lesson.options().seed);
    Line few = noisy_points(random, 12);
    while (!separable(few)) few = noisy_points(random, 12);
    const Device device = lesson.options().device;
    const Line train = few.to(device), val = noisy_points(random, 2000).to(device),
               test = noisy_points(random, 10000).to(device);
    lesson.say(
        format("Now the classes overlap: class 1 has the probability logistic(2 x). Twelve points "
               "were drawn until they happened to be separable; 2000 others validate, 10,000 test. "
               "The best possible u is 2. L = data loss + lambda (w_0^2 + w_1^2), %d full-batch "
               "steps:",
               steps));
    struct Fit {
        double lambda = 0, train = 0, val = INFINITY, test = 0;
    };
    Fit plain, best;
    std::vector<Row> rows;
    std::vector<Series> curves;
    for (const double lambda : {0.0, 0.001, 0.01, 0.03, 0.1, 1.0}) {
        Classifier model(device);
        const L2Penalty<double> penalty({&model.linear.weight}, lambda);
        for (int step = 0; step < steps; ++step) model.step(train, &penalty);
        const Fit fit{lambda, model.loss_on(train), model.loss_on(val), model.loss_on(test)};
        if (lambda == 0) plain = fit;
        if (fit.val < best.val) best = fit;
        rows.push_back(cells("%g | %.3f | %.4f | %.4f | %.4f | %.3f", lambda, model.u(), fit.train,
                             fit.val, fit.test, model.accuracy_on(test)));
        if (lambda != 0.001 && lambda != 0.03)
            curves.push_back(model.probability(format("lambda %g", lambda)));
    }
    lesson.table(
        {"lambda", "w_1 - w_0", "training loss", "validation loss", "test loss", "test accuracy"},
        rows);
    lesson.figure("penalised.png", "The larger lambda, the gentler the slope.",
                  probabilities("Probability of class 1, by lambda", curves, few));
    lesson.say(
        format("Without a penalty the training loss is %.4f and the test loss %.4f: certain, "
               "and wrong. Validation chooses lambda = %g; its test loss is %.4f. The "
               "accuracy shows little of this. It is the confidence that was wrong.",
               plain.train, plain.test, best.lambda, best.test));
    lesson.result("test_loss_unpenalised", plain.test);
    lesson.result("test_loss_penalised", best.test);
    lesson.check("the unpenalised fit is overfitted", plain.test > 3 * plain.train);
    lesson.check("a penalty chosen by validation lowers the test loss",
                 best.lambda > 0 && best.test < plain.test);
}

void leave_biases_out(Lesson& lesson, int steps) {
    lesson.say(
        "Biases are left out of penalties, or the answer depends on where zero is. The six points "
        "from above, and the same moved to the right by 4, with lambda = 0.01:");
    std::vector<Row> rows;
    double off[2] =
        {};  // how far the boundary lies from the middle at most; biases free, penalised
    for (const bool bias_too : {false, true})
        for (const double shift : {0.0, 4.0}) {
            Line line{six_points.x.clone(), six_points.y};
            for (double& x : line.x.span()) x += shift;
            line = line.to(lesson.options().device);
            Classifier model(lesson.options().device);
            std::vector<Parameter<double>*> penalised = {&model.linear.weight};
            if (bias_too) penalised.push_back(&model.linear.bias);
            const L2Penalty<double> penalty(penalised, 0.01);
            for (int step = 0; step < steps; ++step) model.step(line, &penalty);
            const double boundary = -model.c() / model.u() - shift;
            off[bias_too] = worse(off[bias_too], std::abs(boundary));
            rows.push_back(cells("%s | %g | %.3f | %+.3f | %.3f",
                                 bias_too ? "weights and biases" : "weights", shift, model.u(),
                                 boundary, model.accuracy_on(line)));
        }
    lesson.table({"penalised", "moved by", "w_1 - w_0", "boundary, moved back", "accuracy"}, rows);
    lesson.check("with free biases the boundary does not depend on where zero is",
                 off[0] < off[1] / 3, format("%.3f against %.3f", off[0], off[1]));
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "08_overfitting",
        .title = "Overfitting, and what penalties prefer",
        .summary =
            "A classifier on a line that fits too well, L2 and L1 against it, and which "
            "weights each of them prefers.",
        .epochs = 1'000'000,
        .quick_epochs = 100'000,
        .tiny_epochs = 1000,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const LessonOptions& options = lesson.options();
        const int steps = options.tiny ? 150 : options.quick ? 4000 : 20'000;
        grow_without_end(lesson);
        overfit_and_penalise(lesson, steps);
        leave_biases_out(lesson, steps);
        what_penalties_prefer(lesson);
        penalties_on_images(lesson);
    });
}
