// Activations: what stands between two linear layers, and what it does to the gradient.
//
//   make lesson N=6
//
// Here: six functions and their derivatives; a gradient that fades, holds or explodes on its way
// through twenty layers; units that start equal and stay equal. In files beside this one, each a
// section of the report: formulas_that_fail.h, fan_in_times_variance.h, saturation.h and
// layers_that_collapse.h. README.md derives what is measured here.
#include <algorithm>
#include <cmath>
#include <map>

#include "core/random.h"
#include "core/tensor_ops.h"
#include "data/image_set.h"
#include "deep_net.h"
#include "fan_in_times_variance.h"
#include "formulas_that_fail.h"
#include "init/init.h"
#include "layers/layer.h"
#include "layers_that_collapse.h"
#include "losses/cross_entropy.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "saturation.h"
#include "train/metrics.h"
#include "train/train_step.h"

using namespace handgrad;

namespace {

using Matrix = Tensor<double>;

void show_functions(Lesson& lesson) {
    lesson.section("Six functions");
    lesson.say(
        "Each activation is a layer: forward gives the function, backward of ones its derivative. "
        "The derivative is held against differences.");
    const std::vector<double> at = linspace(-6, 6, 600);  // an even number: no point at the kink
    const Matrix t = Matrix::from({std::ssize(at)}, at, lesson.options().device);
    const Matrix ones = Matrix::full(t.shape(), 1, t.device());
    const double e = 1e-5;
    double worst = 0;
    std::vector<Row> rows;
    std::vector<Drawing> plots;
    for (const Unit& unit : six_units()) {
        const auto f = unit.make();
        const Matrix difference = (f->forward(t + e) - f->forward(t - e)) / (2 * e);
        const std::vector<double> value = f->forward(t).values();
        const Matrix derivative = f->backward(ones);
        const std::vector<double> slope = derivative.values();
        worst = std::max(worst, max(abs(derivative - difference)).item());
        plots.push_back(Plot{.title = unit.name,
                             .series = {{"f(t)", value, at}, {"f'(t)", slope, at}},
                             .zero_lines = true});
        const auto [least, greatest] = std::minmax_element(slope.begin(), slope.end());
        const double middle = f->forward(Matrix::zeros({1}, t.device())).item();
        rows.push_back(cells("%s | %.3f | %.3f | %.3f | %.4f | %.4f", unit.name.c_str(),
                             value.front(), middle, value.back(), *least, *greatest));
    }
    lesson.figure("functions.png", "Each function and its derivative.",
                  panels(plots, {.columns = 3, .panel_height = 620}));
    lesson.table({"activation", "f(-6)", "f(0)", "f(6)", "least slope", "greatest slope"}, rows);
    lesson.say(
        "Logistic and tanh are bounded, so both ends are flat: a unit there (saturated) passes "
        "hardly any gradient. The slope of the logistic is nowhere above 1/4, and its outputs lie "
        "around 1/2, not 0.");
    lesson.check("every derivative is that of its function", worst < 1e-9, format("%.1e", worst));
}

void show_fading(Lesson& lesson) {
    lesson.section("A gradient's way through twenty layers");
    lesson.say(
        "Twenty layers of 100 units, inputs from a normal distribution, and at the top a gradient "
        "of size 1. What is left of it at the bottom? On the way through a layer its mean square "
        "is multiplied by fan_out Var(w) E[f'^2], that of the signal by fan_in Var(w) before the "
        "activation has its say.");
    const Index width = 100;
    const std::vector<std::pair<std::string, double>> rules = {{"N(0, 0.01^2)", 0.01},
                                                               {"1/fan_in (Xavier)", 1},
                                                               {"2/fan_in (He)", 2},
                                                               {"Var(w) = 1", 100}};
    std::map<std::string, std::map<std::string, double>> left;  // by activation and rule
    std::map<std::string, std::vector<Series>> by_rule;         // by activation
    std::vector<Series> by_unit;
    std::vector<Row> rows;
    double worst = 0;
    std::vector<Unit> units = six_units();
    units.push_back(unit<Identity<double>>("identity"));
    for (const Unit& unit : units) {
        Row row = {unit.name};
        for (const auto& [rule, gain] : rules) {
            Sequential<double> model = deep_net(unit, width, gain, lesson.options());
            const DeepFlow flow = flow_through(model, width, gain, lesson.options());
            const double ratio = flow.gradient.front() / flow.gradient.back();
            worst = std::max(worst, std::abs(std::log(ratio / flow.expected)) / depth);
            left[unit.name][rule] = ratio;
            row.push_back(format("%.1e", ratio));
            by_rule[unit.name].push_back({rule, flow.gradient});
            if (gain == 1) by_unit.push_back({unit.name, flow.gradient});
        }
        rows.push_back(row);
        lesson.result("gradient_left_" + unit.name, left[unit.name]);
    }
    Row header = {"gradient left at the input"};
    for (const auto& [rule, gain] : rules) header.push_back(rule);
    lesson.table(header, rows);
    lesson.say(
        "Weights of variance 1 are no medicine: 100 inputs add up, and the gradient explodes for "
        "all but the logistic. What matters is fan_in Var(w): about 1 for tanh, 2 for ReLU, which "
        "passes half. The logistic fades under every rule, by at least 4 a layer unless the "
        "weights are large.");
    const auto plot = [](const char* title, const std::vector<Series>& curves) {
        return Plot{.title = title,
                    .x_label = "layer (0: the input)",
                    .y_label = "size of the gradient",
                    .series = curves,
                    .log_y = true};
    };
    lesson.figure("fading_by_activation.png", "The gradient in each layer, by activation.",
                  plot("Size of the gradient, Var(w) = 1/fan_in", by_unit));
    lesson.figure("fading_by_rule.png", "The gradient in each layer, by initialisation.",
                  panels({plot("tanh", by_rule["tanh"]), plot("ReLU", by_rule["ReLU"])},
                         {.columns = 2, .panel_height = 720}));
    const auto holds = [&](const char* unit, const char* rule) {
        return left[unit][rule] > 0.2 && left[unit][rule] < 5;
    };
    lesson.check("a layer passes sqrt(fan_out Var(w) E[f'^2]) of it", worst < 0.1,
                 format("to within a factor of %.3f a layer", std::exp(worst)));
    lesson.check("without activation 1/fan_in holds", holds("identity", "1/fan_in (Xavier)"));
    lesson.check("ReLU needs 2/fan_in",
                 holds("ReLU", "2/fan_in (He)") && left["ReLU"]["1/fan_in (Xavier)"] < 0.01);
    lesson.check("the logistic fades by more than 4 a layer",
                 left["logistic"]["1/fan_in (Xavier)"] < std::pow(0.25, depth));
    lesson.check("Var(w) = 1 explodes",
                 left["tanh"]["Var(w) = 1"] > 1e3 && left["ReLU"]["Var(w) = 1"] > 1e12);
}

/// How a linear layer can start: weight (out, in). The first six are the lecture's.
void initialise(const std::string& rule, const Matrix& weight, Random& random) {
    if (rule == "xavier") init::xavier_normal(weight, random);
    if (rule == "he") init::he_normal(weight, random);
    if (rule == "normal") random.normal(weight, 0, 1);
    if (rule == "uniform") random.uniform(weight, -1, 1);
    if (rule == "zeros") weight.fill(0);
    if (rule == "ones") weight.fill(1);
    if (rule == "equal units") weight.fill(0.01);
}

void show_symmetry(Lesson& lesson) {
    lesson.section("How a layer starts, and symmetry");
    const LessonOptions& options = lesson.options();
    const Dataset images = load_image_set(options.data).train;
    const Dataset set = images.rows(0, std::min<Index>(images.size(), options.tiny ? 32 : 1500));
    const Matrix x = set.x.cast<double>().to(options.device);  // (N, pixels)
    const Labels y = set.y.to(options.device);
    const auto classes = std::ssize(set.classes);
    const double rate = 0.5;
    lesson.say(
        format("A network %td-16-%td with tanh units on %td images of %s, %d full-batch "
               "steps at rate %g, from seven starts. Are the hidden units still equal?",
               x.dim(1), classes, set.size(), set.name.c_str(), options.epochs, rate));
    std::vector<Row> rows;
    std::vector<Series> curves;
    std::map<std::string, double> spread, moved, right;  // by start
    for (const std::string rule :
         {"xavier", "he", "normal", "uniform", "zeros", "ones", "equal units"}) {
        Random random(options.seed);
        Sequential<double> model;
        auto& hidden = model.add<Linear<double>>(x.dim(1), 16, random, options.device);
        model.add<Tanh<double>>();
        auto& output = model.add<Linear<double>>(16, classes, random, options.device);
        for (Linear<double>* layer : {&hidden, &output}) {
            initialise(rule, layer->weight.value, random);
            layer->bias.value.fill(0);
        }
        if (rule == "equal units")  // the classes may differ, as long as the units do not
            for (Index c = 0; c < classes; ++c)
                output.weight.value.rows(c, c + 1).fill(0.1 * std::sin(static_cast<double>(c)));
        const Matrix start = hidden.weight.value.clone();
        CrossEntropyLoss<double> loss;
        SGD<double> sgd(model.parameters(), rate);
        Series& curve = curves.emplace_back(Series{.label = rule});
        for (int step = 0; step < options.epochs; ++step)
            curve.y.push_back(train_step(model, loss, sgd, x, y));
        const Matrix& w = hidden.weight.value;  // (16, pixels)
        spread[rule] = max(abs(w - w.rows(0, 1))).item();
        moved[rule] = max(abs(w - start)).item();
        right[rule] = accuracy(model.forward(x), y);
        rows.push_back(cells("%s | %.4f | %.4f | %.1f %% | %.1e | %.1e", rule.c_str(),
                             curve.y.front(), curve.y.back(), 100 * right[rule], moved[rule],
                             spread[rule]));
    }
    lesson.table({"start", "first loss", "last loss", "accuracy", "hidden weights moved by",
                  "units differ by"},
                 rows);
    lesson.result("accuracy_by_start", right);
    lesson.say(
        "Units that start equal get equal gradients: they stay equal for ever, and sixteen of them "
        "are worth one. In the last row the classes start apart, so that this one unit learns. "
        "Where all weights are equal not even that happens: dh = sum over classes of (q - y) w, "
        "and q - y sums to zero. Only the output layer moves, and from zeros only its bias.");
    lesson.figure("symmetry.png", "Training from seven starts. Zeros and ones lie on one another.",
                  {.title = "Training loss",
                   .x_label = "step",
                   .y_label = "cross entropy",
                   .series = curves});
    lesson.check("equal units stay equal",
                 spread["zeros"] == 0 && spread["ones"] < 1e-9 && spread["equal units"] < 1e-9);
    lesson.check("random ones do not", spread["xavier"] > 0.1 && spread["he"] > 0.1);
    lesson.check("equal weights do not move the hidden layer",
                 moved["zeros"] == 0 && moved["ones"] < 1e-9 && moved["equal units"] > 0.01);
    lesson.check("equal units learn less",
                 right["equal units"] < right["xavier"] - 0.2 && right["zeros"] < 0.3);
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "06_activations",
        .title = "Activations",
        .summary =
            "Six functions between linear layers: their derivatives, what becomes of a "
            "gradient in twenty layers, how weights should start, and why a bend is needed.",
        .epochs = 400,
        .quick_epochs = 100,
        .tiny_epochs = 40,
        .data = "embedded",
        .data_help = image_set_help,
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        show_functions(lesson);
        formulas_that_fail(lesson);
        show_fading(lesson);
        fan_in_times_variance(lesson);
        saturation(lesson);
        show_symmetry(lesson);
        layers_that_collapse(lesson);
    });
}
