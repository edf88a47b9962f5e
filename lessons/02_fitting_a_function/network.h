// Lesson 2: the samples, a small network, and a pass over the samples in batches.
#pragma once

#include <algorithm>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"
#include "layers/activations.h"
#include "layers/linear.h"
#include "layers/sequential.h"
#include "losses/pointwise.h"
#include "optim/sgd.h"
#include "report/plot.h"
#include "train/train_step.h"

namespace handgrad {

using Matrix = Tensor<double>;

constexpr Index n_samples = 256;

struct Way {
    const char* name;
    Index batch;
};
constexpr Way ways[] = {{"all at once", n_samples}, {"16 at a time", 16}, {"one at a time", 1}};

/// N samples of a function on [-2, 2].
struct Samples {
    Matrix x, y;  // (N, 1) each, on the device

    [[nodiscard]] Index size() const { return x.dim(0); }
    [[nodiscard]] Samples rows(Index begin, Index end) const {
        return {x.rows(begin, end), y.rows(begin, end)};
    }
    /// A copy in a new order, so that a random batch is some neighbouring rows.
    [[nodiscard]] Samples shuffled(Random& random) const {
        std::vector<Index> order;
        random.permutation(order, size());
        std::vector<double> new_x, new_y;
        const std::vector<double> old_x = x.values(), old_y = y.values();
        for (const Index row : order) {
            new_x.push_back(old_x[static_cast<std::size_t>(row)]);
            new_y.push_back(old_y[static_cast<std::size_t>(row)]);
        }
        return {Matrix::from(x.shape(), new_x, x.device()),
                Matrix::from(y.shape(), new_y, y.device())};
    }
};

/// 1-32-1 with tanh units; the same seed, the same weights.
inline Sequential<double> new_network(std::uint64_t seed, Device device) {
    Random random(seed);
    Sequential<double> model;
    model.add<Linear<double>>(1, 32, random, device);
    model.add<Tanh<double>>();
    model.add<Linear<double>>(32, 1, random, device);
    return model;
}

inline double mean_square_error(Sequential<double>& model, const Samples& samples) {
    MSELoss<double> loss;
    return loss.forward(model.forward(samples.x), samples.y).item();
}

/// Trains on batches of a new order in each epoch; `see` is told after each step how many samples
/// have been seen.
template <class See>
void train(Sequential<double>& model, SGD<double>& sgd, const Samples& samples, Index batch,
           int epochs, Random random, const See& see) {
    MSELoss<double> loss;
    Index seen = 0;
    for (int epoch = 0; epoch < epochs; ++epoch) {
        const Samples shuffled = samples.shuffled(random);
        for (Index begin = 0; begin < samples.size(); begin += batch) {
            const Samples part = shuffled.rows(begin, std::min(begin + batch, samples.size()));
            train_step(model, loss, sgd, part.x, part.y);
            see(seen += part.size());
        }
    }
}

/// Where functions are drawn.
inline const std::vector<double>& grid() {
    static const std::vector<double> points = linspace(-2, 2, 201);
    return points;
}

/// The network's function on the grid.
inline std::vector<double> function_of(Sequential<double>& model, Device device) {
    return model.forward(Matrix::from({201, 1}, grid(), device)).values();
}

}  // namespace handgrad
