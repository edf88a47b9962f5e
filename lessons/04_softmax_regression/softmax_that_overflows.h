// Lesson 4: softmax as the textbook has it, which overflows, and as it is computed. In lesson 3 a
// NaN was a matter of printing; here it goes into the gradient, and training is over.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/tensor_ops.h"
#include "report/lesson.h"
#include "report/training_curves.h"

namespace handgrad {

/// Both forms of softmax, from the scores of each sample.
struct SoftmaxForms {
    Tensor<float> (*unshifted)(const Tensor<float>& o);
    Tensor<float> (*shifted)(const Tensor<float>& o);
};

/// The curves are those of a training with either form, at a large rate.
inline void softmax_that_overflows(Lesson& lesson, const SoftmaxForms& softmax,
                                   const TrainingCurves& unshifted, const TrainingCurves& shifted,
                                   double rate) {
    lesson.section("Overflow");
    lesson.say(
        "In float exp overflows at 88.7, and infinity by infinity is NaN. Subtracting the greatest "
        "score from all changes nothing on paper, and everything here: exp is then at most 1.");
    const auto o = Tensor<float>::from({4, 3}, {1, 2, 3, 81, 82, 83, 91, 92, 93, -200, -201, -202});
    const Tensor<float> bad = softmax.unshifted(o), good = softmax.shifted(o);
    const auto text = [](const Tensor<float>& q, Index row) {
        std::string list;
        for (Index c = 0; c < q.dim(1); ++c)
            list +=
                (c > 0 ? ", " : "") +
                (std::isnan(q(row, c)) ? "nan" : format("%.4g", static_cast<double>(q(row, c))));
        return list;
    };
    std::vector<Row> rows;
    for (Index row = 0; row < o.dim(0); ++row)
        rows.push_back({text(o, row), text(bad, row), text(good, row)});
    lesson.table({"o", "unshifted", "shifted"}, rows);
    lesson.check("the unshifted form overflows, the shifted one does not",
                 std::isnan(bad(2, 0)) && std::isnan(bad(3, 0)) &&
                     max(abs(sum(good, {1}) - 1)).item() < 1e-6F);

    const std::vector<double>& loss = unshifted.train_loss;
    const auto first =
        std::find_if(loss.begin(), loss.end(), [](double l) { return std::isnan(l); });
    const double stuck = unshifted.last_train().accuracy, reached = shifted.last_train().accuracy;
    lesson.say(
        format("In training it is worse than a print: NaN goes into the gradient, and all weights "
               "are NaN from then on. At rate %g that is after %td steps; the accuracy stays at "
               "%.3f. Shifted, the same %.0f steps reach %.3f.",
               rate, first - loss.begin(), stuck, shifted.epoch.back(), reached));
    lesson.check("the unshifted form ends training",
                 std::isnan(loss.back()) && reached > stuck + 0.1);
}

}  // namespace handgrad
