#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/error.h"
#include "core/random.h"

namespace handgrad {

void Dataset::validate() const {
    const auto fail = [&](const std::string& got, std::string_view needs,
                          std::string_view hint = {}) {
        throw Error("Dataset '" + name + "'" + (source.empty() ? "" : " from " + source), got,
                    needs, hint);
    };
    if (!x.defined() || !y.defined() || x.rank() != 2 || y.rank() != 1)
        fail("x of shape " + (x.defined() ? x.shape().str() : "?") + ", y of shape " +
                 (y.defined() ? y.shape().str() : "?"),
             "x of shape (N, features), y of shape (N)");
    if (x.dim(0) != y.dim(0))
        fail(std::to_string(x.dim(0)) + " samples and " + std::to_string(y.dim(0)) + " labels",
             "one label for each sample", "do both belong to the same set?");
    if (x.size() == 0) fail("x of shape " + x.shape().str(), "at least one sample of one feature");
    if (sample.size() != features())
        fail(std::to_string(features()) + " features and samples of shape " + sample.str(),
             "as many features as the sample has elements");
    const auto labels = y.span();
    const auto wrong = std::find_if(labels.begin(), labels.end(), [&](std::int32_t label) {
        return label < 0 || label >= std::ssize(classes);
    });
    if (wrong != labels.end())
        fail("the label " + std::to_string(*wrong) + " in row " +
                 std::to_string(wrong - labels.begin()),
             "labels from 0 to " + std::to_string(std::ssize(classes) - 1));
}

Dataset Dataset::subset(std::span<const Index> indices) const {
    const auto fail = [&](const std::string& got, const std::string& needs) {
        throw Error("Dataset.subset of '" + name + "'", got, needs);
    };
    if (indices.empty()) fail("no row numbers", "at least one");
    for (const Index i : indices)
        if (i < 0 || i >= size())
            fail("row " + std::to_string(i), "rows from 0 to " + std::to_string(size() - 1));

    const auto n = static_cast<Index>(indices.size());
    Dataset part = *this;
    part.x = Tensor<float>::empty({n, features()});
    part.y = Labels::empty({n});
    backend<float>(Device::cpu).gather_rows(part.x.data(), x.data(), indices.data(), n, features());
    std::transform(indices.begin(), indices.end(), part.y.data(),
                   [&](Index i) { return y.data()[i]; });
    return part;
}

Dataset Dataset::rows(Index begin, Index end) const {
    if (begin < 0 || begin >= end || end > size())
        throw Error("Dataset.rows of '" + name + "'",
                    "rows " + std::to_string(begin) + " to " + std::to_string(end) + " of " +
                        std::to_string(size()),
                    "0 <= begin < end <= number of samples");
    Dataset part = *this;
    part.x = x.rows(begin, end);
    part.y = y.rows(begin, end);
    return part;
}

Split random_split(const Dataset& dataset, double fraction, std::uint32_t seed) {
    const Index n = dataset.size();
    // False for NaN, too. A fraction below 1 leaves at least one sample to the second part.
    const bool possible = fraction > 0 && fraction < 1;
    const Index cut = possible ? static_cast<Index>(static_cast<double>(n) * fraction) : 0;
    if (cut == 0)
        throw Error("random_split: a part would be empty",
                    std::to_string(n) + " samples and the fraction " + std::to_string(fraction),
                    "at least one sample in either part");
    const std::vector<Index> order = numpy_permutation(seed, n);
    const std::span<const Index> all = order;
    const auto split_at = static_cast<std::size_t>(cut);
    return {dataset.subset(all.first(split_at)), dataset.subset(all.subspan(split_at))};
}

RowSplit split_rows(Index n, double fraction, std::uint32_t seed) {
    const bool possible = n > 1 && fraction > 0 && fraction < 1;  // false for NaN, too
    const Index cut =
        possible ? static_cast<Index>(std::ceil(static_cast<double>(n) * fraction)) : n;
    if (cut >= n)
        throw Error("split_rows: a part would be empty",
                    std::to_string(n) + " samples and the fraction " + std::to_string(fraction),
                    "at least one sample in either part");
    const std::vector<Index> order = numpy_permutation(seed, n);
    return {{order.begin() + cut, order.end()}, {order.begin(), order.begin() + cut}};
}

Dataset two_classes(const Dataset& dataset, std::int32_t first, std::int32_t second) {
    const std::string classes = std::to_string(first) + " and " + std::to_string(second);
    const auto count = std::ssize(dataset.classes);
    if (first < 0 || second < 0 || first >= count || second >= count || first == second)
        throw Error("two_classes of '" + dataset.name + "'", "the classes " + classes,
                    "two of 0 to " + std::to_string(count - 1));
    std::vector<Index> rows;
    Index of_first = 0;
    for (const std::int32_t wanted : {first, second}) {
        for (Index i = 0; i < dataset.size(); ++i)
            if (dataset.y(i) == wanted) rows.push_back(i);
        if (wanted == first) of_first = std::ssize(rows);
    }
    if (of_first == 0 || of_first == std::ssize(rows))
        throw Error("two_classes of '" + dataset.name + "'", "no samples of one of " + classes,
                    "samples of both");
    Dataset pair = dataset.subset(rows);
    for (Index i = 0; i < pair.size(); ++i) pair.y(i) = i < of_first ? 0 : 1;
    pair.classes = {dataset.classes[static_cast<std::size_t>(first)],
                    dataset.classes[static_cast<std::size_t>(second)]};
    return pair;
}

Dataset with_shuffled_labels(const Dataset& dataset, std::uint32_t seed) {
    Dataset shuffled = dataset;
    shuffled.y = Labels::empty(dataset.y.shape());
    const std::vector<Index> order = numpy_permutation(seed, dataset.size());
    for (Index i = 0; i < dataset.size(); ++i)
        shuffled.y(i) = dataset.y(order[static_cast<std::size_t>(i)]);
    return shuffled;
}

std::vector<float> effect_size(const Dataset& two) {
    const auto labels = two.y.span();
    const auto of_first = std::count(labels.begin(), labels.end(), 0),
               of_second = std::count(labels.begin(), labels.end(), 1);
    if (two.classes.size() != 2 || of_first == 0 || of_second == 0)
        throw Error("effect_size of '" + two.name + "'",
                    std::to_string(two.classes.size()) + " classes, " + std::to_string(of_first) +
                        " and " + std::to_string(of_second) + " samples of the first two",
                    "two classes with samples of both");
    std::vector<float> effects;
    for (Index k = 0; k < two.features(); ++k) {
        double sum[2] = {}, squares[2] = {};
        for (Index i = 0; i < two.size(); ++i) {
            const auto v = static_cast<double>(two.x.data()[i * two.features() + k]);
            const auto label = static_cast<std::size_t>(labels[static_cast<std::size_t>(i)]);
            sum[label] += v;
            squares[label] += v * v;
        }
        const double n[2] = {static_cast<double>(of_first), static_cast<double>(of_second)};
        const double mean[2] = {sum[0] / n[0], sum[1] / n[1]};
        const double variance =
            (squares[0] / n[0] - mean[0] * mean[0] + squares[1] / n[1] - mean[1] * mean[1]) / 2;
        // A pixel that is the same in all images says nothing: 0, not 0/0.
        effects.push_back(
            static_cast<float>((mean[1] - mean[0]) / std::sqrt(std::max(variance, 1e-12))));
    }
    return effects;
}

template <class T>
Tensor<T> one_hot(const Labels& labels, Index classes) {
    const auto rows = Tensor<T>::zeros({labels.size(), classes});
    for (Index i = 0; i < labels.size(); ++i) {
        const std::int32_t label = labels(i);
        if (label < 0 || label >= classes)
            throw Error("one_hot: no such class",
                        "label " + std::to_string(label) + " in row " + std::to_string(i),
                        "labels from 0 to " + std::to_string(classes - 1));
        rows(i, label) = 1;
    }
    return rows;
}

template Tensor<float> one_hot(const Labels& labels, Index classes);
template Tensor<double> one_hot(const Labels& labels, Index classes);

}  // namespace handgrad
