// Activations: what stands between two linear layers, and what it does to the gradient.
//
//   make lesson N=6
//
// Here: six functions and their derivatives; a gradient that fades, holds or explodes on its way
// through twenty layers. In files beside this one, each a section of the report:
// formulas_that_fail.h, fan_in_times_variance.h, uneven_widths.h, saturation.h,
// units_that_stay_equal.h, layers_that_collapse.h and depth_that_folds.h. README.md derives what is
// measured here.
#include <algorithm>
#include <cmath>
#include <map>

#include "core/tensor_ops.h"
#include "deep_net.h"
#include "depth_that_folds.h"
#include "fan_in_times_variance.h"
#include "formulas_that_fail.h"
#include "layers_that_collapse.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "saturation.h"
#include "train/metrics.h"
#include "uneven_widths.h"
#include "units_that_stay_equal.h"

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
        worst = worse(worst, max(abs(derivative - difference)).item());
        const auto [least, greatest] = std::minmax_element(slope.begin(), slope.end());
        plots.push_back(function_and_derivative(unit.name, at, value, slope));
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
    bool bound_holds = true;
    std::vector<Unit> units = six_units();
    units.push_back(unit<Identity<double>>("identity"));
    for (const Unit& unit : units) {
        Row row = {unit.name};
        for (const auto& [rule, gain] : rules) {
            Sequential<double> model = deep_net(unit, width, gain, lesson.options());
            const DeepFlow flow = flow_through(model, width, lesson.options());
            const double ratio = flow.gradient.front() / flow.gradient.back();
            const double expected = expected_share(model, width, gain, lesson.options());
            worst = worse(worst, std::abs(std::log(ratio / expected)) / depth);
            if (unit.name == "logistic")  // f' <= 1/4, but one draw of the weights strays
                bound_holds &= std::pow(ratio, 1.0 / depth) < 1.02 * std::sqrt(gain) / 4;
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
        "passes half. The logistic's slope is 1/4 at most, so a layer keeps no more than "
        "sqrt(fan_in Var(w)) / 4 of the gradient: a quarter under 1/fan_in, 0.35 under 2/fan_in. "
        "It would take 16/fan_in to hold it, and such weights saturate.");
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
    const auto a_layer = [&](const char* rule) {
        return std::pow(left["logistic"][rule], 1.0 / depth);
    };
    lesson.check("the logistic keeps at most sqrt(fan_in Var(w)) / 4 a layer", bound_holds,
                 format("%.3f under 1/fan_in, %.3f under 2/fan_in", a_layer("1/fan_in (Xavier)"),
                        a_layer("2/fan_in (He)")));
    lesson.check("Var(w) = 1 explodes",
                 left["tanh"]["Var(w) = 1"] > 1e3 && left["ReLU"]["Var(w) = 1"] > 1e12);
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
        uneven_widths(lesson);
        saturation(lesson);
        units_that_stay_equal(lesson);
        layers_that_collapse(lesson);
        depth_that_folds(lesson);
    });
}
