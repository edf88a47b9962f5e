#include "train/metrics.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace handgrad {

namespace {

/// Calls visit(label, class) for each row: the class is that of the greatest logit, the first of
/// equal ones, or -1 where one is NaN.
template <class T, class Visit>
void visit_predictions(const std::string& operation, const Tensor<T>& logits, const Labels& labels,
                       Visit visit) {
    if (!logits.defined() || !labels.defined() || logits.rank() != 2 || logits.dim(1) < 1 ||
        labels.rank() != 1 || labels.dim(0) != logits.dim(0))
        throw Error(operation + ": the shapes do not fit",
                    "logits " + (logits.defined() ? logits.shape().str() : "undefined") +
                        ", labels " + (labels.defined() ? labels.shape().str() : "undefined"),
                    "logits (N, C) with C at least 1, labels (N)");
    const Tensor<T> scores = logits.to(Device::cpu);
    const Labels truth = labels.to(Device::cpu);
    const Index n = scores.dim(0), classes = scores.dim(1);
    for (Index row = 0; row < n; ++row) {
        const T* const x = scores.data() + row * classes;
        const Index label = truth.data()[row];
        if (label < 0 || label >= classes)
            throw Error(operation + ": no such class",
                        "label " + std::to_string(label) + " in row " + std::to_string(row),
                        "labels from 0 to " + std::to_string(classes - 1));
        const bool has_nan = std::any_of(x, x + classes, [](T v) { return std::isnan(v); });
        visit(label, has_nan ? Index{-1} : std::max_element(x, x + classes) - x);
    }
}

double share_of_rows(const std::string& operation, Index correct, const Labels& labels) {
    if (labels.size() == 0)
        throw Error(operation + ": nothing to judge by", "no rows", "one or more");
    return static_cast<double>(correct) / static_cast<double>(labels.size());
}

}  // namespace

template <class T>
Index count_correct(const Tensor<T>& logits, const Labels& labels) {
    Index correct = 0;
    visit_predictions("count_correct", logits, labels,
                      [&](Index label, Index predicted) { correct += label == predicted; });
    return correct;
}

template <class T>
Index count_correct_binary(const Tensor<T>& logits, const Labels& labels) {
    if (!logits.defined() || !labels.defined() || logits.shape() != Shape{labels.size(), 1})
        throw Error("count_correct_binary: the shapes do not fit",
                    "logits " + (logits.defined() ? logits.shape().str() : "undefined") +
                        ", labels " + (labels.defined() ? labels.shape().str() : "undefined"),
                    "logits (N, 1), labels (N)");
    const std::vector<T> scores = logits.values();
    const std::vector<std::int32_t> truth = labels.values();
    Index correct = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
        correct += (scores[i] >= 0 && truth[i] == 1) || (scores[i] < 0 && truth[i] == 0);
    return correct;
}

template <class T>
double accuracy(const Tensor<T>& logits, const Labels& labels) {
    return share_of_rows("accuracy", count_correct(logits, labels), labels);
}

template <class T>
double binary_accuracy(const Tensor<T>& logits, const Labels& labels) {
    return share_of_rows("binary_accuracy", count_correct_binary(logits, labels), labels);
}

template <class T>
Tensor<Index> confusion_matrix(const Tensor<T>& logits, const Labels& labels) {
    const Index classes = logits.defined() && logits.rank() == 2 ? logits.dim(1) : 0;
    const Tensor<Index> counts = Tensor<Index>::zeros({classes, classes});
    visit_predictions("confusion_matrix", logits, labels, [&](Index label, Index predicted) {
        if (predicted >= 0) ++counts(label, predicted);
    });
    return counts;
}

template <class T>
double r_squared(const Tensor<T>& predicted, const Tensor<T>& target) {
    if (!predicted.defined() || !target.defined() || predicted.shape() != target.shape())
        throw Error("r_squared: the shapes do not fit",
                    (predicted.defined() ? predicted.shape().str() : "undefined") + " predicted, " +
                        (target.defined() ? target.shape().str() : "undefined") + " to be",
                    "equal shapes");
    const std::vector<T> y = predicted.values(), t = target.values();
    double mean = 0, squares = 0, variance = 0;
    for (const T v : t) mean += static_cast<double>(v) / static_cast<double>(t.size());
    for (std::size_t i = 0; i < t.size(); ++i) {
        squares += std::pow(static_cast<double>(y[i]) - static_cast<double>(t[i]), 2);
        variance += std::pow(static_cast<double>(t[i]) - mean, 2);
    }
    return 1 - squares / variance;
}

template <class T>
double root_mean_square(const Tensor<T>& x) {
    double squares = 0;
    for (const T v : x.values()) squares += static_cast<double>(v) * static_cast<double>(v);
    return std::sqrt(squares / static_cast<double>(x.size()));
}

template <class T>
double share_beyond(const Tensor<T>& x, double limit) {
    const std::vector<T> values = x.values();
    const auto beyond = std::count_if(values.begin(), values.end(), [limit](T v) {
        return std::abs(static_cast<double>(v)) > limit;
    });
    return static_cast<double>(beyond) / static_cast<double>(x.size());
}

template Index count_correct(const Tensor<float>&, const Labels&);
template Index count_correct(const Tensor<double>&, const Labels&);
template double accuracy(const Tensor<float>&, const Labels&);
template double accuracy(const Tensor<double>&, const Labels&);
template double binary_accuracy(const Tensor<float>&, const Labels&);
template double binary_accuracy(const Tensor<double>&, const Labels&);
template double r_squared(const Tensor<float>&, const Tensor<float>&);
template double r_squared(const Tensor<double>&, const Tensor<double>&);
template double root_mean_square(const Tensor<float>&);
template double root_mean_square(const Tensor<double>&);
template double share_beyond(const Tensor<float>&, double);
template double share_beyond(const Tensor<double>&, double);
template Index count_correct_binary(const Tensor<float>&, const Labels&);
template Index count_correct_binary(const Tensor<double>&, const Labels&);
template Tensor<Index> confusion_matrix(const Tensor<float>&, const Labels&);
template Tensor<Index> confusion_matrix(const Tensor<double>&, const Labels&);

std::vector<ConfusedPair> confused_pairs(const Tensor<Index>& counts) {
    if (counts.rank() != 2 || counts.dim(0) != counts.dim(1))
        throw Error("confused_pairs", "counts " + counts.shape().str(), "(C, C)");
    std::vector<ConfusedPair> pairs;
    for (Index b = 0; b < counts.dim(0); ++b)
        for (Index a = 0; a < b; ++a) pairs.push_back({a, b, counts(a, b), counts(b, a)});
    std::stable_sort(pairs.begin(), pairs.end(), [](const ConfusedPair& x, const ConfusedPair& y) {
        return x.count() > y.count();
    });
    return pairs;
}

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

double worse(double a, double b) {
    return a >= b || std::isnan(a) ? a : b;
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
