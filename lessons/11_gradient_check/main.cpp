// Every gradient three ways: by hand, by finite differences, by autograd.
//
//   make lesson N=11
//
// A hidden unit is derived by hand, wrongly, as a lecture once had it. The check catches it, says
// where the mistake sits, and passes once it is mended. In files beside this one:
// training_by_both.h trains with it and without, how_far_to_step.h measures the best step of a
// difference. README.md has the derivation. Checks run on the CPU, since they move one number at a
// time; training runs on --device.
#include <map>

#include "autograd/functional.h"
#include "check/registry.h"
#include "core/tensor_ops.h"
#include "data/image_set.h"
#include "how_far_to_step.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "train/metrics.h"
#include "training_by_both.h"

using namespace handgrad;

namespace {

using Matrix = Tensor<double>;
using Slope = Matrix (*)(const Matrix& h);  // dh/do as a function of h

/// h = 2 logistic(o) - 1, a layer of our own.
class HiddenUnit final : public Layer<double> {
  public:
    explicit HiddenUnit(Slope slope) : slope_(slope) {}

    Matrix forward(const Matrix& o) override {
        h_ = 2 / (1 + exp(-o)) - 1;
        return h_;
    }
    Matrix backward(const Matrix& dh) override { return dh * slope_(h_); }
    [[nodiscard]] std::string describe() const override { return "HiddenUnit"; }

  private:
    Slope slope_;
    Matrix h_;
};

Matrix book_slope(const Matrix& h) {
    return (1 - h) * (1 - h);
}

Matrix true_slope(const Matrix& h) {
    return (1 - h * h) / 2;
}

/// The same unit in the tape's operations, which derive themselves.
Variable<double> hidden_unit(const Variable<double>& o) {
    return 2 * functional::sigmoid(o) - 1;
}

/// The lecture's network: inputs -> hidden units -> one logit.
Sequential<double> two_layers(Index inputs, Slope slope, double spread, std::uint64_t seed,
                              Device device = Device::cpu) {
    const Index hidden = 5;
    Random random(seed);
    Sequential<double> model;
    model.add<Linear<double>>(inputs, hidden, random, device);
    model.add<HiddenUnit>(slope);
    model.add<Linear<double>>(hidden, 1, random, device);
    for (const Parameter<double>* p : model.parameters()) random.normal(p->value, 0, spread);
    return model;
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
    const double e = 1e-6;
    const Matrix h = book.forward(o), by_book = book_slope(h), by_truth = true_slope(h);
    const Matrix measured = (mended.forward(o + e) - mended.forward(o - e)) / (2 * e);
    const double far = max(abs(measured - by_truth)).item();
    for (Index i = 0; i < o.size(); ++i)
        rows.push_back(cells("%g | %.4f | %.4f | %.4f | %.4f | %.3g", o(i), h(i), measured(i),
                             by_book(i), by_truth(i), by_book(i) / by_truth(i)));
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

    const std::vector<double> at = linspace(-6, 6, 241);
    const Matrix along = book.forward(Matrix::from({std::ssize(at)}, at));
    lesson.figure("slopes.png", "The slope of h, as the lecture has it and as it is.",
                  {.title = "dh/do of h = 2 logistic(o) - 1",
                   .x_label = "o",
                   .y_label = "dh/do",
                   .series = {{"lecture: (1 - h)^2", book_slope(along).values(), at},
                              {"true: (1 - h^2) / 2", true_slope(along).values(), at}}});
}

/// The whole network: which rows fail says in which layer the mistake is.
void locate(Lesson& lesson, const TwoClasses& data) {
    lesson.section("The whole network: where is it?");
    const Index inputs = data.x.dim(1);
    Sequential<double> book = two_layers(inputs, book_slope, 0.3, lesson.options().seed);
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
    Sequential<double> mended = two_layers(inputs, true_slope, 0.3, lesson.options().seed);
    lesson.check("the mended network passes",
                 all_pass(check_layer(mended, data.x.rows(0, 20), tape)));
}

void check_everything(Lesson& lesson) {
    lesson.section("Every layer and every loss");
    std::map<std::string, std::pair<double, double>> worst;  // by name: autograd, differences
    Index cases = 0, failed = 0;
    for (const GradientCase& gradient_case : gradient_cases(lesson.options().seed)) {
        const auto rows = check_layer(*gradient_case.layer, gradient_case.x, gradient_case.tape);
        auto& [autograd, differences] =
            worst[gradient_case.name.substr(0, gradient_case.name.find('('))];
        for (const GradientRow& row : rows) {
            autograd = worse(autograd, row.autograd->max_relative_error);
            differences = worse(differences, row.differences.max_relative_error);
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
        .tiny_epochs = 40,
        .data = "embedded",
        .data_help = image_set_help,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        const TwoClasses data = threes_and_eights(load_image_set(lesson.options().data).train,
                                                  lesson.options().tiny ? 150 : 1500);
        check_unit(lesson);
        locate(lesson, data);
        training_by_both(lesson, data, [&](bool book) {
            return two_layers(data.x.dim(1), book ? book_slope : true_slope, 0.01,
                              lesson.options().seed, lesson.options().device);
        });
        how_far_to_step(lesson);
        check_everything(lesson);
    });
}
