// Regression: a linear output and the square loss, and why inputs and targets are normalised.
//
//   make lesson N=7
//
// Here: one linear layer by hand, in closed form and by gradient descent on three scales of the
// inputs. In files beside this one, each a section of the report: patients.h loads the data,
// two_bowls.h draws what scaling does to the loss, scale_of_targets.h trains a network on targets
// in other units, and scaling_pitfalls.h shows how scaling itself goes wrong. README.md derives the
// gradient, the closed form and the largest learning rate.
#include <cmath>

#include "core/linear_algebra.h"
#include "core/tensor_ops.h"
#include "data/regression.h"
#include "data/scaler.h"
#include "layers/linear.h"
#include "losses/pointwise.h"
#include "patients.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "scale_of_targets.h"
#include "scaling_pitfalls.h"
#include "train/metrics.h"
#include "two_bowls.h"

using namespace handgrad;

namespace {

using Matrix = Tensor<double>;

// ---- one linear layer by hand: X (N, d), the last column ones; w (d, 1), the last the bias ------

/// L = 1/N |X w - y|^2
double mean_square(const Matrix& X, const Matrix& w, const Matrix& y) {
    const Matrix error = matmul(X, w) - y;  // (N, 1)
    return mean(error * error).item();
}

/// dL/dw = 2/N X' (X w - y)
Matrix gradient(const Matrix& X, const Matrix& w, const Matrix& y) {
    const Matrix error = matmul(X, w) - y;  // (N, 1)
    return 2 / static_cast<double>(y.size()) * matmul(X, error, Trans::yes);
}

/// d2L/dw2 = 2/N X' X
Matrix hessian(const Matrix& X) {
    return 2 / static_cast<double>(X.dim(0)) * matmul(X, X, Trans::yes);
}

double rmse(const Matrix& X, const Matrix& w, const Matrix& y) {
    return std::sqrt(mean_square(X, w, y));
}

/// x (N, d) with a column of ones, (N, d + 1): the bias as one more weight. On the CPU.
Matrix with_ones(const Matrix& x) {
    const Matrix X = Matrix::full({x.dim(0), x.dim(1) + 1}, 1);
    for (Index i = 0; i < x.dim(0); ++i)
        for (Index j = 0; j < x.dim(1); ++j) X(i, j) = x(i, j);
    return X;
}

// ---- the story ----------------------------------------------------------------------------------

/// The gradient by hand against the layers', on their own starting weights.
void check_gradient(Lesson& lesson, const Matrix& x, const Matrix& y) {
    Random random(lesson.options().seed);
    Linear<double> linear(x.dim(1), 1, random);
    MSELoss<double> loss;
    loss.forward(linear.forward(x), y);
    linear.backward_parameters(loss.backward());
    const auto joined = [](const Matrix& weight, const Matrix& bias) {  // (d + 1, 1)
        std::vector<double> w = weight.values();
        w.push_back(bias.item());
        return Matrix::from({std::ssize(w), 1}, w);
    };
    const Matrix w = joined(linear.weight.value, linear.bias.value);
    const Matrix by_layers = joined(linear.weight.grad, linear.bias.grad);
    const double off = max(abs(by_layers / gradient(with_ones(x), w, y) - 1)).item();
    lesson.check("2/N X'(Xw - y) is the gradient that Linear and MSELoss give", off < 1e-10,
                 format("relative error %.1e", off));
}

/// The w at which the gradient is zero: X'X w = X'y. On the CPU.
Matrix least_squares(const Matrix& X, const Matrix& y) {
    return solve_positive_definite(matmul(X, X, Trans::yes), matmul(X, y, Trans::yes));
}

void closed_form(Lesson& lesson, const TrainVal<RegressionSet>& data) {
    lesson.section("By hand, and at once");
    const auto x = data.train.x.cast<double>(), y = data.train.y.cast<double>();
    const auto x_val = data.val.x.cast<double>(), y_val = data.val.y.cast<double>();
    check_gradient(lesson, x, y);

    const Matrix X = with_ones(x), X_val = with_ones(x_val);
    const Matrix best = least_squares(X, y), predicted = matmul(X_val, best);
    const double val = rmse(X_val, best, y_val), r2 = r_squared(predicted, y_val);
    lesson.say(
        format("Setting the gradient to zero gives X'X w = X'y, solved at once by Cholesky: "
               "root mean square error %.3f in training, %.3f in validation, R^2 %.4f.",
               rmse(X, best, y), val, r2));
    lesson.result("closed_form_rmse", val);
    lesson.result("closed_form_r2", r2);
    // tools/reference_lessons.py regression: scikit-learn's LinearRegression on this split
    lesson.check("scikit-learn's LinearRegression says the same",
                 std::abs(val - 53.8534) < 1e-3 && std::abs(r2 - 0.4526) < 1e-4,
                 format("RMSE %.4f, R^2 %.4f", val, r2));
    const Series points{.label = "a patient of the validation set",
                        .y = predicted.values(),
                        .x = y_val.values(),
                        .style = Style::points};
    lesson.figure("predictions.png", "Each patient: what came, and what was predicted.",
                  {.title = "Predicted against true",
                   .x_label = "disease progression",
                   .y_label = "predicted",
                   .series = {points, {.label = "equal", .y = {25, 346}, .x = {25, 346}}}});
}

/// Gradient descent from w = 0. `before_step` sees each w.
template <class BeforeStep>
Matrix descend(const Matrix& X, const Matrix& y, double rate, int steps, BeforeStep before_step) {
    Matrix w = Matrix::zeros({X.dim(1), 1}, X.device());
    for (int step = 0; step < steps; ++step) {
        before_step(w);
        w = w - rate * gradient(X, w, y);
    }
    return w;
}

/// At the largest rate that is safe, on three versions of the inputs.
void scale_of_inputs(Lesson& lesson, const RegressionSet& train) {
    lesson.section("Step by step: the scale of the inputs");
    lesson.say(
        "The loss is a quadratic bowl with the Hessian H = 2/N X'X. A step at rate r multiplies "
        "the error along an eigenvector of H by 1 - r lambda: beyond r = 2 / lambda_max it "
        "explodes, and the flattest direction needs about lambda_max / lambda_min steps.");
    const LessonOptions& options = lesson.options();
    const Index n = options.tiny ? 40 : train.size();
    const Matrix x = train.x.rows(0, n).cast<double>(), target = train.y.rows(0, n).cast<double>();
    const double floor = rmse(with_ones(x), least_squares(with_ones(x), target), target);
    const Matrix y = target.to(options.device);
    MinMaxScaler<double> min_max(-0.5, 0.5);
    StandardScaler<double> standard;
    min_max.fit(x);
    standard.fit(x);
    const int steps = options.epochs, steps_at_limit = options.tiny ? 150 : 500;
    std::vector<Row> rows;
    std::vector<Series> curves;
    std::vector<double> above;  // the floor, at the end
    bool bounds_hold = true;
    const std::pair<const char*, Matrix> scales[] = {{"as they are", x},
                                                     {"[-.5, .5]", min_max.transform(x)},
                                                     {"standardised", standard.transform(x)}};
    for (const auto& [name, scaled] : scales) {
        const Eigenvalues lambda = extreme_eigenvalues(hessian(with_ones(scaled)));
        const Matrix X = with_ones(scaled).to(options.device);
        Series& curve = curves.emplace_back(Series{.label = name});
        const Matrix w = descend(X, y, 1 / lambda.greatest, steps, [&](const Matrix& on_the_way) {
            curve.y.push_back(rmse(X, on_the_way, y) - floor);
        });
        above.push_back(rmse(X, w, y) - floor);
        const auto falls = [&](double rate) {
            const double start = rmse(X, Matrix::zeros(w.shape(), options.device), y);
            return rmse(X, descend(X, y, rate, steps_at_limit, [](const Matrix&) {}), y) < start;
        };
        const bool below_limit = falls(1.98 / lambda.greatest);
        const bool above_limit = falls(2.02 / lambda.greatest);
        bounds_hold = bounds_hold && below_limit && !above_limit;
        rows.push_back(cells("%s | %.3g | %.3g | %.2e | %s | %s | %.3f", name, lambda.greatest,
                             lambda.greatest / lambda.least, 2 / lambda.greatest,
                             below_limit ? "falls" : "explodes", above_limit ? "falls" : "explodes",
                             floor + above.back()));
    }
    lesson.table({"inputs", "lambda_max", "condition number", "2 / lambda_max", "1 % below",
                  "1 % above", format("RMSE after %d steps", steps)},
                 rows);
    lesson.figure("scales.png",
                  "How far the root mean square error lies above the closed form's, at the rate "
                  "1 / lambda_max.",
                  {.title = "Distance to the closed form",
                   .x_label = "step",
                   .y_label = "RMSE - best RMSE",
                   .series = curves,
                   .log_y = true});
    lesson.say(
        format("The closed form has %.3f. It is the same whatever the scale: a linear layer "
               "can undo any scaling. Only the way there differs.",
               floor));
    lesson.result("rmse_raw", floor + above[0]);
    lesson.result("rmse_standardised", floor + above[2]);
    lesson.check("2 / lambda_max is the limit, within 1 %", bounds_hold);
    lesson.check("standardised inputs get nearer in equal steps", above[2] < 0.1 * above[0],
                 format("%.3f against %.3f above the best", above[2], above[0]));
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "07_regression",
        .title = "Regression, and the scale of things",
        .summary =
            "A linear output and the square loss: by hand, in closed form, by gradient "
            "descent, and what the scale of inputs and targets does to it.",
        .epochs = 3000,
        .quick_epochs = 1000,
        .tiny_epochs = 60,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const auto data = load_patients(lesson);
        closed_form(lesson, data);
        scale_of_inputs(lesson, data.train);
        two_bowls(lesson, data.train);
        scale_of_targets(lesson);
        scaling_pitfalls(lesson, data);
    });
}
