// Samples with labels, in memory.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace handgrad {

/// N samples of C classes, on the CPU. Copying one shares the memory.
struct Dataset {
    std::string name;                  // "mnist"
    Tensor<float> x;                   // (N, features), as loaded in [0, 1]
    Labels y;                          // (N), each 0 .. C-1
    Shape sample;                      // what one row of x is: (28, 28)
    std::vector<std::string> classes;  // C names
    std::string source;                // the folder that it was read from, or "embedded"

    [[nodiscard]] Index size() const { return y.defined() ? y.size() : 0; }
    [[nodiscard]] Index features() const { return x.dim(1); }

    /// Throws Error, naming the set, unless all of the above holds and there is a sample.
    void validate() const;

    /// A copy of the rows with these numbers, in this order; a number may come twice. Throws Error
    /// where there are none, or one is not 0 .. N-1.
    [[nodiscard]] Dataset subset(std::span<const Index> indices) const;
    /// Rows [begin, end); shares memory. Throws Error unless 0 <= begin < end <= N.
    [[nodiscard]] Dataset rows(Index begin, Index end) const;
};

/// Splits at random: the rows are taken in the order of numpy_permutation(seed, N), and the first
/// floor(N fraction) of them are `first`. This is the split of the notebooks,
/// np.random.seed(seed); np.split(np.random.permutation(N), [int(N * fraction)]).
/// Throws Error where a part would be empty.
struct Split {
    Dataset first, second;
};
Split random_split(const Dataset& dataset, double fraction, std::uint32_t seed);

/// The rows that scikit-learn's train_test_split(..., test_size=fraction, random_state=seed) gives:
/// of numpy_permutation(seed, n), the first ceil(n fraction) are to validate with, the others to
/// train on, in this order. Throws Error where a part would be empty.
struct RowSplit {
    std::vector<Index> train, val;
};
RowSplit split_rows(Index n, double fraction = 0.2, std::uint32_t seed = 42);

/// A set, split so. Set is Dataset, or whatever has size() and subset().
template <class Set>
struct TrainVal {
    Set train, val;
};
template <class Set>
TrainVal<Set> train_test_split(const Set& set, double fraction = 0.2, std::uint32_t seed = 42) {
    const RowSplit rows = split_rows(set.size(), fraction, seed);
    return {set.subset(rows.train), set.subset(rows.val)};
}

/// The samples of two classes alone, those of `first` before those of `second`, as labels 0 and 1.
/// Throws Error where the set has no such classes, or none of their samples.
Dataset two_classes(const Dataset& dataset, std::int32_t first, std::int32_t second);

/// The same samples with their labels dealt out anew, in the order of numpy_permutation(seed, N):
/// what a classifier reaches on them is what it learns by heart.
Dataset with_shuffled_labels(const Dataset& dataset, std::uint32_t seed = 0);

/// How far apart the two classes of a set lie in each feature: the mean of class 1 less that of
/// class 0, in standard deviations within the classes (Cohen's d, with the mean of both variances).
/// Throws Error unless there are two classes, with samples.
std::vector<float> effect_size(const Dataset& two);

/// Labels (N), on the CPU, as rows (N, classes) of zeros with a one at the label. Throws Error
/// where a label is no class.
template <class T>
Tensor<T> one_hot(const Labels& labels, Index classes);

}  // namespace handgrad
