// Regression: a linear output and the square loss, and why inputs and targets are normalised.
//
//   make lesson N=7
//
// README.md beside this file derives the gradient, the closed form and the largest learning rate.
#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "core/error.h"
#include "data/dataset.h"
#include "data/digits.h"
#include "data/image_set.h"
#include "data/regression.h"
#include "data/scaler.h"

#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/plot.h"

using namespace handgrad;

namespace {

using Matrix = Tensor<double>;

/// x (N, d) with a column of ones: the bias as one more weight.
Matrix with_ones(const Matrix& x) {
    const Index n = x.dim(0), d = x.dim(1);
    const Matrix y = Matrix::full({n, d + 1}, 1);
    for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < d; ++j) y(i, j) = x(i, j);
    return y;
}

Matrix product(const Matrix& a, const Matrix& b, Trans trans_a = Trans::no) {
    const Matrix y = Matrix::empty({trans_a == Trans::no ? a.dim(0) : a.dim(1), b.dim(1)});
    matmul(y, a, b, {.trans_a = trans_a});
    return y;
}

/// The mean of (x w - y)^2, and its gradient 2/N x' (x w - y), by hand.
double mean_square(const Matrix& x, const Matrix& w, const Matrix& y, Matrix* gradient = nullptr) {
    const Matrix error = product(x, w);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) {
        error.data()[i] -= y.data()[i];
        sum += error.data()[i] * error.data()[i];
    }
    const auto n = static_cast<double>(y.size());
    if (gradient != nullptr) {
        *gradient = product(x, error, Trans::yes);
        for (double& g : gradient->span()) g *= 2 / n;
    }
    return sum / n;
}

/// Solves a w = b, a (d, d) symmetric and positive definite, by Cholesky's a = l l'.
Matrix solve(const Matrix& a, const Matrix& b) {
    const Index d = a.dim(0);
    const Matrix l = a.clone(), w = b.clone();
    for (Index j = 0; j < d; ++j) {
        for (Index k = 0; k < j; ++k)
            for (Index i = j; i < d; ++i) l(i, j) -= l(i, k) * l(j, k);
        const double root = std::sqrt(l(j, j));
        for (Index i = j; i < d; ++i) l(i, j) /= root;
    }
    for (Index i = 0; i < d; ++i) {  // L v = b
        for (Index k = 0; k < i; ++k) w(i, 0) -= l(i, k) * w(k, 0);
        w(i, 0) /= l(i, i);
    }
    for (Index i = d - 1; i >= 0; --i) {  // L' w = v
        for (Index k = i + 1; k < d; ++k) w(i, 0) -= l(k, i) * w(k, 0);
        w(i, 0) /= l(i, i);
    }
    return w;
}

/// The largest eigenvalue of a symmetric a by power iteration, or of its inverse.
double largest_eigenvalue(const Matrix& a, bool of_inverse) {
    Matrix v = Matrix::full({a.dim(0), 1}, 1);
    double norm = 0;
    for (int i = 0; i < 2000; ++i) {
        v = of_inverse ? solve(a, v) : product(a, v);
        norm = 0;
        for (const double c : v.span()) norm += c * c;
        norm = std::sqrt(norm);
        for (double& c : v.span()) c /= norm;
    }
    return norm;
}

struct Parts {
    Matrix x, y, x_val, y_val;
};

double rmse(const Matrix& x, const Matrix& w, const Matrix& y) {
    return std::sqrt(mean_square(x, w, y));
}

/// 1 - (mean square error) / (variance): 1 is perfect, 0 is what the mean alone achieves.
double r_squared(const Matrix& x, const Matrix& w, const Matrix& y) {
    double mean = 0, variance = 0;
    for (const double v : y.span()) mean += v / static_cast<double>(y.size());
    for (const double v : y.span()) variance += (v - mean) * (v - mean);
    return 1 - mean_square(x, w, y) * static_cast<double>(y.size()) / variance;
}

Parts load(Lesson& lesson) {
    lesson.section("The data");
    const RegressionSet set = load_diabetes();
    const auto split = train_test_split(set, 0.2, 42);
    lesson.say(
        format("%td patients with %td measurements each, and how far their diabetes had come "
               "a year later (Efron, Hastie, Johnstone, Tibshirani 2004): %td to train, %td "
               "to validate, as scikit-learn splits them for random_state=42.",
               set.size(), set.x.dim(1), split.train.size(), split.val.size()));
    StandardScaler<float> scaler;
    scaler.fit(split.train.x);
    std::vector<Row> rows;
    for (std::size_t j = 0; j < set.features.size(); ++j)
        rows.push_back({set.features[j], format("%.2f", scaler.center()[j]),
                        format("%.2f", 1 / scaler.factor()[j])});
    lesson.table({"feature", "mean", "standard deviation"}, rows);
    return {split.train.x.cast<double>(), split.train.y.cast<double>(), split.val.x.cast<double>(),
            split.val.y.cast<double>()};
}

/// The gradient above against the layers', and the closed form.
Matrix closed_form(Lesson& lesson, const Parts& data) {
    lesson.section("By hand, and at once");
    const Matrix x = with_ones(data.x);
    Random random(lesson.options().seed);
    Linear<double> linear(data.x.dim(1), 1, random);
    MSELoss<double> loss;
    loss.forward(linear.forward(data.x), data.y);
    linear.backward_parameters(loss.backward());
    const Matrix w = Matrix::empty({x.dim(1), 1});
    Matrix gradient;
    for (Index j = 0; j + 1 < x.dim(1); ++j) w(j, 0) = linear.weight.value(0, j);
    w(x.dim(1) - 1, 0) = linear.bias.value(0);
    mean_square(x, w, data.y, &gradient);
    double off = 0;
    for (Index j = 0; j < x.dim(1); ++j) {
        const double layer = j + 1 < x.dim(1) ? linear.weight.grad(0, j) : linear.bias.grad(0);
        off = std::max(off, std::abs(layer / gradient(j, 0) - 1));
    }
    lesson.check("2/N X'(Xw - y) is the gradient that Linear and MSELoss give", off < 1e-10,
                 format("relative error %.1e", off));

    const Matrix best = solve(product(x, x, Trans::yes), product(x, data.y, Trans::yes));
    const Matrix x_val = with_ones(data.x_val);
    const double train = rmse(x, best, data.y), val = rmse(x_val, best, data.y_val);
    const double r2 = r_squared(x_val, best, data.y_val);
    lesson.say(
        format("Setting the gradient to zero gives X'X w = X'y, solved at once by Cholesky: "
               "root mean square error %.3f in training, %.3f in validation, R^2 %.4f.",
               train, val, r2));
    lesson.result("closed_form_rmse", val);
    lesson.result("closed_form_r2", r2);
    // tools/reference_lessons.py regression: scikit-learn's LinearRegression on this split
    lesson.check("scikit-learn's LinearRegression says the same",
                 std::abs(val - 53.8534) < 1e-3 && std::abs(r2 - 0.4526) < 1e-4,
                 format("RMSE %.4f, R^2 %.4f", val, r2));

    Series points{.label = "a patient of the validation set", .style = Style::points};
    const Matrix predicted = product(x_val, best);
    points.x = data.y_val.values();
    points.y = predicted.values();
    lesson.figure("predictions.png", "Each patient: what came, and what was predicted.",
                  {.title = "Predicted against true",
                   .x_label = "disease progression",
                   .y_label = "predicted",
                   .series = {points, {.label = "equal", .y = {25, 346}, .x = {25, 346}}}});
    return best;
}

/// Gradient descent at the largest rate that is safe, on three versions of the inputs.
void descend(Lesson& lesson, const Parts& data, const Matrix& best) {
    lesson.section("Step by step: the scale of the inputs");
    lesson.say(
        "The loss is a quadratic bowl with the Hessian H = 2/N X'X. A step at rate r multiplies "
        "the "
        "error along an eigenvector of H by 1 - r lambda: beyond r = 2 / lambda_max it explodes, "
        "and the flattest direction needs about lambda_max / lambda_min steps.");
    MinMaxScaler<double> min_max(-0.5, 0.5);
    StandardScaler<double> standard;
    min_max.fit(data.x);
    standard.fit(data.x);
    const double floor = rmse(with_ones(data.x), best, data.y);
    const int steps = lesson.options().epochs;
    std::vector<Row> rows;
    std::vector<Series> curves;
    std::vector<double> finals;
    bool bounds_hold = true;
    for (const std::string scale : {"as they are", "[-.5, .5]", "standardised"}) {
        const Matrix x = with_ones(scale == "as they are"    ? data.x
                                   : scale == "standardised" ? standard.transform(data.x)
                                                             : min_max.transform(data.x));
        const Matrix hessian = product(x, x, Trans::yes);
        for (double& h : hessian.span()) h *= 2 / static_cast<double>(x.dim(0));
        const double highest = largest_eigenvalue(hessian, false);
        const double condition = highest * largest_eigenvalue(hessian, true);
        const auto run = [&](double rate, int count, Series* curve) {
            const Matrix w = Matrix::zeros({x.dim(1), 1});
            Matrix gradient;
            for (int step = 0; step < count; ++step) {
                const double loss = mean_square(x, w, data.y, &gradient);
                if (curve != nullptr) curve->y.push_back(std::sqrt(loss) - floor);
                for (Index j = 0; j < w.size(); ++j) w(j, 0) -= rate * gradient(j, 0);
            }
            return rmse(x, w, data.y);
        };
        Series curve{.label = scale};
        finals.push_back(run(1 / highest, steps, &curve));
        curves.push_back(curve);
        const double start = rmse(x, Matrix::zeros({x.dim(1), 1}), data.y);
        const bool below = run(1.98 / highest, 300, nullptr) < start;
        const bool above = run(2.02 / highest, 3000, nullptr) < start;
        bounds_hold = bounds_hold && below && !above;
        rows.push_back({scale, format("%.3g", highest), format("%.3g", condition),
                        format("%.2e", 2 / highest), below ? "falls" : "explodes",
                        above ? "falls" : "explodes", format("%.3f", finals.back())});
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
    lesson.result("rmse_raw", finals[0]);
    lesson.result("rmse_standardised", finals[2]);
    lesson.check("2 / lambda_max is the limit, within 1 %", bounds_hold);
    lesson.check("standardised inputs get nearer in equal steps",
                 finals[2] - floor < 0.1 * (finals[0] - floor),
                 format("%.3f against %.3f above the best", finals[2] - floor, finals[0] - floor));
}

/// A small network with a linear output learns 150 + 100 sin(3 x) + noise.
void targets(Lesson& lesson) {
    lesson.section("The scale of the targets");
    Random random(lesson.options().seed);
    const auto f = [](double x) { return 150 + 100 * std::sin(3 * x); };
    const RegressionSet set =
        sample_function(f, {.n = 200, .low = -2, .high = 2, .noise = 20}, random);
    const Matrix x = set.x.cast<double>(), raw = set.y.cast<double>();
    StandardScaler<double> scaler;
    scaler.fit(raw);
    const int epochs = lesson.options().quick ? 3000 : 10000;
    lesson.say(
        format("A network 1-30-1, tanh inside and linear at the end, fits 200 samples of 150 "
               "+ 100 sin(3 x) with noise of standard deviation 20, in three units and "
               "standardised: %d full-batch steps at each of five rates, the error scaled "
               "back. (A tanh at the end would not do: 250 is beyond it.)",
               epochs));
    Plot plot{
        .title = "150 + 100 sin(3 x), and two networks",
        .x_label = "x",
        .y_label = "y",
        .series = {
            {.label = "samples", .y = raw.values(), .x = x.values(), .style = Style::points}}};
    std::vector<Row> rows;
    std::map<std::string, double> best, saturated;
    for (const std::string name : {"y / 100", "y", "100 y", "standardised"}) {
        const double unit = name == "y" ? 1 : name == "100 y" ? 100 : 0.01;
        Matrix y = raw.clone();
        for (double& v : y.span()) v *= unit;
        if (name == "standardised") y = scaler.transform(raw);
        const double scale = name == "standardised" ? scaler.factor()[0] : unit;
        Row row = {name};
        Series curve;
        best[name] = INFINITY;
        for (const double rate : {0.1, 0.03, 0.01, 0.001, 0.0001}) {
            Random weights(1);
            Sequential<double> model;
            model.add<Linear<double>>(1, 30, weights);
            model.add<Tanh<double>>();
            model.add<Linear<double>>(30, 1, weights);
            SGD<double> sgd(model.parameters(), rate);
            MSELoss<double> loss;
            double value = 0;
            for (int epoch = 0; epoch < epochs && std::isfinite(value); ++epoch) {
                sgd.zero_grad();
                value = loss.forward(model.forward(x), y).item();
                model.backward_parameters(loss.backward());
                sgd.step();
            }
            const double error = std::sqrt(value) / scale;
            row.push_back(std::isfinite(error) ? format("%.1f", error) : "diverged");
            if (!(error < best[name])) continue;
            best[name] = error;
            const auto hidden = model[1].forward(model[0].forward(x)).values();
            saturated[name] =
                static_cast<double>(std::count_if(hidden.begin(), hidden.end(),
                                                  [](double h) { return std::abs(h) > 0.99; })) /
                static_cast<double>(hidden.size());
            curve = {.label = name + format(", rate %g", rate)};
            for (double at = -2; at <= 2; at += 0.02) curve.x.push_back(at);
            const Matrix grid = Matrix::from({static_cast<Index>(curve.x.size()), 1}, curve.x);
            const Matrix out = model.forward(grid);
            curve.y = (name == "standardised" ? scaler.inverse_transform(out) : out).values();
            if (name != "standardised")
                for (double& v : curve.y) v /= unit;
        }
        row.push_back(format("%.0f %%", 100 * saturated[name]));
        rows.push_back(row);
        if (name == "100 y" || name == "standardised") plot.series.push_back(curve);
    }
    lesson.table(
        {"targets", "rate 0.1", "0.03", "0.01", "0.001", "0.0001", "saturated at the best"}, rows);
    lesson.figure("fit.png", "The samples, and the best that two of the networks make of them.",
                  plot);
    lesson.say(
        "The output layer must grow to the size of the targets, and the gradient that reaches the "
        "hidden layer is the error times those weights: it grows with the square of the unit. At "
        "100 y the first steps throw the hidden units into saturation, |h| > 0.99, where they have "
        "next to no gradient to come back by. Standardised targets fit at the same rate whatever "
        "the unit was.");
    lesson.result("rmse_by_unit", best);
    lesson.result("saturated_by_unit", saturated);
    lesson.check("standardised targets leave the hidden units alive",
                 saturated["standardised"] < 0.3,
                 format("%.0f %% saturated", 100 * saturated["standardised"]));
    lesson.check("targets a hundred times as large saturate nearly all of them",
                 saturated["100 y"] > 0.8, format("%.0f %%", 100 * saturated["100 y"]));
    lesson.check(
        "and are fitted worse", best["100 y"] > best["standardised"],
        format("%.1f against %.1f; the noise has 20", best["100 y"], best["standardised"]));
}

/// What goes wrong in scaling itself.
void pitfalls(Lesson& lesson, const Parts& data) {
    lesson.section("Scaling: what goes wrong");
    const ImageSet images = [&] {
        try {
            return load_image_set("mnist");
        } catch (const Error&) {
            const Split split = random_split(load_digits(), 0.8, 42);
            return ImageSet{split.first, split.second};
        }
    }();
    MinMaxScaler<float> scaler(0, 1);
    scaler.fit(images.train.x);
    lesson.say(
        format("Constant features. %td of the %td pixels of %s never change in training: "
               "(x - min) / (max - min) is 0 / 0 there, and one NaN spoils every weight. The "
               "scaler gives them one value instead.",
               scaler.constant_features(), images.train.features(), images.train.name.c_str()));
    lesson.result("constant_pixels", scaler.constant_features());
    const auto scaled = scaler.transform(images.train.x).values();
    lesson.check("no NaN comes out", std::all_of(scaled.begin(), scaled.end(),
                                                 [](float v) { return std::isfinite(v); }));
    if (images.train.name == "mnist")
        lesson.check("MNIST has 67 constant pixels", scaler.constant_features() == 67);

    MinMaxScaler<double> fitted(-0.5, 0.5);
    fitted.fit(data.x);
    const auto val = fitted.transform(data.x_val).values();
    const auto beyond =
        std::count_if(val.begin(), val.end(), [](double v) { return std::abs(v) > 0.5 + 1e-12; });
    lesson.say(
        format("Statistics from the training set alone. By them %td of the %zu validation "
               "values lie outside [-.5, .5], as values of patients to come will. Fitted on "
               "all rows none would: the training set would know its own future, and the "
               "validation would be a little too good.",
               beyond, val.size()));
    lesson.result("validation_values_beyond", static_cast<Index>(beyond));
    lesson.check("validation values lie beyond the training range", beyond > 0);

    const auto two = Tensor<double>::from({2, 1}, {1, 3});
    StandardScaler<double> of_two;
    of_two.fit(two);
    lesson.say(
        format("N - 1. Two numbers, 1 and 3: dividing by N gives the standard deviation 1, by "
               "N - 1 %.4f. The second is unbiased in the variance: the mean was estimated "
               "from the same numbers, which lie nearer to it than to the true one.",
               1 / of_two.factor()[0]));
    lesson.check("N - 1 gives sqrt 2",
                 std::abs(1 / of_two.factor()[0] - std::numbers::sqrt2) < 1e-12);
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
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const Parts data = load(lesson);
        const Matrix best = closed_form(lesson, data);
        descend(lesson, data, best);
        targets(lesson);
        pitfalls(lesson, data);
    });
}
