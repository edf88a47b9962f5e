// Lesson 4: what the layer looks for, and which classes are taken for one another.
#pragma once

#include <span>

#include "core/tensor_ops.h"
#include "data/dataset.h"
#include "report/confusion_matrix.h"
#include "report/histogram.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "train/metrics.h"

namespace handgrad {

/// By how much the score of the right class is above the greatest other, or below it: o_y - o_c,
/// which is log(q_y / q_c).
inline std::vector<double> margins(const Tensor<float>& q, const Labels& labels) {
    const Tensor<float> y = one_hot<float>(labels, q.dim(1)).to(q.device());  // (N, C)
    const Tensor<float> right = sum(q * y, {1}), other = max(q - y, {1});     // (N)
    return (log(right) - log(other)).to(Device::cpu).cast<double>().values();
}

/// `unscaled` is the validation set as it looks, `added` (C, F) what training added to the weights,
/// `q` are the probabilities (N, C) at its end.
inline void classes_mixed_up(Lesson& lesson, const TrainVal<Dataset>& data, const Dataset& unscaled,
                             const Tensor<float>& added, const TrainVal<Tensor<float>>& q) {
    const Dataset& val = data.val;
    lesson.figure(
        "weights.png",
        "What training added to the weights of each class: it asks for bright pixels "
        "where it is red, dark ones where it is blue.",
        panels(weight_maps(added, val.sample, val.classes), {.columns = 5, .panel_height = 440}));
    lesson.section("Which classes are mixed up");
    lesson.figure("margins.png",
                  "How far the score of the right class is above the greatest other. Left of 0 "
                  "stands what is taken for another class.",
                  Histogram{.title = "Margin of the right class",
                            .x_label = "right score less the greatest other",
                            .samples = {{"training", margins(q.train, data.train.y)},
                                        {"validation", margins(q.val, val.y)}}});
    const Tensor<Index> counts = confusion_matrix(q.val, val.y);
    lesson.figure("confusion.png",
                  "Rows: the class that it is. Columns: the class that was predicted.",
                  ConfusionMatrix{"Validation set", val.classes, counts});
    std::vector<Row> rows;
    const std::vector<ConfusedPair> pairs = confused_pairs(counts);
    for (const ConfusedPair& pair : std::span(pairs).first(5))
        rows.push_back(cells("%td and %td | %td | %td | %td", pair.a, pair.b, pair.a_as_b,
                             pair.b_as_a, pair.count()));
    lesson.table({"classes", "first taken for second", "second for first", "together"}, rows);
    if (write_mistakes(lesson.path("mistakes.png"), unscaled, q.val, 24) > 0)
        lesson.figure("mistakes.png", "The first mistakes of the validation set.");
    lesson.result("most_confused", format("%td and %td", pairs[0].a, pairs[0].b));
}

}  // namespace handgrad
