// b = a + a, c = b + b: four orders to run a tape backwards in, of which two are wrong and one
// slow.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "report/graph_plot.h"
#include "report/lesson.h"
#include "tape.h"

namespace handgrad {

// Each hands gradients on in its own order, and returns how many entries it has visited.

/// Hands on all that is there, as soon as something arrives: wrong where more is to come.
inline Index pass_on_at_once(Entry& entry, double gradient) {
    entry.grad += gradient;
    Index visits = 1;
    for (const auto& [input, slope] : entry.inputs)
        visits += pass_on_at_once(*input, slope * entry.grad);
    return visits;
}

/// The same on the first arrival alone: wrong, for the opposite reason.
inline Index pass_on_once(Entry& entry, double gradient, std::unordered_set<Entry*>& seen) {
    entry.grad += gradient;
    if (!seen.insert(&entry).second) return 1;
    Index visits = 1;
    for (const auto& [input, slope] : entry.inputs)
        visits += pass_on_once(*input, slope * entry.grad, seen);
    return visits;
}

/// Hands on what has just arrived, and no more: right, but every way through the graph is walked.
inline Index walk_all_ways(Entry& entry, double gradient) {
    entry.grad += gradient;
    Index visits = 1;
    for (const auto& [input, slope] : entry.inputs)
        visits += walk_all_ways(*input, slope * gradient);
    return visits;
}

/// The tape of y for a picture, with a name for each of its entries, inputs first.
inline GraphPlot picture(const std::string& title, const Number& y,
                         const std::vector<std::string>& names) {
    GraphPlot plot{.title = title};
    const std::vector<Entry*> order = inputs_first(y);
    for (const Entry* entry : order) {
        GraphNode node{
            names[plot.nodes.size()] + format("\nvalue %g\ngrad %g", entry->value, entry->grad),
            entry->inputs.empty() ? NodeForm::box : NodeForm::oval,
            {}};
        for (const auto& input : entry->inputs)
            node.inputs.push_back(static_cast<std::size_t>(
                std::ranges::find(order, input.entry.get()) - order.begin()));
        plot.nodes.push_back(node);
    }
    return plot;
}

inline void why_the_order_matters(Lesson& lesson) {
    lesson.section("Why the order matters");
    lesson.say(
        "b = a + a, then c = b + b: c = 4a, so dc/da = 4. The gradient of b comes in two parts, "
        "one along each arrow. It may be handed on to a only when both are there. Four ways to run "
        "backwards through n doublings, with dc/da = 2^n:");
    std::vector<Row> rows;
    std::vector<double> at_two;  // da after two doublings, by each
    for (const int n : {2, 3, 10, 20}) {
        const auto try_it = [&](const char* name, auto walk) {
            const Number a = 1;
            Number c = a;
            for (int i = 0; i < n; ++i) c = c + c;
            const Index visits = walk(c);
            if (n == 2) at_two.push_back(a.grad());
            rows.push_back(
                cells("%d | %s | %.10g | %.0f | %td", n, name, a.grad(), std::ldexp(1, n), visits));
        };
        try_it("at once, all of it", [](const Number& c) { return pass_on_at_once(*c.entry, 1); });
        try_it("at once, on the first arrival", [](const Number& c) {
            std::unordered_set<Entry*> seen;
            return pass_on_once(*c.entry, 1, seen);
        });
        try_it("at once, the new part", [](const Number& c) { return walk_all_ways(*c.entry, 1); });
        try_it("results first (topological)", [](const Number& c) {
            backward(c);
            return std::ssize(inputs_first(c));
        });
    }
    lesson.table({"n", "handed on", "da", "true", "visits"}, rows);
    lesson.say(
        "Handing on all of b's gradient at each arrival counts the first part twice. Handing on "
        "at the first arrival alone loses the second. Handing on just the new part is right, and "
        "walks all 2^n ways. In topological order, every result before its inputs, each entry is "
        "visited once, when its gradient is complete.");
    lesson.check("the naive orders are wrong", at_two[0] == 6 && at_two[1] == 2,
                 format("da = %g and %g for 4", at_two[0], at_two[1]));
    lesson.check("the topological one is right", at_two[2] == 4 && at_two[3] == 4);
    const auto in_a_chain = [](auto walk) {
        const Number a = 0.5, c = tanh(tanh(a));
        walk(c);
        return a.grad();
    };
    std::unordered_set<Entry*> seen;
    const double right = in_a_chain([](const Number& c) { backward(c); });
    const double all = in_a_chain([](const Number& c) { pass_on_at_once(*c.entry, 1); });
    const double once = in_a_chain([&](const Number& c) { pass_on_once(*c.entry, 1, seen); });
    lesson.check("in a chain without branches both wrong orders are right",
                 all == right && once == right, format("%.6f by each", right));
    const Number a = 1, b = a + a, c = b + b;
    backward(c);
    lesson.figure("order.png", "b = a + a, c = b + b, after backward.",
                  picture("Each gradient is the sum over the arrows that leave", c,
                          {"a", "b = a + a", "c = b + b"}));
}

}  // namespace handgrad
