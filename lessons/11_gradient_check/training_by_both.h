// What a wrong gradient costs: two networks, equal but for the slope that they go back by.
#pragma once

#include <algorithm>
#include <functional>
#include <map>

#include "core/tensor_ops.h"
#include "data/dataset.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"
#include "optim/sgd.h"
#include "report/lesson.h"
#include "report/plot.h"

namespace handgrad {

/// The threes and eights among the first rows of a set: x (N, features) in [-.5, .5], y (N, 1) of
/// 0 and 1.
struct TwoClasses {
    Tensor<double> x, y;
};

inline TwoClasses threes_and_eights(const Dataset& set, Index rows) {
    const Dataset two = two_classes(set.rows(0, std::min(rows, set.size())), 3, 8);
    const std::vector<std::int32_t> labels = two.y.values();
    const std::vector<double> y(labels.begin(), labels.end());
    return {two.x.cast<double>() - 0.5, Tensor<double>::from({two.size(), 1}, y)};
}

/// Training with either gradient, as the lecture does: full batches, the hidden layer at a tenth of
/// the rate. `network` makes one that goes back by the lecture's slope, or by the true one.
inline void training_by_both(Lesson& lesson, const TwoClasses& data,
                             const std::function<Sequential<double>(bool book)>& network) {
    lesson.section("What it costs");
    const LessonOptions& options = lesson.options();
    const Tensor<double> x = data.x.to(options.device), y = data.y.to(options.device);
    const double rate = 2;
    lesson.say(
        format("Both networks from equal weights, on %td images: 5 hidden units, %d full-batch "
               "steps at rate %g, the hidden layer once at a tenth of it, as in the lecture, and "
               "once at all of it.",
               x.dim(0), options.epochs, rate));
    std::vector<Series> curves;
    std::map<std::string, double> finals;
    std::vector<Row> rows;
    for (const double hidden_rate : {rate / 10, rate})
        for (const bool book : {true, false}) {
            Sequential<double> model = network(book);
            const auto p = model.parameters();
            SGD<double> hidden({p[0], p[1]}, hidden_rate), output({p[2], p[3]}, rate);
            BCEWithLogitsLoss<double> loss;
            std::vector<double> losses;
            for (int epoch = 0; epoch < options.epochs; ++epoch) {
                hidden.zero_grad();
                output.zero_grad();
                const Tensor<double> value = loss.forward(model.forward(x), y);
                model.backward_parameters(loss.backward());
                hidden.step();
                output.step();
                losses.push_back(value.item());  // last: the host waits here for a GPU
            }
            const char* by = book ? "lecture" : "true";
            const auto settled = losses.begin() + std::min(20, options.epochs - 1);
            rows.push_back(cells("%s | %g | %.4f | %.4f", by, hidden_rate, losses.back(),
                                 *std::max_element(settled, losses.end())));
            const std::string name = format("%s, hidden rate %g", by, hidden_rate);
            finals[name] = losses.back();
            curves.push_back({name, losses});
        }
    lesson.table({"gradient", "hidden rate", "final loss", "largest loss after step 20"}, rows);
    lesson.result("final_loss", finals);
    lesson.say(
        "The wrong gradient still points downhill for most units most of the time, so the loss "
        "falls and nothing looks broken; it only ends far above where it could be.");
    lesson.check("the right gradient trains further",
                 curves[1].y.back() < curves[0].y.back() && curves[3].y.back() < curves[2].y.back(),
                 format("%.4f and %.4f", curves[1].y.back(), curves[3].y.back()));
    lesson.figure("training.png",
                  "The loss of training by the wrong gradient and by the right one.",
                  {.title = "Training loss",
                   .x_label = "step",
                   .y_label = "cross entropy",
                   .series = curves,
                   .log_y = true});
}

}  // namespace handgrad
