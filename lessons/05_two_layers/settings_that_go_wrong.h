// What can go wrong on the easy set, in float and in double: saturated units, and zero weights.
#pragma once

#include <algorithm>
#include <cmath>

#include "report/lesson.h"
#include "training.h"

namespace handgrad {

inline void settings_that_go_wrong(Lesson& lesson, const TrainVal<Dataset>& signs, bool real,
                                   const Train& in_float, const Train& in_double) {
    lesson.section("Settings that go wrong");
    const int epochs = lesson.options().tiny ? 15 : lesson.options().quick ? 250 : 500;
    lesson.say(
        format("The notebook warns of divergence and puts it down to numerical issues of tanh. %d "
               "epochs on the classes 0 and 1, everything computed once in float, with 24 bits, "
               "and once in double, with 53. If it were the numbers, double would do better.",
               epochs));
    const double good = 0.2 * rate_unit(signs.train), large = 100 * good;
    const std::pair<std::string, Settings> cases[] = {
        {format("rate %g", good), {epochs, good, good}},
        {format("rate %g, notebook's gradient", good),
         {epochs, good, good, 0.01, Slope::notebooks}},
        {"the same, hidden layer at a tenth", {epochs, good, good / 10, 0.01, Slope::notebooks}},
        {format("rate %g", large), {epochs, large, large}},
        {"starting weights 100 times as large", {epochs, good, good, 1}},
        {"starting weights 0", {epochs, good, good, 0}}};
    std::vector<Row> rows;
    std::vector<Training> runs;
    std::vector<double> wrong;  // losses of all but the first, in float and in double
    for (const auto& [what, settings] : cases) {
        const Training& run = runs.emplace_back(in_float(signs, settings));
        const double loss = run.curves.last_train().loss;
        const double exact = in_double(signs, settings).curves.last_train().loss;
        if (runs.size() > 1) wrong.insert(wrong.end(), {loss, exact});
        rows.push_back(cells("%s | %.3f | %.4f | %.4f | %.3f | %.1f %%", what.c_str(),
                             std::ranges::max(run.curves.train_loss), loss, exact,
                             run.curves.last_val().accuracy, 100 * run.saturated));
    }
    lesson.table(
        {"", "largest loss", "last, float", "last, double", "validation accuracy", "|h| > 0.99"},
        rows);
    if (real)
        lesson.say(
            "Double goes wrong wherever float does. (Where units jump about between saturated "
            "values the two part, since any small difference grows; neither is right.) The "
            "notebook's gradient drives its units to -1 and +1, where the true slope is nearly 0 "
            "and nothing can be mended; a tenth of the rate only makes that slower. Too large a "
            "rate or a start does the same by itself.");
    else
        lesson.say(
            "Digits are easier than hands, and not all of these settings fail on them. What "
            "fails in float fails in double too.");
    lesson.say(
        "From zero weights nothing but the output bias ever moves: h = 0, so dw2 = 0; "
        "w2 = 0, so dW1 = 0. tanh has no numerical trouble anywhere: it is bounded, and so is its "
        "slope.");
    lesson.check("from zero weights nothing is learnt", runs[5].curves.last_train().loss > 0.6);
    if (!real) return;
    const double right = runs[0].curves.last_train().loss;
    lesson.check("the first learns; all others fail in float and in double",
                 right < 0.02 && std::ranges::min(wrong) > 5 * right,
                 format("training loss %.4f, at least %.4f", right, std::ranges::min(wrong)));
    lesson.check(
        "the notebook's gradient saturates the units",
        runs[1].saturated > 0.5 && runs[0].saturated < 0.2,
        format("%.2f of them, %.2f by the true one", runs[1].saturated, runs[0].saturated));
}

}  // namespace handgrad
