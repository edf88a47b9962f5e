// Lesson 4: ten logistic classifiers, each against all other classes, beside the one softmax. They
// are right about as often, but they are no distribution.
#pragma once

#include "core/tensor_ops.h"
#include "report/histogram.h"
#include "report/lesson.h"
#include "report/training_curves.h"

namespace handgrad {

/// `q` (N, C) is what the ten say of the validation set.
inline void one_against_all(Lesson& lesson, const TrainingCurves& together,
                            const TrainingCurves& ten, const Tensor<float>& q) {
    lesson.section("Ten classifiers, each against all others");
    const std::vector<double> sums = sum(q, {1}).to(Device::cpu).cast<double>().values();
    const auto [least, most] = std::minmax_element(sums.begin(), sums.end());
    const Tensor<float> yes = sum(step(q, 0.5), {1}).to(Device::cpu);  // (N): how many say so
    const auto share = [&](auto holds) {
        const auto n = std::count_if(yes.span().begin(), yes.span().end(), holds);
        return format("%.1f %%", 100 * static_cast<double>(n) / static_cast<double>(yes.size()));
    };
    lesson.say(
        "Lesson 3 ten times over: classifier c says whether an image is of class c or not. The "
        "gradient is (q - y) x again, but each q has its own logistic function. From the same "
        "weights, by the same steps:");
    lesson.table({"", "training accuracy", "validation accuracy", "sum of the ten q",
                  "none says yes", "several do"},
                 {cells("softmax | %.3f | %.3f | 1 | |", together.last_train().accuracy,
                        together.last_val().accuracy),
                  cells("one against all | %.3f | %.3f | %.2f to %.2f | %s | %s",
                        ten.last_train().accuracy, ten.last_val().accuracy, *least, *most,
                        share([](float n) { return n == 0; }).c_str(),
                        share([](float n) { return n > 1; }).c_str())});
    lesson.figure(
        "sums.png", "What the ten probabilities of a validation image add up to.",
        Histogram{
            .title = "Sum of ten answers", .x_label = "sum of the ten q", .samples = {{"", sums}}});
    lesson.say(
        "The greatest of ten answers is right about as often. But the ten are no distribution: "
        "they were never told that exactly one of them is right.");
    lesson.result("one_against_all_val_accuracy", ten.last_val().accuracy);
    lesson.check("the ten do not add up to 1", *most - *least > 0.5);
}

}  // namespace handgrad
