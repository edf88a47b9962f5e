// Lesson 2: with two weights the loss is a surface over a plane, and descent a path on its map:
// f(x) = w1 x + w2 sin 2x, fixed features before a linear layer, with the gradient by hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "core/linear_algebra.h"
#include "core/tensor_ops.h"
#include "network.h"
#include "report/grid_plots.h"
#include "report/lesson.h"

namespace handgrad {

/// x and sin 2x of each sample, (N, 2).
inline Matrix features_of(const Samples& samples) {
    std::vector<double> features;
    for (const double x : samples.x.values()) {
        features.push_back(x);
        features.push_back(std::sin(2 * x));
    }
    return Matrix::from({samples.size(), 2}, features, samples.x.device());
}

/// L = 1/N sum (f(x) - y)^2 for M pairs of weights at once: w (2, M) -> (M).
inline Matrix losses(const Matrix& features, const Matrix& y, const Matrix& w) {
    const Matrix error = matmul(features, w) - y;  // (N, M)
    return mean(error * error, {0});
}

/// dL/dw = 2/N sum (f(x) - y) (x, sin 2x), (2, 1)
inline Matrix gradient(const Matrix& features, const Matrix& y, const Matrix& w) {
    const Matrix error = matmul(features, w) - y;  // (N, 1)
    return 2 / static_cast<double>(y.size()) * matmul(features, error, Trans::yes);
}

/// Pairs of weights as columns, (2, M).
inline Matrix columns(const Points& weights, Device device) {
    std::vector<double> both = weights.x;
    both.insert(both.end(), weights.y.begin(), weights.y.end());
    return Matrix::from({2, std::ssize(weights.x)}, both, device);
}

/// The weights before and after each step of four passes over the samples.
inline Points descend(const Samples& samples, Index batch, std::uint64_t seed) {
    Points path{{1.3}, {-0.5}};
    const Matrix w = columns(path, samples.x.device());  // (2, 1)
    Random random(seed);
    for (int pass = 0; pass < 4; ++pass) {
        const Samples shuffled = samples.shuffled(random);
        const Matrix features = features_of(shuffled);
        for (Index begin = 0; begin < n_samples; begin += batch) {
            const Index end = begin + batch;
            w -= 0.1 * gradient(features.rows(begin, end), shuffled.y.rows(begin, end), w);
            const std::vector<double> at = w.values();
            path.x.push_back(at[0]);
            path.y.push_back(at[1]);
        }
    }
    return path;
}

inline void loss_as_a_surface(Lesson& lesson, const Samples& samples) {
    lesson.section("The loss as a surface");
    lesson.say(
        "With two weights the loss can be seen: f(x) = w1 x + w2 sin 2x, fixed features before a "
        "linear layer. It is a bowl over the plane of the weights, and its gradient, "
        "2/N sum (f(x) - y) (x, sin 2x), points straight up the side. From one start, at one rate, "
        "four passes over the samples: all at once, sixteen at a time, one at a time.");
    const Device device = samples.x.device();
    const Matrix features = features_of(samples);
    const auto bowl = [&](int n) {  // n by n losses
        Grid grid = sample_grid([](double x, double) { return x; }, {-0.7, 1.9}, {-0.8, 1.8}, n);
        const Grid w2 = sample_grid([](double, double y) { return y; }, grid.x, grid.y, n);
        grid.z = losses(features, samples.y, columns({grid.z, w2.z}, device)).values();
        return grid;
    };
    lesson.figure("surface.png", "The loss over both weights: a bowl, longer than it is wide.",
                  Surface{.title = "Mean square error",
                          .x_label = "w1",
                          .y_label = "w2",
                          .z_label = "L",
                          .grid = bowl(41)});

    const Matrix best = solve_positive_definite(  // where the gradient is 0
        matmul(features, features, Trans::yes).to(Device::cpu),
        matmul(features, samples.y, Trans::yes).to(Device::cpu));
    std::vector<Series> paths;
    std::vector<Row> rows;
    std::map<std::string, double> distances;
    for (const auto& [name, batch] : ways) {
        const Points path = descend(samples, batch, lesson.options().seed);
        const auto loss = losses(features, samples.y, columns(path, device)).values();
        distances[name] = std::hypot(path.x.back() - best(0, 0), path.y.back() - best(1, 0));
        rows.push_back(cells("%s | %td | %.4f | %.3f", name, std::ssize(loss) - 1, loss.back(),
                             distances[name]));
        // The longest path lies below the others.
        const int color = batch == n_samples ? 1 : batch > 1 ? 6 : 3;
        paths.insert(paths.begin(), {name, path.y, path.x, Style::path, color});
        if (batch == n_samples)
            lesson.check("all at once, every step goes down",
                         std::is_sorted(loss.rbegin(), loss.rend()));
    }
    lesson.figure("descent.png",
                  "The same bowl from above, and four passes over the samples from the circle on.",
                  ContourMap{.title = "Four passes at rate 0.1",
                             .x_label = "w1",
                             .y_label = "w2",
                             .grid = bowl(lesson.options().tiny ? 41 : 101),
                             .paths = paths,
                             .log_z = true});
    lesson.table({"", "steps", "loss at the end", "distance from the minimum"}, rows);
    lesson.say(
        "All at once goes straight down, and has gone part of the way. Sixteen at a time has "
        "arrived. "
        "One at a time arrived in the first pass, and has strayed about the minimum since: each "
        "sample has a trough of its own, and each step goes towards another.");
    lesson.result("distance_from_minimum", distances);
    lesson.check("smaller batches are far nearer to the minimum",
                 2 * std::max(distances["16 at a time"], distances["one at a time"]) <
                     distances["all at once"]);
}

}  // namespace handgrad
