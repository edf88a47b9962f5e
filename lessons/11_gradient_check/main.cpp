// Every gradient three ways: by hand, by finite differences, by autograd.
//
//   make lesson N=11
//
// A hidden unit is derived by hand, wrongly, as a lecture once had it. The check catches it, says
// where the mistake sits, and passes once it is mended. README.md beside this file has the
// derivation.
#include <cmath>
#include <map>

#include "autograd/functional.h"
#include "check/registry.h"
#include "data/image_set.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/plot.h"

using namespace handgrad;

namespace {

double logistic(double t) {
    return 1 / (1 + std::exp(-t));
}

/// h = 2 logistic(o) - 1, a layer of our own; `slope` is dh/do, as a function of h.
class HiddenUnit final : public Layer<double> {
  public:
    explicit HiddenUnit(double (*slope)(double h)) : slope_(slope) {}

    Tensor<double> forward(const Tensor<double>& o) override {
        h_ = o.clone();
        for (double& h : h_.span()) h = 2 * logistic(h) - 1;
        return h_;
    }
    Tensor<double> backward(const Tensor<double>& dh) override {
        const Tensor<double> out = dh.clone();
        for (Index i = 0; i < out.size(); ++i) out.data()[i] *= slope_(h_.data()[i]);
        return out;
    }
    [[nodiscard]] std::string describe() const override { return "HiddenUnit"; }

  private:
    double (*slope_)(double h);
    Tensor<double> h_;
};

double book_slope(double h) {
    return (1 - h) * (1 - h);
}

double true_slope(double h) {
    return (1 - h * h) / 2;
}

/// The same unit in the tape's operations, which derive themselves.
Variable<double> hidden_unit(const Variable<double>& o) {
    return 2 * functional::sigmoid(o) - 1;
}

/// The lecture's network: inputs -> hidden units -> one logit.
Sequential<double> two_layers(Index inputs, Index hidden, double (*slope)(double), double spread,
                              std::uint64_t seed) {
    Random random(seed);
    Sequential<double> model;
    model.add<Linear<double>>(inputs, hidden, random);
    model.add<HiddenUnit>(slope);
    model.add<Linear<double>>(hidden, 1, random);
    for (const Parameter<double>* p : model.parameters()) random.normal(p->value, 0, spread);
    return model;
}

/// The samples of two classes of a data set: x (N, features) in [-.5, .5], y (N, 1) of 0 and 1.
struct TwoClasses {
    Tensor<double> x, y;
};

TwoClasses two_classes(const Dataset& set, std::int32_t zero, std::int32_t one, std::size_t most) {
    std::vector<Index> rows;
    for (Index i = 0; i < set.size() && rows.size() < most; ++i)
        if (set.y(i) == zero || set.y(i) == one) rows.push_back(i);
    const Dataset chosen = set.subset(rows);
    TwoClasses data{chosen.x.cast<double>(), Tensor<double>::empty({chosen.size(), 1})};
    for (double& v : data.x.span()) v -= 0.5;
    for (Index i = 0; i < chosen.size(); ++i) data.y(i, 0) = chosen.y(i) == one ? 1 : 0;
    return data;
}

/// The unit alone, at nine points.
void check_unit(Lesson& lesson) {
    lesson.section("One unit, derived by hand");
    lesson.say(
        "The lecture's hidden unit is h = 2 logistic(o) - 1, and its backward pass multiplies by "
        "(1 - h)^2. A layer is checked in a few lines: make it, draw an input, call check_layer, "
        "print the table. Every entry of dh/do is held against (h(o + e) - h(o - e)) / 2e, and "
        "against autograd, which derives the same expression from logistic, times and minus.");
    const auto o = Tensor<double>::from({9}, {-4, -2, -1, -0.5, 0.25, 0.5, 1, 2, 4});
    const TapeForward tape = [](const auto& x, auto) { return hidden_unit(x); };
    HiddenUnit book(book_slope), mended(true_slope);
    const auto wrong = check_layer(book, o, tape);
    lesson.pre(table(wrong));
    lesson.result("book_unit_error", wrong[0].differences.max_relative_error);
    lesson.check("the lecture's derivative is caught", !all_pass(wrong));

    lesson.say("It fails. Point by point, with the slope that differences measure:");
    std::vector<Row> rows;
    const Tensor<double> h = book.forward(o);
    double far = 0;
    for (Index i = 0; i < o.size(); ++i) {
        const double e = 1e-6;
        const double measured = (logistic(o(i) + e) - logistic(o(i) - e)) / e;
        far = std::max(far, std::abs(measured - true_slope(h(i))));
        rows.push_back({format("%g", o(i)), format("%.4f", h(i)), format("%.4f", measured),
                        format("%.4f", book_slope(h(i))), format("%.4f", true_slope(h(i))),
                        format("%.3g", book_slope(h(i)) / true_slope(h(i)))});
    }
    lesson.table({"o", "h", "measured", "(1 - h)^2", "(1 - h^2) / 2", "book / true"}, rows);
    lesson.say(
        "Twice too much in the middle, 2 (1 - h) / (1 + h) in general: a unit that saturates at -1 "
        "is pushed a hundred times too hard, one at +1 hardly at all. The formula took tanh' = "
        "1 - h^2 for (1 - h)^2, and tanh(o) for 2 logistic(o) - 1, which is tanh(o / 2).");
    lesson.check("(1 - h^2) / 2 is the slope that differences measure", far < 1e-9,
                 format("largest distance %.1e", far));

    lesson.say("Mended:");
    const auto right = check_layer(mended, o, tape);
    lesson.pre(table(right));
    lesson.check("the mended derivative passes", all_pass(right));

    std::vector<double> at, by_book, by_truth;
    for (double t = -6; t <= 6; t += 0.05) {
        const double value = 2 * logistic(t) - 1;
        at.push_back(t);
        by_book.push_back(book_slope(value));
        by_truth.push_back(true_slope(value));
    }
    lesson.figure(
        "slopes.png", "The slope of h, as the lecture has it and as it is.",
        {.title = "dh/do of h = 2 logistic(o) - 1",
         .x_label = "o",
         .y_label = "dh/do",
         .series = {{"lecture: (1 - h)^2", by_book, at}, {"true: (1 - h^2) / 2", by_truth, at}}});
}

/// The whole network: which rows fail says in which layer the mistake is.
void locate(Lesson& lesson, const TwoClasses& data) {
    lesson.section("The whole network: where is it?");
    const Index inputs = data.x.dim(1);
    Sequential<double> book = two_layers(inputs, 5, book_slope, 0.3, lesson.options().seed);
    const TapeForward tape = [](const Variable<double>& x, auto w) {
        return functional::linear(hidden_unit(functional::linear(x, w[0], w[1])), w[2], w[3]);
    };
    const auto rows = check_layer(book, data.x.rows(0, 20), tape);
    lesson.pre(table(rows));
    const bool located =
        !rows[0].pass() && !rows[1].pass() && !rows[2].pass() && rows[3].pass() && rows[4].pass();
    lesson.say(
        "A gradient is wrong from the mistake downwards. The last layer, 2.weight and 2.bias, is "
        "right; all below it is wrong: the mistake is in layer 1, the hidden unit.");
    lesson.check("the mistake is located", located,
                 "rows below the hidden unit fail, and only they");
    Sequential<double> mended = two_layers(inputs, 5, true_slope, 0.3, lesson.options().seed);
    lesson.check("the mended network passes",
                 all_pass(check_layer(mended, data.x.rows(0, 20), tape)));
}

/// Training with either gradient, as the lecture does: full batches, the hidden layer at a tenth of
/// the rate.
void train_both(Lesson& lesson, const TwoClasses& data) {
    lesson.section("What it costs");
    const int epochs = lesson.options().epochs;
    const double rate = 2;
    lesson.say(
        format("Both networks from equal weights: 5 hidden units, %d full-batch steps at "
               "rate %g, the hidden layer once at a tenth of it, as in the lecture, and "
               "once at all of it.",
               epochs, rate));
    std::vector<Series> curves;
    std::map<std::string, double> finals;
    lesson.line("gradient  hidden rate  final loss  largest loss after step 20");
    for (const double hidden_rate : {rate / 10, rate})
        for (const bool book : {true, false}) {
            Sequential<double> model = two_layers(data.x.dim(1), 5, book ? book_slope : true_slope,
                                                  0.01, lesson.options().seed);
            const auto p = model.parameters();
            SGD<double> hidden({p[0], p[1]}, hidden_rate), output({p[2], p[3]}, rate);
            BCEWithLogitsLoss<double> loss;
            std::vector<double> losses;
            for (int epoch = 0; epoch < epochs; ++epoch) {
                hidden.zero_grad();
                output.zero_grad();
                losses.push_back(loss.forward(model.forward(data.x), data.y).item());
                model.backward(loss.backward());
                hidden.step();
                output.step();
            }
            const std::string name =
                format("%s, hidden rate %g", book ? "lecture" : "true", hidden_rate);
            const double worst =
                *std::max_element(losses.begin() + std::min(20, epochs - 1), losses.end());
            lesson.line(format("%-8s  %11g  %10.4f  %.4f", book ? "lecture" : "true", hidden_rate,
                               losses.back(), worst));
            finals[name] = losses.back();
            curves.push_back({name, losses});
        }
    lesson.result("final_loss", finals);
    lesson.say(
        "The wrong gradient still points downhill for most units most of the time, so the loss "
        "falls and nothing looks broken; it only ends far above where it could be.");
    lesson.check("the right gradient trains further", curves[1].y.back() < curves[0].y.back() &&
                                                          curves[3].y.back() < curves[2].y.back());
    lesson.figure("training.png",
                  "The loss of training by the wrong gradient and by the right one.",
                  {.title = "Training loss",
                   .x_label = "step",
                   .y_label = "cross entropy",
                   .series = curves,
                   .log_y = true});
}

/// The relative error of central differences of h at o = 1, by step, in precision T.
template <class T>
std::vector<double> errors_by_step(const std::vector<double>& exponents) {
    const T o = 1, exact = [&] {
        const T h = 2 / (1 + std::exp(-o)) - 1;
        return (1 - h * h) / 2;
    }();
    std::vector<double> errors;
    for (const double exponent : exponents) {
        const T e = static_cast<T>(std::pow(10.0, exponent));
        const T above = o + e, below = o - e;
        const T difference =
            (2 / (1 + std::exp(-above)) - 2 / (1 + std::exp(-below))) / (above - below);
        errors.push_back(static_cast<double>(std::abs(difference - exact) / exact));
    }
    return errors;
}

void show_step_size(Lesson& lesson) {
    lesson.section("How far to step");
    std::vector<double> exponents;
    for (double exponent = -12; exponent <= 0; exponent += 0.1) exponents.push_back(exponent);
    const auto in_double = errors_by_step<double>(exponents);
    const auto in_float = errors_by_step<float>(exponents);
    const double best_double = *std::min_element(in_double.begin(), in_double.end() - 20);
    lesson.say(
        "A central difference is wrong by about e^2 h'''/6, and by rounding, about the precision "
        "divided by e. The first falls with the step e, the second rises; in double they meet near "
        "e = 1e-5, where ten digits are right. In float hardly four ever are, so that gradients "
        "are checked in double.");
    lesson.figure("step_size.png",
                  "The error of a central difference against its step: truncation on the right, "
                  "rounding on the left.",
                  {.title = "Relative error of (h(o + e) - h(o - e)) / 2e at o = 1",
                   .x_label = "log10 e",
                   .y_label = "relative error",
                   .series = {{"double", in_double, exponents}, {"float", in_float, exponents}},
                   .log_y = true});
    lesson.check("in double a good step gives eight digits", best_double < 1e-8,
                 format("%.1e", best_double));
}

void check_everything(Lesson& lesson) {
    lesson.section("Every layer and every loss");
    std::map<std::string, std::pair<double, double>> worst;  // by name: autograd, differences
    const auto grow = [](double& largest, double error) {
        if (!(error <= largest) && !std::isnan(largest)) largest = error;  // NaN is the worst
    };
    Index cases = 0, failed = 0;
    for (const GradientCase& gradient_case : gradient_cases(lesson.options().seed)) {
        const auto rows = check_layer(*gradient_case.layer, gradient_case.x, gradient_case.tape);
        auto& [autograd, differences] =
            worst[gradient_case.name.substr(0, gradient_case.name.find('('))];
        for (const GradientRow& row : rows) {
            grow(autograd, row.autograd->max_relative_error);
            grow(differences, row.differences.max_relative_error);
        }
        ++cases;
        failed += !all_pass(rows);
    }
    std::vector<Row> rows;
    for (const auto& [name, errors] : worst)
        rows.push_back({name, format("%.1e", errors.first), format("%.1e", errors.second)});
    lesson.say(
        format("The same check over all that handgrad derives by hand, %td cases at awkward "
               "shapes; the largest relative error of each. `make gradcheck` prints them "
               "one by one.",
               cases));
    lesson.table({"layer or loss", "against autograd", "against differences"}, rows);
    lesson.result("cases", cases);
    lesson.check("every layer and loss passes", failed == 0,
                 format("%td of %td failed", failed, cases));
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "11_gradient_check",
        .title = "Every gradient three ways",
        .summary =
            "A gradient derived by hand, wrongly, is caught by finite differences and by "
            "autograd, located, and mended.",
        .epochs = 2000,
        .quick_epochs = 300,
        .data = "embedded",
        .data_help = image_set_help,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const TwoClasses data = two_classes(load_image_set(lesson.options().data).train, 3, 8, 300);
        check_unit(lesson);
        locate(lesson, data);
        train_both(lesson, data);
        show_step_size(lesson);
        check_everything(lesson);
    });
}
