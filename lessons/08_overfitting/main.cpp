// Overfitting: what a classifier does with data that it can fit too well, and what penalties on the
// weights do about it.
//
//   make lesson N=8
//
// README.md beside this file derives how fast the weights grow, and what L1 and L2 prefer.
#include <algorithm>
#include <cmath>

#include "data/digits.h"
#include "layers/linear.h"
#include "losses/cross_entropy.h"
#include "losses/penalty.h"
#include "losses/pointwise.h"
#include "optim/sgd.h"
#include "report/image_grid.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"

using namespace handgrad;

namespace {

/// Points on a line, x (N, 1), of class 0 or 1.
struct Line {
    Tensor<double> x;
    Labels y;
};

/// Two scores s_i = w_i x + b_i, softmax, cross entropy: the slides' classifier. Starts at zero.
struct Classifier {
    Random random{0};
    Linear<double> linear;
    CrossEntropyLoss<double> loss;

    explicit Classifier(Index inputs = 1, Index classes = 2) : linear(inputs, classes, random) {
        linear.weight.value.fill(0);
        linear.bias.value.fill(0);
    }
    /// The data's loss, whose gradients are added.
    double gradients(const Tensor<double>& x, const Labels& y) {
        const double value = loss.forward(linear.forward(x), y).item();
        linear.backward_parameters(loss.backward());
        return value;
    }
    double loss_on(const Line& line) { return loss.forward(linear.forward(line.x), line.y).item(); }
    double accuracy_on(const Line& line) {
        return static_cast<double>(count_correct(linear.forward(line.x), line.y)) /
               static_cast<double>(line.y.size());
    }
    /// w_1 - w_0, on which alone the probabilities depend: p_1 = logistic(u x + c).
    [[nodiscard]] double u() const { return linear.weight.value(1, 0) - linear.weight.value(0, 0); }
    [[nodiscard]] double c() const { return linear.bias.value(1) - linear.bias.value(0); }
};

/// Full-batch steps with L2 on the weights, and on the biases where asked.
void fit(Classifier& model, const Line& line, double lambda, int steps, bool bias_too = false) {
    std::vector<Parameter<double>*> penalised = {&model.linear.weight};
    if (bias_too) penalised.push_back(&model.linear.bias);
    const L2Penalty<double> penalty(penalised, lambda);
    SGD<double> sgd(model.linear.parameters(), 0.5);
    for (int step = 0; step < steps; ++step) {
        sgd.zero_grad();
        model.gradients(line.x, line.y);
        penalty.backward();
        sgd.step();
    }
}

/// p_1 along the axis.
Series probability_curve(const Classifier& model, const std::string& label) {
    Series curve{.label = label};
    for (double x = -3; x <= 3.0001; x += 0.02) {
        curve.x.push_back(x);
        curve.y.push_back(1 / (1 + std::exp(-(model.u() * x + model.c()))));
    }
    return curve;
}

Series points_of(const Line& line) {
    Series points{.label = "training points", .style = Style::points};
    for (Index i = 0; i < line.y.size(); ++i) {
        points.x.push_back(line.x(i, 0));
        points.y.push_back(line.y(i));
    }
    return points;
}

const Line six_points = {Tensor<double>::from({6, 1}, {-1.6, -1.1, -0.5, 0.5, 0.9, 1.7}),
                         Labels::from({6}, {0, 0, 0, 1, 1, 1})};

/// Unpenalised weights on separable data grow with the logarithm of the steps.
void grow_without_end(Lesson& lesson) {
    lesson.section("Weights that grow without end");
    lesson.say(
        "Six points on a line, three of either class, with a gap from -0.5 to 0.5. Any classifier "
        "with its boundary in the gap is always right, but the loss is lower the steeper it is: "
        "gradient descent never arrives.");
    Classifier model;
    SGD<double> sgd(model.linear.parameters(), 0.5);
    std::vector<Series> cliffs;
    Series growth{.label = "w_1 - w_0"}, predicted{.label = "2 ln(t / 12)"};
    const int steps = lesson.options().epochs;
    int shown = 0;  // ten of each power of ten
    lesson.line("     step  w_1 - w_0  2 ln(t / 12)       loss  loss x step");
    for (int step = 1; step <= steps; ++step) {
        sgd.zero_grad();
        const double loss = model.gradients(six_points.x, six_points.y);
        sgd.step();
        if (step < std::pow(10, shown / 10.0)) continue;
        growth.x.push_back(std::log10(step));
        growth.y.push_back(model.u());
        const double u = 2 * std::log(step / 12.0);
        if (step > 12) {
            predicted.x.push_back(std::log10(step));
            predicted.y.push_back(u);
        }
        if (shown % 10 == 0 && step >= 10) {
            lesson.line(
                format("%9d  %9.4f  %12.4f  %.3e  %11.4f", step, model.u(), u, loss, loss * step));
            cliffs.push_back(probability_curve(model, format("%d steps", step)));
        }
        while (step >= std::pow(10, shown / 10.0)) ++shown;
    }
    lesson.figure("growth.png",
                  "Ten times the steps always add as much: the weights grow like ln t.",
                  {.title = "w_1 - w_0, unpenalised",
                   .x_label = "log10 of the step",
                   .y_label = "w_1 - w_0",
                   .series = {growth, predicted}});
    const double expected = 2 * std::log(steps / 12.0);
    lesson.say(
        format("The two nearest points, at distance m = 0.5 from the boundary, keep pulling. The "
               "README derives u = w_1 - w_0 = ln(t / 12) / m and a loss of 4 / t. After %d steps "
               "u is %.4f against %.4f.",
               steps, model.u(), expected));
    lesson.result("u_after_all_steps", model.u());
    lesson.check("the weights grow like ln(t / 12) / m", std::abs(model.u() - expected) < 0.01,
                 format("%.4f against %.4f", model.u(), expected));
    cliffs.push_back(points_of(six_points));
    lesson.figure(
        "cliff.png",
        "All of these are right on every training point. The later, the steeper the cliff.",
        {.title = "Probability of class 1", .x_label = "x", .y_label = "p_1", .series = cliffs});
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

/// Is there a gap between the classes, class 1 to the right?
bool separable(const Line& line) {
    double last_zero = -INFINITY, first_one = INFINITY;
    for (Index i = 0; i < line.y.size(); ++i)
        if (line.y(i) == 1)
            first_one = std::min(first_one, line.x(i, 0));
        else
            last_zero = std::max(last_zero, line.x(i, 0));
    return std::isfinite(last_zero) && std::isfinite(first_one) && last_zero < first_one;
}

void overfit_and_penalise(Lesson& lesson) {
    lesson.section("Why that is bad, and L2");
    Random random(lesson.options().seed);
    Line train = noisy_points(random, 12);
    while (!separable(train)) train = noisy_points(random, 12);
    const Line val = noisy_points(random, 2000), test = noisy_points(random, 10000);
    lesson.say(
        "Now the classes overlap: class 1 has the probability logistic(2 x). Twelve points were "
        "drawn until they happened to be separable; 2000 others validate, 10,000 test. The best "
        "possible u is 2. L = data loss + lambda (w_0^2 + w_1^2), 20,000 full-batch steps:");
    const int steps = lesson.options().quick ? 4000 : 20000;
    std::vector<Row> rows;
    std::vector<Series> curves;
    double best_lambda = 0, best_val = INFINITY, best_test = 0, plain_test = 0, plain_train = 0;
    for (const double lambda : {0.0, 0.001, 0.01, 0.03, 0.1, 1.0}) {
        Classifier model;
        fit(model, train, lambda, steps);
        const double val_loss = model.loss_on(val), test_loss = model.loss_on(test);
        if (lambda == 0) {
            plain_test = test_loss;
            plain_train = model.loss_on(train);
        }
        if (val_loss < best_val) {
            best_val = val_loss;
            best_lambda = lambda;
            best_test = test_loss;
        }
        rows.push_back({format("%g", lambda), format("%.3f", model.u()),
                        format("%.4f", model.loss_on(train)), format("%.4f", val_loss),
                        format("%.4f", test_loss), format("%.3f", model.accuracy_on(test))});
        if (lambda != 0.001 && lambda != 0.03)
            curves.push_back(probability_curve(model, format("lambda %g", lambda)));
    }
    lesson.table(
        {"lambda", "w_1 - w_0", "training loss", "validation loss", "test loss", "test accuracy"},
        rows);
    curves.push_back(points_of(train));
    lesson.figure("penalised.png", "The larger lambda, the gentler the slope.",
                  {.title = "Probability of class 1, by lambda",
                   .x_label = "x",
                   .y_label = "p_1",
                   .series = curves});
    lesson.say(
        format("Without a penalty the training loss is %.4f and the test loss %.4f: certain, "
               "and wrong. Validation chooses lambda = %g; its test loss is %.4f. The "
               "accuracy shows little of this. It is the confidence that was wrong.",
               plain_train, plain_test, best_lambda, best_test));
    lesson.result("test_loss_unpenalised", plain_test);
    lesson.result("test_loss_penalised", best_test);
    lesson.check("the unpenalised fit is overfitted", plain_test > 3 * plain_train);
    lesson.check("a penalty chosen by validation lowers the test loss",
                 best_lambda > 0 && best_test < plain_test);

    lesson.say(
        "Biases are left out of penalties, or the answer depends on where zero is. The six points "
        "from above, and the same moved to the right by 4, with lambda = 0.01:");
    std::vector<Row> moved;
    double worst_free = 0, worst_penalised = 0;
    for (const bool bias_too : {false, true})
        for (const double shift : {0.0, 4.0}) {
            Line line{six_points.x.clone(), six_points.y};
            for (double& x : line.x.span()) x += shift;
            Classifier model;
            fit(model, line, 0.01, steps, bias_too);
            const double boundary = -model.c() / model.u() - shift;
            (bias_too ? worst_penalised : worst_free) =
                std::max(bias_too ? worst_penalised : worst_free, std::abs(boundary));
            moved.push_back({bias_too ? "weights and biases" : "weights", format("%g", shift),
                             format("%.3f", model.u()), format("%+.3f", boundary),
                             format("%.3f", model.accuracy_on(line))});
        }
    lesson.table({"penalised", "moved by", "w_1 - w_0", "boundary, moved back", "accuracy"}, moved);
    lesson.check("with free biases the boundary does not depend on where zero is",
                 worst_free < worst_penalised / 3,
                 format("%.3f against %.3f", worst_free, worst_penalised));
}

constexpr double small_lambda = 0.01;

/// Where gradient descent on (w x - 1)^2 + small_lambda R(w) ends.
template <template <class> class P>
std::vector<double> prefer(const std::vector<double>& x, std::vector<double> start) {
    const auto n = static_cast<Index>(x.size());
    Random random(0);
    Linear<double> linear(n, 1, random);
    linear.bias.value.fill(0);
    linear.weight.value.copy_from(Tensor<double>::from({1, n}, start));
    const auto input = Tensor<double>::from({1, n}, x), one = Tensor<double>::full({1, 1}, 1);
    MSELoss<double> loss;
    const P<double> penalty({&linear.weight}, small_lambda);
    SGD<double> sgd({&linear.weight}, 0.02);
    for (int step = 0; step < 60000; ++step) {
        if (step == 40000) sgd.set_lr(0.001);  // L1 jumps about its kinks by the rate
        sgd.zero_grad();
        loss.forward(linear.forward(input), one);
        linear.backward_parameters(loss.backward());
        penalty.backward();
        sgd.step();
    }
    return linear.weight.value.values();
}

std::string list(const std::vector<double>& w) {
    std::string text;
    for (const double v : w)
        text += format("%s%.3f", text.empty() ? "" : ", ", std::abs(v) < 5e-4 ? 0 : v);
    return text;
}

double l1(const std::vector<double>& w) {
    double sum = 0;
    for (const double v : w) sum += std::abs(v);
    return sum;
}

double l2(const std::vector<double>& w) {
    double sum = 0;
    for (const double v : w) sum += v * v;
    return sum;
}

void preferences(Lesson& lesson) {
    lesson.section("What each penalty prefers");
    lesson.say("Two weight vectors that give x = (1, 1, 1, 1) the same score, 1:");
    const std::vector<double> one = {1, 0, 0, 0}, spread = {0.25, 0.25, 0.25, 0.25};
    lesson.table({"w", "L2: sum w^2", "L1: sum |w|"},
                 {{list(one), format("%g", l2(one)), format("%g", l1(one))},
                  {list(spread), format("%g", l2(spread)), format("%g", l1(spread))}});
    lesson.say(
        "L2 prefers the one that is spread out, 0.25 against 1. L1 has no preference: a tie. Let "
        "both choose, with (w x - 1)^2 + 0.01 R(w), from two starts; and once more where one "
        "input counts double, x = (1, 1, 1, 2):");
    const std::vector<std::vector<double>> starts = {{1, 0, 0, 0}, {0.1, 0.3, 0.2, 0.4}};
    std::vector<Row> rows;
    std::vector<double> by_l2, by_l1, flat_l2;
    for (const std::vector<double>& x : {std::vector<double>{1, 1, 1, 1}, {1, 1, 1, 2}})
        for (const std::vector<double>& start : starts) {
            by_l2 = prefer<L2Penalty>(x, start);
            by_l1 = prefer<L1Penalty>(x, start);
            if (x.back() == 1) flat_l2 = by_l2;
            rows.push_back({format("%g, %g, %g, %g", x[0], x[1], x[2], x[3]), list(start),
                            list(by_l2), list(by_l1)});
        }
    lesson.table({"x", "start", "L2 ends at", "L1 ends at"}, rows);
    lesson.say(
        "On equal inputs L2 always ends spread out, and L1 wherever it started. Where the inputs "
        "differ, L1 puts everything on the largest, (0, 0, 0, 0.5), whose sum |w| of 0.5 is the "
        "least there is; L2 shares in proportion, x / |x|^2 = (1, 1, 1, 2) / 7.");
    // At the minimum the penalty has shrunk w x a little below 1; README.md has both formulas.
    double off_l2 = 0, off_l1 = 0, off_flat = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        off_l2 = std::max(off_l2, std::abs(by_l2[i] - (i < 3 ? 1 : 2) / (7 + small_lambda)));
        off_l1 = std::max(off_l1, std::abs(by_l1[i] - (i < 3 ? 0 : (1 - small_lambda / 4) / 2)));
        off_flat = std::max(off_flat, std::abs(flat_l2[i] - 1 / (4 + small_lambda)));
    }
    lesson.check("L2 spreads out", off_flat < 1e-4 && off_l2 < 1e-4,
                 format("off by %.1e and %.1e", off_flat, off_l2));
    lesson.check("L1 chooses (0, 0, 0, 0.5)", off_l1 < 1e-3, format("off by %.1e", off_l1));
}

/// The same on 640 weights that can be looked at: the digits, ten scores from 64 pixels.
void on_digits(Lesson& lesson) {
    lesson.section("On images");
    const Dataset digits = load_digits();
    const Split split = random_split(digits, 0.8, 42);
    const Tensor<double> x = split.first.x.cast<double>();
    const Line test{split.second.x.cast<double>(), split.second.y};
    lesson.say(
        format("A linear classifier of the 8x8 digits, %td to train and %td to test: 640 "
               "weights, 300 full-batch steps.",
               split.first.size(), split.second.size()));
    std::vector<Row> rows;
    Index l1_zeros = 0, l2_zeros = 0;
    double limit = 0;
    for (const std::string name : {"none", "L2", "L1"}) {
        Classifier model(64, 10);
        SGD<double> sgd(model.linear.parameters(), 1.0);
        const L2Penalty<double> squares({&model.linear.weight}, 0.003);
        const L1Penalty<double> sizes({&model.linear.weight}, 0.003);
        double loss = 0;
        for (int step = 0; step < 300; ++step) {
            sgd.zero_grad();
            loss = model.gradients(x, split.first.y);
            if (name == "L2") squares.backward();
            if (name == "L1") sizes.backward();
            sgd.step();
        }
        const auto w = model.linear.weight.value.values();
        const Index zeros =
            std::count_if(w.begin(), w.end(), [](double v) { return std::abs(v) < 0.01; });
        if (name == "L1") l1_zeros = zeros;
        if (name == "L2") l2_zeros = zeros;
        rows.push_back({name, format("%.4f", loss), format("%.4f", model.loss_on(test)),
                        format("%.3f", model.accuracy_on(test)), format("%.1f", l2(w)),
                        format("%.1f", l1(w)), std::to_string(zeros)});
        const std::string file = "weights_" + name + ".png";
        if (name == "none")  // one scale for all three, 0 in the middle
            for (const double v : w) limit = std::max(limit, std::abs(v));
        const Tensor<float> greys = model.linear.weight.value.cast<float>();
        for (float& v : greys.span()) v = 0.5F + v / static_cast<float>(2 * limit);
        write_image_grid(lesson.path(file), greys,
                         {.height = 8, .width = 8, .captions = digit_classes(), .columns = 5});
        lesson.figure(file, "The weights of each digit as images, " +
                                (name == "none" ? "without a penalty" : "under " + name) +
                                ": white pixels speak for it, black ones against.");
    }
    lesson.table({"penalty", "training loss", "test loss", "test accuracy", "sum w^2", "sum |w|",
                  "|w| < 0.01"},
                 rows);
    lesson.result("zeros_L1", l1_zeros);
    lesson.result("zeros_L2", l2_zeros);
    lesson.check("L1 leaves more weights at zero than L2", l1_zeros > 2 * l2_zeros,
                 format("%td against %td of 640", l1_zeros, l2_zeros));
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
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        grow_without_end(lesson);
        overfit_and_penalise(lesson);
        preferences(lesson);
        on_digits(lesson);
    });
}
