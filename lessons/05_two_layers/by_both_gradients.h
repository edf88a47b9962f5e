// Both data sets of lesson 3, each trained by the true gradient and by the notebook's.
#pragma once

#include <algorithm>
#include <cmath>

#include "report/histogram.h"
#include "report/lesson.h"
#include "training.h"

namespace handgrad {

/// Trains by both gradients, draws all curves and returns the runs: by the true one, then the
/// notebook's.
inline std::vector<Training> compare(Lesson& lesson, const Train& train,
                                     const TrainVal<Dataset>& data, Settings settings,
                                     const std::string& file, const std::string& caption) {
    std::vector<Training> runs;
    std::vector<TrainingCurves> curves;
    std::vector<Row> rows;
    for (const auto& [name, slope] :
         {std::pair{"true", Slope::true_one}, {"notebook's", Slope::notebooks}}) {
        settings.slope = slope;
        const Training& run = runs.emplace_back(train(data, settings));
        const LossAndAccuracy fitted = run.curves.last_train(), val = run.curves.last_val();
        rows.push_back(cells("%s | %.4f | %.3f | %.4f | %.3f | %.1f %%", name, fitted.loss,
                             fitted.accuracy, val.loss, val.accuracy, 100 * run.saturated));
        curves.push_back(run.curves);
        curves.back().title = name + std::string(" gradient");
    }
    lesson.table(
        {"gradient", "training loss", "accuracy", "validation loss", "accuracy", "|h| > 0.99"},
        rows);
    lesson.figure(file, caption + " Dashed: validation.", compared(curves));
    return runs;
}

inline void train_signs(Lesson& lesson, const TrainVal<Dataset>& signs, bool real,
                        const Train& train) {
    const LessonOptions& options = lesson.options();
    const double unit = rate_unit(signs.train);
    const double low = 0.001 * unit, middle = 0.01 * unit, high = 0.05 * unit;
    const int steps = std::max(1, options.epochs / 10);
    const int good = options.tiny ? 50 : options.quick ? 500 : 1000;
    lesson.section(real ? "Two signs" : "Two digits");
    lesson.say(
        format("The notebook's %s: five hidden units, all weights normal with standard "
               "deviation 0.01, %d epochs at rate %g, a tenth of it for the hidden layer.",
               real && options.epochs == 10'000 ? "settings" : "settings, scaled to this run",
               options.epochs, low));
    const auto slow = compare(lesson, train, signs, {.epochs = options.epochs, .lr = low},
                              "signs_slow.png", "Both gradients.");
    const double slow_loss = slow[0].curves.last_train().loss;
    if (slow_loss > 0.6)
        lesson.say(
            "Hardly anything is learnt, by either gradient. Nothing is broken; it has not begun.");
    lesson.say(
        format("Near zero weights each layer's gradient is proportional to the other layer's "
               "weights, so both grow like a small sum at interest, and the rate is the interest: "
               "what counts is rate times epochs. At rate %g, %d epochs get just as far. At %g, %d "
               "get farther:",
               middle, steps, high, good));
    const double same_loss = train(signs, {.epochs = steps, .lr = middle}).curves.last_train().loss;
    lesson.check(
        "ten times the rate needs a tenth of the epochs", std::abs(same_loss - slow_loss) < 0.002,
        format("training loss %.4f at rate %g, %.4f at %g", slow_loss, low, same_loss, middle));
    const auto runs =
        compare(lesson, train, signs, {.epochs = good, .lr = high}, "signs.png",
                real && !options.quick ? "The true gradient learns, the notebook's stalls."
                                       : "Both gradients.");
    lesson.result("signs_val_accuracy", runs[0].curves.last_val().accuracy);
    lesson.result("signs_val_loss", runs[0].curves.last_val().loss);
    const auto histogram = [](const char* gradient, const Training& run) {
        return Histogram{.title = format("Hidden values, %s gradient", gradient),
                         .x_label = "h",
                         .samples = {{"", run.hidden}},
                         .x_range = {-1, 1},
                         .density_curve = false};
    };
    lesson.figure(
        "hidden.png", "The hidden values of all training images after the last training.",
        panels({histogram("true", runs[0]), histogram("notebook's", runs[1])}, {.columns = 2}));
    if (!options.tiny)
        lesson.check("the true gradient trains further",
                     runs[0].curves.last_train().loss < runs[1].curves.last_train().loss);
    if (!real || options.epochs != 10'000 || options.seed != 42) return;
    // tools/reference_lessons.py two_layers
    check_reached(lesson, slow[0].curves, {0.676252, 0.53354}, {0.698150, 0.37349});
    check_reached(lesson, runs[0].curves, {0.078326, 0.98476}, {0.091001, 0.98795});
}

inline void train_dogs(Lesson& lesson, const TrainVal<Dataset>& dogs, bool real,
                       const Train& train) {
    const LessonOptions& options = lesson.options();
    const int epochs = std::max(1, options.epochs / 20);
    const double rate = 0.5 * rate_unit(dogs.train);
    lesson.section(real ? "Dogs and cats" : "Even and odd digits");
    lesson.say(format("The notebook's faster settings: %d epochs at rate %g.", epochs, rate));
    const auto runs =
        compare(lesson, train, dogs, {.epochs = epochs, .lr = rate}, "dogs.png",
                real && !options.quick
                    ? "By the notebook's gradient even the training loss rises in the end."
                    : "Both gradients.");
    lesson.result("dogs_val_accuracy", runs[0].curves.last_val().accuracy);
    if (real && options.epochs == 10'000 && options.seed == 42)
        check_reached(lesson, runs[0].curves, {0.635291, 0.65094}, {0.699170, 0.55875});
    if (options.quick) return;
    lesson.say(format("And its slower ones: %d epochs at rate %g, by the true gradient.",
                      10 * epochs, rate / 10));
    const TrainingCurves slow = train(dogs, {.epochs = 10 * epochs, .lr = rate / 10}).curves;
    lesson.figure("dogs_slow.png", "A tenth of the rate, and ten times as many steps.", slow);
    if (!real) return;
    const double loss = runs[0].curves.last_train().loss, slow_loss = slow.last_train().loss;
    lesson.check("again rate times epochs is what counts", std::abs(slow_loss - loss) < 0.005,
                 format("training loss %.4f and %.4f", slow_loss, loss));
    lesson.check("five hidden units do not tell dogs from cats", slow.last_val().accuracy < 0.62,
                 format("validation accuracy %.3f", slow.last_val().accuracy));
}

}  // namespace handgrad
