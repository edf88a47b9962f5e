// Which classes are taken for which, drawn by gnuplot.
#pragma once

#include <string>
#include <vector>

#include "core/tensor.h"
#include "report/drawing.h"

namespace handgrad {

/// A square for each class that is (a row) and each that was predicted (a column), with the count
/// in it, coloured by its share of the row. No count stands in empty squares.
struct ConfusionMatrix {
    std::string title = {};
    std::vector<std::string> classes = {};
    Tensor<Index> counts = {};  // (C, C), as confusion_matrix of train/metrics.h counts them

    /// Throws Error unless there is a name for each of the C classes.
    operator Drawing() const;  // NOLINT(google-explicit-constructor)
};

}  // namespace handgrad
