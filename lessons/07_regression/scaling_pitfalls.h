// What goes wrong in scaling itself: constant features, statistics of what is to come, and N - 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/image_set.h"
#include "data/regression.h"
#include "data/scaler.h"
#include "report/lesson.h"

namespace handgrad {

/// MNIST where it is, else the embedded digits. One that is there but damaged is an Error.
inline Dataset mnist_or_digits(Lesson& lesson) {
    try {
        return load_image_set("mnist").train;
    } catch (const MissingSet&) {
        lesson.say(
            "MNIST, of which 67 pixels are constant, is not here (`make data` brings it): the "
            "digits that the program carries stand in for it.");
        return load_image_set("embedded").train;
    }
}

inline void scaling_pitfalls(Lesson& lesson, const TrainVal<RegressionSet>& data) {
    lesson.section("Scaling: what goes wrong");
    const Dataset images = mnist_or_digits(lesson);
    MinMaxScaler<float> scaler(0, 1);
    scaler.fit(images.x);
    lesson.say(
        format("Constant features. %td of the %td pixels of %s never change in training: "
               "(x - min) / (max - min) is 0 / 0 there, and one NaN spoils every weight. The "
               "scaler gives them one value instead.",
               scaler.constant_features(), images.features(), images.name.c_str()));
    lesson.result("constant_pixels", scaler.constant_features());
    const Tensor<float> scaled = scaler.transform(images.x);
    lesson.check("no NaN comes out",
                 std::ranges::all_of(scaled.span(), [](float v) { return std::isfinite(v); }));
    if (images.name == "mnist")
        lesson.check("MNIST has 67 constant pixels", scaler.constant_features() == 67);

    MinMaxScaler<double> fitted(-0.5, 0.5);
    fitted.fit(data.train.x.cast<double>());
    const Tensor<double> val = fitted.transform(data.val.x.cast<double>());
    const Index beyond =
        std::ranges::count_if(val.span(), [](double v) { return std::abs(v) > 0.5 + 1e-12; });
    lesson.say(
        format("Statistics from the training set alone. By them %td of the %td validation "
               "values lie outside [-.5, .5], as values of patients to come will. Fitted on "
               "all rows none would: the training set would know its own future, and the "
               "validation would be a little too good.",
               beyond, val.size()));
    lesson.result("validation_values_beyond", beyond);
    lesson.check("validation values lie beyond the training range", beyond > 0);

    StandardScaler<double> of_two;
    of_two.fit(Tensor<double>::from({2, 1}, {1, 3}));
    const double deviation = 1 / of_two.factor()[0];
    lesson.say(
        format("N - 1. Two numbers, 1 and 3: dividing by N gives the standard deviation 1, by "
               "N - 1 %.4f. The second is unbiased in the variance: the mean was estimated "
               "from the same numbers, which lie nearer to it than to the true one.",
               deviation));
    lesson.check("N - 1 gives sqrt 2", std::abs(deviation - std::numbers::sqrt2) < 1e-12);
}

}  // namespace handgrad
