#include "train/metrics.h"

#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace handgrad {

template <class T>
Index count_correct(const Tensor<T>& logits, const Labels& labels) {
    if (!logits.defined() || !labels.defined() || logits.rank() != 2 || logits.dim(1) < 1 ||
        labels.rank() != 1 || labels.dim(0) != logits.dim(0))
        throw Error("count_correct: the shapes do not fit",
                    "logits " + (logits.defined() ? logits.shape().str() : "undefined") +
                        ", labels " + (labels.defined() ? labels.shape().str() : "undefined"),
                    "logits (N, C) with C at least 1, labels (N)");
    const Tensor<T> scores = logits.to(Device::cpu);
    const Labels truth = labels.to(Device::cpu);
    const Index n = scores.dim(0), classes = scores.dim(1);
    Index correct = 0;
    for (Index row = 0; row < n; ++row) {
        const T* x = scores.data() + row * classes;
        const Index label = truth.data()[row];
        if (label < 0 || label >= classes)
            throw Error("count_correct: no such class",
                        "label " + std::to_string(label) + " in row " + std::to_string(row),
                        "labels from 0 to " + std::to_string(classes - 1));
        // Right if all before it are less and none after it is greater; NaN is neither.
        bool right = !std::isnan(x[label]);
        for (Index c = 0; c < label; ++c) right = right && x[c] < x[label];
        for (Index c = label + 1; c < classes; ++c) right = right && x[c] <= x[label];
        correct += right;
    }
    return correct;
}

template Index count_correct(const Tensor<float>&, const Labels&);
template Index count_correct(const Tensor<double>&, const Labels&);

// The p for which the observed share lies z standard deviations of that p away,
//   (correct/n - p)^2 = z^2 p (1 - p) / n,
// are the two roots of a quadratic in p.
Interval wilson_interval(Index correct, Index n, double z) {
    if (correct < 0 || correct > n)
        throw Error("wilson_interval: no such count",
                    std::to_string(correct) + " correct of " + std::to_string(n),
                    "0 <= correct <= n");
    if (n == 0) return {0, 1};
    const auto tries = static_cast<double>(n);
    const double share = static_cast<double>(correct) / tries;
    const double z2 = z * z / tries;
    const double centre = share + z2 / 2;
    const double radius = std::sqrt(z2 * (share * (1 - share) + z2 / 4));
    // The ends are 0 and 1 exactly where they should be, whatever rounding says.
    return {correct == 0 ? 0 : (centre - radius) / (1 + z2),
            correct == n ? 1 : (centre + radius) / (1 + z2)};
}

void require_finite_loss(double loss, Index epoch, Index step) {
    if (std::isfinite(loss)) return;
    throw Error("training: the loss is not finite",
                format("a loss of %s in epoch %td, step %td",
                       std::isnan(loss) ? "NaN" : format("%g", loss).c_str(), epoch, step),
                "a number",
                "lower the learning rate; look for NaN and for huge values in the inputs");
}

}  // namespace handgrad
