// Where layers are not equally wide: which rule for Var(w) is He's, and what it does to the
// gradient on its way back.
#pragma once

#include <cmath>
#include <map>

#include "deep_net.h"
#include "report/plot.h"

namespace handgrad {

/// What Var(w) is to be, by the layer's fan_in and fan_out.
struct VarianceRule {
    const char* name;
    double (*variance)(double in, double out);
};

/// The three rules that agree where layers are equally wide, on layers that are not.
inline void uneven_widths(Lesson& lesson) {
    lesson.section("Layers that are not equally wide");
    lesson.say(
        "He's rule is Var(w) = 2/fan_in: forwards a layer of ReLUs multiplies the mean square by "
        "fan_in Var(w) / 2. Backwards it is fan_out Var(w) / 2, and 2/fan_out keeps the gradient "
        "level. The slides also give 4/(fan_in + fan_out), as He's. Where layers are equally wide "
        "all three are one rule. Here they are 400 and 50 wide in turn:");
    const VarianceRule rules[] = {
        {"2/fan_in", [](double in, double) { return 2 / in; }},
        {"2/fan_out", [](double, double out) { return 2 / out; }},
        {"4/(fan_in + fan_out)", [](double in, double out) { return 4 / (in + out); }}};
    std::vector<Index> widths;
    for (int layer = 0; layer <= depth; ++layer) widths.push_back(layer % 2 == 0 ? 400 : 50);
    std::vector<Row> rows;
    std::vector<Series> signals, gradients;
    std::map<std::string, double> signal, gradient, swing;  // by rule
    for (const VarianceRule& rule : rules) {
        Sequential<double> model =
            deep_net(unit<ReLU<double>>("ReLU"), widths, rule.variance, lesson.options());
        const DeepFlow flow = flow_through(model, widths.front(), lesson.options());
        signal[rule.name] = flow.signal.back() / flow.signal.front();
        gradient[rule.name] = flow.gradient.front() / flow.gradient.back();
        double steps = 0;  // of the gradient's logarithm
        for (std::size_t i = 1; i < flow.gradient.size(); ++i)
            steps += std::abs(std::log(flow.gradient[i] / flow.gradient[i - 1])) / depth;
        swing[rule.name] = std::exp(steps);
        signals.push_back({rule.name, flow.signal});
        gradients.push_back({rule.name, flow.gradient});
        rows.push_back(cells("%s | %.2g | %.2g | %.2f", rule.name, signal[rule.name],
                             gradient[rule.name], swing[rule.name]));
    }
    lesson.table({"Var(w)", "signal after 20 layers", "gradient left at the input",
                  "a layer changes the gradient by"},
                 rows);
    const auto plot = [](const char* title, const std::vector<Series>& curves) {
        return Plot{
            .title = title, .x_label = "layer (0: the input)", .series = curves, .log_y = true};
    };
    lesson.figure(
        "uneven.png",
        "Layers of 400 and 50 ReLUs in turn: the signal on its way up, and the gradient "
        "on its way down, from right to left.",
        panels({plot("Size of the signal", signals), plot("Size of the gradient", gradients)},
               {.columns = 2, .panel_height = 720}));
    lesson.say(
        "2/fan_in keeps the signal level, and the gradient goes up and down by sqrt(400/50) = 2.8 "
        "with each layer: fan_out / fan_in is 1/8 in one and 8 in the next, and all of them "
        "multiply to the last width over the first. So the gradient holds as well. 2/fan_out does "
        "the same the other way round: either is enough. 4/(fan_in + fan_out) lies between the "
        "two and holds neither.");
    const auto holds = [](double share) { return share > 0.2 && share < 5; };
    lesson.check("2/fan_in and 2/fan_out hold both ways",
                 holds(signal["2/fan_in"]) && holds(gradient["2/fan_in"]) &&
                     holds(signal["2/fan_out"]) && holds(gradient["2/fan_out"]));
    lesson.check("under 2/fan_in the gradient swings by sqrt(8), under 2/fan_out hardly",
                 std::abs(swing["2/fan_in"] - std::sqrt(8)) < 0.3 && swing["2/fan_out"] < 1.3,
                 format("%.2f and %.2f", swing["2/fan_in"], swing["2/fan_out"]));
    lesson.check("4/(fan_in + fan_out) fades both ways",
                 signal["4/(fan_in + fan_out)"] < 0.05 && gradient["4/(fan_in + fan_out)"] < 0.05);
    lesson.result("uneven_gradient_left", gradient);
    lesson.result("uneven_signal_left", signal);
}

}  // namespace handgrad
