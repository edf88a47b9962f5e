// One weight: gradient descent on L(w) = e^(wz) with z = -1.
//
//   make lesson N=1
//
// The smallest training there is. Its gradient is found by hand, by autograd and by differences;
// its speed is predicted, and met; and in float it comes to a halt. README.md beside this file has
// the derivations.
#include <algorithm>
#include <cmath>

#include "autograd/operations.h"
#include "many_weights_at_once.h"
#include "report/lesson.h"
#include "report/plot.h"
#include "where_floats_stop.h"

using namespace handgrad;

namespace {

constexpr double z = -1;
constexpr double lr = 1e-3;
constexpr double goal = 1e-3;  // the loss to get below

double loss(double w) {
    return std::exp(w * z);
}

// The gradient three ways: dL/dw = z e^(wz).

double by_hand(double w) {
    return z * std::exp(w * z);
}

double by_autograd(double w, Device device) {
    const Variable<double> weight(Tensor<double>::full({}, w, device), true);
    exp(weight * z).backward();
    return weight.grad().item();
}

double by_differences(double w) {
    const double e = 1e-5;
    return (loss(w + e) - loss(w - e)) / (2 * e);
}

void show_gradient(Lesson& lesson) {
    lesson.section("Its gradient, three ways");
    lesson.say(
        "By hand, dL/dw = z e^(wz). Autograd records the product and the exponential and applies "
        "the chain rule backwards. A central difference asks the loss alone.");
    std::vector<Row> rows;
    double autograd_error = 0, difference_error = 0;
    for (const double w : {0.0, 1.0, 3.0, 7.0}) {
        const double hand = by_hand(w), tape = by_autograd(w, lesson.options().device);
        const double difference = by_differences(w);
        autograd_error = std::max(autograd_error, std::abs(tape / hand - 1));
        difference_error = std::max(difference_error, std::abs(difference / hand - 1));
        rows.push_back(cells("%g | %.12f | %.12f | %.12f", w, hand, tape, difference));
    }
    lesson.table({"w", "by hand", "by autograd", "by differences"}, rows);
    lesson.check("dL/dw at 0 is -1", by_hand(0) == -1);
    lesson.check("autograd agrees", autograd_error < 1e-15, format("%.1e", autograd_error));
    lesson.check("differences agree", difference_error < 1e-8, format("%.1e", difference_error));
}

void thousand_steps(Lesson& lesson) {
    lesson.section("A thousand steps");
    lesson.say(format(
        "w starts at 0, and each step moves it against the gradient: w <- w - %g dL/dw.", lr));
    std::vector<Row> rows;
    std::vector<double> ends;
    const auto descend = [&](const char* name, auto gradient) {
        double w = 0;
        for (int step = 0; step < 1000; ++step) w -= lr * gradient(w);
        rows.push_back(cells("%s | %.14f | %.6f", name, w, loss(w)));
        ends.push_back(w);
    };
    descend("by hand", by_hand);
    descend("by autograd", [&](double w) { return by_autograd(w, lesson.options().device); });
    descend("by differences", by_differences);
    lesson.table({"gradient", "w after 1000 steps", "L(w)"}, rows);
    lesson.say(
        "The loss has been halved. The gradient shrinks with the loss: the better w is, the "
        "smaller its steps.");
    lesson.result("w_after_1000_steps", ends[0]);
    lesson.check("w = 0.69332", std::abs(ends[0] - 0.69332) < 5e-6, format("%.8f", ends[0]));
    lesson.check("all three walk alike",
                 std::abs(ends[1] - ends[0]) < 1e-13 && std::abs(ends[2] - ends[0]) < 1e-9);
}

/// w_n as u = e^w predicts it: u_n = 1 + lr n + (lr/2) ln(1 + lr n).
double predicted(double n, double rate) {
    return std::log(1 + rate * n + rate / 2 * std::log1p(rate * n));
}

/// The step at which the loss has reached the goal: u_n = 1/goal solved for n.
double predicted_steps(double rate) {
    return std::max(1.0, std::ceil((1 / goal - 1 - rate / 2 * std::log(1 / goal)) / rate));
}

/// w after each step until the loss is below the goal, from the start, 0.
std::vector<double> descend_to_goal(double rate) {
    std::vector<double> path = {0};
    while (loss(path.back()) >= goal) path.push_back(path.back() - rate * by_hand(path.back()));
    return path;
}

void until_goal(Lesson& lesson) {
    lesson.section("Until L < 0.001");
    const std::vector<double> path = descend_to_goal(lr);
    const Index steps = std::ssize(path) - 1;
    lesson.say(
        format("It takes %td steps, and w = %.6f then. The lecture says that w needs to be "
               "smaller than 6.9. It needs to be larger: L < 0.001 is w > ln 1000 = %.6f, "
               "and at 6.9 the loss is still %.6f.",
               steps, path.back(), std::log(1000), loss(6.9)));
    lesson.result("steps_to_goal", steps);
    lesson.check("998,997 steps", steps == 998997, format("%td", steps));
    lesson.check("w is larger than 6.9", path.back() > 6.9 && loss(6.9) > goal);

    lesson.say(
        "Why so many? Let u = e^w = 1/L. A step makes it u e^(lr/u) = u + lr + lr^2/2u + ..., so u "
        "grows by lr a step: u_n = 1 + lr n, and w_n = ln(1 + lr n). The loss falls like 1/n, and "
        "each further digit costs ten times the steps. Adding up lr^2/2u as well gives "
        "u_n = 1 + lr n + (lr/2) ln(1 + lr n).");
    std::vector<double> at, measured, first_order, gap_first, gap_second;
    for (const Index step : log_steps(steps)) {
        const auto n = static_cast<double>(step);
        const double w = path[static_cast<std::size_t>(step)];
        at.push_back(n);
        measured.push_back(w);
        first_order.push_back(std::log1p(lr * n));
        gap_first.push_back(std::abs(w - first_order.back()));
        gap_second.push_back(std::abs(w - predicted(n, lr)));
    }
    lesson.figure(
        "growth.png", "The weight after n steps, as measured and as ln(1 + lr n).",
        {.title = "w grows like a logarithm",
         .x_label = "number of steps n",
         .y_label = "w",
         .series =
             {{"measured", measured, at},
              {"ln(1 + lr n)", first_order, at, Style::points},
              {"L < 0.001 above this", {std::log(1000), std::log(1000)}, {1, 1e6}, Style::dashed}},
         .log_x = true});
    lesson.figure("growth_error.png", "How far both predictions are from the measured weight.",
                  {.title = "Distance of the prediction from w",
                   .x_label = "number of steps n",
                   .y_label = "distance",
                   .series = {{"ln(1 + lr n)", gap_first, at},
                              {"ln(1 + lr n + (lr/2) ln(1 + lr n))", gap_second, at}},
                   .log_y = true,
                   .log_x = true});
    const double worst_first = *std::max_element(gap_first.begin(), gap_first.end());
    const double worst_second = *std::max_element(gap_second.begin(), gap_second.end());
    lesson.check("ln(1 + lr n) follows w", worst_first < lr / 2, format("%.1e", worst_first));
    lesson.check("the second term too", worst_second < lr * lr, format("%.1e", worst_second));

    lesson.say(
        "The prediction counts the steps for other rates as well. It holds while a step is small "
        "beside 1; beyond that a single step overshoots the goal, which does no harm only because "
        "this loss has no minimum to miss.");
    std::vector<Row> rows;
    bool small_rates_met = true;
    for (const double rate : {0.001, 0.01, 0.1, 1.0, 5.0, 10.0}) {
        const Index taken = std::ssize(descend_to_goal(rate)) - 1;
        const double expected = predicted_steps(rate);
        if (rate <= 0.1) small_rates_met &= static_cast<double>(taken) == expected;
        rows.push_back(
            cells("%g | %td | %.0f | %.0f", rate, taken, expected, (1 / goal - 1) / rate));
    }
    lesson.table({"lr", "steps", "predicted", "999 / lr"}, rows);
    lesson.check("the steps are predicted to the last", small_rates_met, "for rates up to 0.1");
}

}  // namespace

int main(int argc, char** argv) {
    const LessonInfo info{
        .name = "01_one_weight",
        .title = "One weight",
        .summary =
            "Gradient descent on e^(wz) with a single weight: its gradient three ways, how "
            "many steps it takes and why, and where floats stop it.",
        .any_device = true,
    };
    return run_lesson(argc, argv, info, [](Lesson& lesson) {
        many_weights_at_once(lesson, z);
        show_gradient(lesson);
        thousand_steps(lesson);
        until_goal(lesson);
        where_floats_stop(lesson);
    });
}
