// Lesson 3: why two signs are told apart and dogs and cats are not, though both training sets are
// linearly separable. Measured by what a fit to shuffled labels is worth, by what a single pixel
// says, and by what training added to the weights.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/tensor_ops.h"
#include "data/dataset.h"
#include "report/image_set_pictures.h"
#include "report/lesson.h"
#include "report/training_curves.h"

namespace handgrad {

/// What became of one of the sets.
struct Learnt {
    Dataset train;
    TrainingCurves curves, on_shuffled_labels;
    Tensor<float> start, weights;  // (1, pixels), before and after

    [[nodiscard]] std::string names() const {
        return train.classes[0] + " and " + train.classes[1];
    }
};

inline void why_they_differ(Lesson& lesson, const Learnt& signs, const Learnt& pets, bool real) {
    lesson.section(real ? "Why the one works and the other hardly" : "Shuffled labels");
    lesson.say(
        real
            ? "It is often said that dogs and cats are not linearly separable. But these training "
              "sets both are, exactly: there are fewer images than the 4096 pixels and the bias, "
              "and then any labels at all can be met (README.md says how well such a fit does). So "
              "the "
              "labels were shuffled, and both trained again, to see what a fit is worth that has "
              "nothing to learn:"
            : "Why hands are easy, and dogs and cats hard, can't be seen from digits. But here too "
              "the labels were shuffled, and both sets trained again, to see what a fit is worth "
              "that has nothing to learn:");
    std::vector<Row> rows;
    for (const Learnt* set : {&signs, &pets})
        for (const bool shuffled : {false, true}) {
            const TrainingCurves& curves = shuffled ? set->on_shuffled_labels : set->curves;
            rows.push_back(cells("%s | %s | %.4f | %.3f | %.3f", set->names().c_str(),
                                 shuffled ? "shuffled" : "true", curves.last_train().loss,
                                 curves.last_train().accuracy, curves.last_val().accuracy));
        }
    lesson.table({"images", "labels", "training loss", "training accuracy", "validation accuracy"},
                 rows);

    const std::vector<float> effects[] = {effect_size(signs.train), effect_size(pets.train)};
    double most[2] = {};
    for (const int i : {0, 1})
        for (const float effect : effects[i])
            most[i] = std::max(most[i], std::abs(static_cast<double>(effect)));
    if (real)
        lesson.say(format(
            "The classifier learns dogs and cats hardly better than labels drawn by lot, by "
            "heart. A linear classifier gives each pixel one weight: it can use only what a "
            "pixel says by itself, whatever the others are. The hands are in the middle, "
            "upright, before an even wall, so that a pixel where one sign has a finger and the "
            "other has none differs by up to %.2f standard deviations between the classes. A "
            "cat can be anywhere, black or white, and facing any way: the best pixel differs by "
            "%.2f.",
            most[0], most[1]));
    else
        lesson.say(format(
            "A linear classifier gives each pixel one weight: it can use only what a pixel says by "
            "itself. Between %s, the best pixel differs by %.2f standard deviations; between %s, "
            "by %.2f.",
            signs.names().c_str(), most[0], pets.names().c_str(), most[1]));
    const double limit = std::max(most[0], most[1]);
    lesson.figure("effect.png",
                  "How far the classes' means lie apart at each pixel, in standard deviations, on "
                  "one scale.",
                  panels({pixel_map(signs.names(), effects[0], signs.train.sample, limit),
                          pixel_map(pets.names(), effects[1], pets.train.sample, limit)},
                         {.columns = 2}));
    std::vector<Drawing> images;
    for (const Learnt* set : {&signs, &pets}) {
        const Shape& sample = set->train.sample;
        images.push_back(pixel_map(set->names() + ": weights", set->weights.values(), sample));
        images.push_back(pixel_map(set->names() + ": what training added",
                                   (set->weights - set->start).values(), sample));
    }
    lesson.figure("weights.png",
                  "Red pixels speak for class 1 where they are bright, blue ones for class 0.",
                  panels(images, {.columns = 2, .panel_height = 500}));
    lesson.result("largest_effect_signs", most[0]);
    lesson.result("largest_effect_dogs", most[1]);
    if (!real) return;
    lesson.say(
        "As images the weights are snow: the random start, which no step ever takes away, since "
        "the gradient is a sum of images. What training added shows the round hand and the "
        "raised finger of the signs, and no animal for dogs and cats.");
    lesson.check("the signs' pixels say more", most[0] > 5 * most[1],
                 format("%.2f against %.2f", most[0], most[1]));
    const auto gain = [](const Learnt& set) {  // what true labels are worth, in validation
        return set.curves.last_val().accuracy - set.on_shuffled_labels.last_val().accuracy;
    };
    lesson.check("true labels are worth far more on the signs than on dogs and cats",
                 gain(signs) > 0.3 && gain(pets) < 0.1,
                 format("validation accuracy %.3f and %.3f above that of shuffled ones",
                        gain(signs), gain(pets)));
}

}  // namespace handgrad
