// Lesson 2: how far the gradient of a random batch strays from that of all samples.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/tensor_ops.h"
#include "network.h"
#include "report/lesson.h"

namespace handgrad {

/// The gradient of each sample by itself, (N, parameters).
inline Matrix gradients_of_each(const Samples& samples, std::uint64_t seed) {
    Sequential<double> model = new_network(seed, samples.x.device());
    MSELoss<double> loss;
    std::vector<double> all;
    for (Index i = 0; i < samples.size(); ++i) {
        for (Parameter<double>* p : model.parameters()) p->grad.fill(0);
        const Samples one = samples.rows(i, i + 1);
        loss.forward(model.forward(one.x), one.y);
        model.backward_parameters(loss.backward());
        for (const Parameter<double>* p : model.parameters()) {
            const std::vector<double> grad = p->grad.values();
            all.insert(all.end(), grad.begin(), grad.end());
        }
    }
    return Matrix::from({samples.size(), std::ssize(all) / samples.size()}, all,
                        samples.x.device());
}

inline void noise_of_a_batch(Lesson& lesson, const Samples& samples) {
    lesson.section("How far a batch's gradient strays");
    lesson.say(
        "The gradient of a random batch is right on average. Its mean squared distance from the "
        "full gradient is sigma^2/B (N - B)/(N - 1), with sigma^2 that of single samples: half the "
        "distance costs four times the batch.");
    const Matrix gradients = gradients_of_each(samples, lesson.options().seed);  // (N, P)
    const Matrix strayed = gradients - mean(gradients, {0});                     // from that of all
    const double sigma2 = mean(sum(strayed * strayed, {1})).item();

    const Index n = samples.size(), tries = 1000;
    Random random(lesson.options().seed);
    std::vector<Index> order;
    std::vector<double> sizes, measured, expected;
    std::vector<Row> rows;
    double worst = 0;
    for (Index batch = 1; batch < n; batch *= 2) {
        const auto b = static_cast<double>(batch), all = static_cast<double>(n);
        const Matrix drawn = Matrix::zeros({tries, n});  // a row for each batch: 1/B where it looks
        for (Index i = 0; i < tries; ++i) {
            random.permutation(order, n);
            for (Index k = 0; k < batch; ++k) drawn(i, order[static_cast<std::size_t>(k)]) = 1 / b;
        }
        const Matrix distance = matmul(drawn.to(samples.x.device()), strayed);  // (tries, P)
        sizes.push_back(b);
        measured.push_back(mean(sum(distance * distance, {1})).item());
        expected.push_back(sigma2 / b * (all - b) / (all - 1));
        worst = std::max(worst, std::abs(measured.back() / expected.back() - 1));
        rows.push_back(cells("%td | %.4f | %.4f", batch, measured.back(), expected.back()));
    }
    lesson.table({"batch", "measured", "expected"}, rows);
    lesson.check("the distance is as expected", worst < 0.2, format("to %.0f %%", 100 * worst));
    lesson.figure(
        "noise.png", "Mean squared distance of a batch's gradient from that of all.",
        {.title = "The noise of a batch's gradient",
         .x_label = "batch size",
         .y_label = "squared distance",
         .series = {{"expected", expected, sizes}, {"measured", measured, sizes, Style::points}},
         .log_y = true,
         .log_x = true});
}

}  // namespace handgrad
