// Lesson 2: at a constant rate single steps hover about the best fit; a rate that falls lets them
// settle.
#pragma once

#include <map>
#include <numeric>

#include "network.h"
#include "optim/schedule.h"
#include "report/lesson.h"

namespace handgrad {

inline void hovering_and_settling(Lesson& lesson, const Samples& samples) {
    lesson.section("Hovering and settling");
    lesson.say(
        "At a constant rate single steps hover about the best fit, at a larger rate wider than at "
        "0.01. A rate that falls to zero lets them settle.");
    const LessonOptions& options = lesson.options();
    std::vector<Row> rows;
    std::vector<Series> curves;
    std::map<std::string, double> mean_of_last;
    struct Run {
        std::string name;
        double rate;
        bool falls;
    };
    for (const auto& [name, rate, falls] :
         {Run{"0.05", 0.05, false}, Run{"0.03", 0.03, false}, Run{"0.01", 0.01, false},
          Run{"0.03, falling", 0.03, true}}) {
        Sequential<double> model = new_network(options.seed, options.device);
        SGD<double> sgd(model.parameters(), rate);
        const CosineAnnealingLR cosine{.T_max = options.epochs};
        Schedule schedule(sgd, [&cosine, sinks = falls](double lr, Index pass) {
            return sinks ? cosine(lr, pass) : lr;
        });
        Series curve{name, {}, {}};
        train(model, sgd, samples, 1, options.epochs, Random(options.seed), [&](Index seen) {
            if (seen % samples.size() != 0) return;
            curve.y.push_back(mean_square_error(model, samples));
            curve.x.push_back(static_cast<double>(curve.y.size()));
            schedule.step();
        });
        const auto last = std::min<std::ptrdiff_t>(10, std::ssize(curve.y));
        mean_of_last[name] =
            std::accumulate(curve.y.end() - last, curve.y.end(), 0.0) / static_cast<double>(last);
        rows.push_back(cells("%s | %.4f", name.c_str(), mean_of_last[name]));
        const int color = static_cast<int>(mean_of_last.size()) - 1;
        const std::vector<Series> both = smoothed(name, curve.y, 10, color, curve.x);
        curves.insert(curves.begin(), both[0]);  // behind all means
        curves.push_back(both[1]);
    }
    lesson.table({"rate, one at a time", "error, mean of the last ten passes"}, rows);
    lesson.result("error_by_rate", mean_of_last);
    lesson.figure("settling.png",
                  "One sample at a time, at constant rates and at one that falls: means of ten "
                  "passes, with the passes themselves behind them.",
                  {.title = "Mean square error, one at a time",
                   .x_label = "passes over all samples",
                   .y_label = "error",
                   .series = curves,
                   .log_y = true,
                   .y_range = {0.006, 0.2}});
    lesson.check("a larger rate hovers wider than 0.01",
                 mean_of_last["0.05"] > mean_of_last["0.01"]);
    lesson.check("a falling rate settles", mean_of_last["0.03, falling"] < mean_of_last["0.03"] &&
                                               mean_of_last["0.03, falling"] < 0.013);
}

}  // namespace handgrad
