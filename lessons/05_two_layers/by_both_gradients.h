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
    // A shorter run takes larger steps, and so gets just as far, as is shown below.
    const double longer = options.tiny ? 20 : 10'000.0 / options.epochs;
    const double low = 0.001 * unit * longer, high = 0.05 * unit;
    const int steps = std::max(1, options.epochs / 10);
    const int good = options.tiny ? 50 : options.quick ? 500 : 1000;
    lesson.section(real ? "Two signs" : "Two digits");
    lesson.say(format(
        "The notebook's settings%s: five hidden units, all weights normal with standard deviation "
        "0.01, %d epochs at rate %g, a tenth of it for the hidden layer.",
        longer == 1 ? "" : format(", but %g times the rate and fewer epochs", longer).c_str(),
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
               10 * low, steps, high, good));
    const double moved = slow[0].curves.train_loss.front() - slow_loss;
    const double same = train(signs, {.epochs = steps, .lr = 10 * low}).curves.last_train().loss;
    if (!options.tiny)  // too short for anything to move
        lesson.check("ten times the rate needs a tenth of the epochs",
                     moved > 0.01 && std::abs(same - slow_loss) < 0.1 * moved,
                     format("training loss %.4f at rate %g, %.4f at %g, both from %.4f", slow_loss,
                            low, same, 10 * low, slow[0].curves.train_loss.front()));
    const auto runs =
        compare(lesson, train, signs, {.epochs = good, .lr = high}, "signs.png",
                real && !options.quick ? "The true gradient learns, the notebook's stalls."
                                       : "Both gradients.");
    lesson.result("signs_val_accuracy", runs[0].curves.last_val().accuracy);
    lesson.result("signs_val_loss", runs[0].curves.last_val().loss);
    const auto histogram = [&](const char* gradient, const Training& run, bool density) {
        return Histogram{.title = format("Hidden values, %s gradient", gradient),
                         .x_label = "h",
                         .samples = {{"class " + signs.train.classes[0], run.hidden[0]},
                                     {"class " + signs.train.classes[1], run.hidden[1]}},
                         .x_range = {-1, 1},
                         .density_curve = density};
    };
    lesson.figure("hidden.png", "The hidden values of all training images after the last training.",
                  panels({histogram("true", runs[0], true),
                          histogram("notebook's", runs[1], runs[1].saturated < 0.2)},
                         {.columns = 2}));
    if (!options.tiny)
        lesson.check("the true gradient trains further",
                     runs[0].curves.last_train().loss < runs[1].curves.last_train().loss);
    // tools/reference_lessons.py two_layers
    check_reached(lesson, slow[0].curves, !real,
                  {{false, 10'000, {0.676252, 0.53354}, {0.698150, 0.37349}},
                   {true, 10'000, {0.072807, 1}, {0.064907, 1}},
                   {true, 500, {0.073709, 1}, {0.065780, 1}}});
    check_reached(lesson, runs[0].curves, !real,
                  {{false, 1000, {0.078326, 0.98476}, {0.091001, 0.98795}},
                   {true, 1000, {0.004289, 1}, {0.002719, 1}},
                   {true, 500, {0.011217, 1}, {0.007838, 1}}});
}

inline void train_dogs(Lesson& lesson, const TrainVal<Dataset>& dogs, bool real,
                       const Train& train) {
    const LessonOptions& options = lesson.options();
    const int epochs = std::max(1, options.epochs / 20);
    const double rate = 0.5 * rate_unit(dogs.train);
    const bool full = options.epochs == 10'000;
    lesson.section(real ? "Dogs and cats" : "Even and odd digits");
    lesson.say(format("The notebook's faster settings%s: %d epochs at rate %g.",
                      full ? "" : ", but for the epochs, which are fewer", epochs, rate));
    const auto runs =
        compare(lesson, train, dogs, {.epochs = epochs, .lr = rate}, "dogs.png",
                real && full ? "By the notebook's gradient even the training loss rises in the end."
                             : "Both gradients.");
    if (real && full) {
        const std::vector<double>& loss = runs[1].curves.train_loss;
        const double least = *std::min_element(loss.begin(), loss.end()), end = loss.back();
        lesson.check("by the notebook's gradient the training loss rises in the end",
                     end > least + 0.001, format("from %.4f to %.4f", least, end));
    }
    lesson.result("dogs_val_accuracy", runs[0].curves.last_val().accuracy);
    check_reached(lesson, runs[0].curves, !real,
                  {{false, 500, {0.635291, 0.65094}, {0.699170, 0.55875}},
                   {true, 500, {0.149280, 0.93180}, {0.196080, 0.91389}},
                   {true, 25, {0.546542, 0.83716}, {0.548571, 0.83056}}});
    if (options.quick) return;
    lesson.say(format("And its slower ones: %d epochs at rate %g.", 10 * epochs, rate / 10));
    const auto slow = compare(lesson, train, dogs, {.epochs = 10 * epochs, .lr = rate / 10},
                              "dogs_slow.png", "A tenth of the rate, and ten times as many steps.");
    if (!real) return;
    const double loss = runs[0].curves.last_train().loss;
    const LossAndAccuracy at_rest = slow[0].curves.last_train(), val = slow[0].curves.last_val();
    lesson.check("again rate times epochs is what counts", std::abs(at_rest.loss - loss) < 0.005,
                 format("training loss %.4f and %.4f", at_rest.loss, loss));
    lesson.check("five hidden units do not tell dogs from cats", val.accuracy < 0.62,
                 format("validation accuracy %.3f", val.accuracy));
}

}  // namespace handgrad
