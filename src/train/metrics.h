// What a training run is judged by.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace handgrad {

/// How many rows of logits (N, C) have their greatest value at the label, the first of equal ones.
/// A row that holds NaN counts as wrong. From any device. Throws Error where the shapes do not fit.
template <class T>
Index count_correct(const Tensor<T>& logits, const Labels& labels);

/// The same for logits (N, 1) of class 1 against class 0: 1 is predicted from 0 up.
template <class T>
Index count_correct_binary(const Tensor<T>& logits, const Labels& labels);

/// Both as a share of the rows. They throw Error also where there is none.
template <class T>
double accuracy(const Tensor<T>& logits, const Labels& labels);
template <class T>
double binary_accuracy(const Tensor<T>& logits, const Labels& labels);

/// How often the class of a row was taken for the class of a column: (C, C) from logits (N, C). The
/// first of equal logits counts; a row that holds NaN is left out. From any device. Throws Error
/// where the shapes do not fit.
template <class T>
Tensor<Index> confusion_matrix(const Tensor<T>& logits, const Labels& labels);

/// 1 - (mean square error) / (variance of the target): 1 is perfect, 0 is what the target's mean
/// achieves. From any device. Throws Error unless the shapes are equal.
template <class T>
double r_squared(const Tensor<T>& predicted, const Tensor<T>& target);

/// sqrt(mean x^2): how large a signal is. From any device; NaN of no numbers.
template <class T>
double root_mean_square(const Tensor<T>& x);

/// The share of the numbers with |x| > limit: of tanh's values, how many are saturated. From any
/// device; NaN of no numbers.
template <class T>
double share_beyond(const Tensor<T>& x, double limit = 0.99);

/// Two classes that are taken for one another, a < b.
struct ConfusedPair {
    Index a, b;
    Index a_as_b, b_as_a;  // how often
    [[nodiscard]] Index count() const { return a_as_b + b_as_a; }
};
/// All pairs of classes of a confusion matrix, those that are mixed up most often first.
std::vector<ConfusedPair> confused_pairs(const Tensor<Index>& counts);

struct Interval {
    double low, high;
};

/// Where the true rate of success lies, at 95 % confidence for the z given, after `correct`
/// successes in n tries. Unlike p +- z sqrt(p (1 - p) / n) it holds near 0 and 1 too.
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
/// n = 0 gives {0, 1}. Throws Error unless 0 <= correct <= n.
Interval wilson_interval(Index correct, Index n, double z = 1.959964);

/// The greater of two errors, or NaN where either is, which std::max would lose: for the worst of
/// several.
double worse(double a, double b);

/// Throws Error, saying what to try, where the loss is NaN or infinite.
void require_finite_loss(double loss, Index epoch, Index step);

}  // namespace handgrad
