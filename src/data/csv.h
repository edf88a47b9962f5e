// Tables of numbers: CSV files with a header.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace handgrad {

struct CsvTable {
    std::vector<std::string> names;  // of the columns
    Tensor<double> values;           // (rows, columns)

    /// The column of this name, (rows). Throws Error, with the names there are.
    [[nodiscard]] Tensor<double> column(std::string_view name) const;
};

/// Reads a line of names, then lines of as many numbers, separated by commas; spaces around a field
/// and quotes around a name are dropped, and empty lines passed over. Throws Error, naming
/// `source`, line and column, where a name comes twice or is missing, a line has more or fewer
/// fields, or a field is no number ("nan" and "inf" are some).
CsvTable parse_csv(std::string_view text, const std::string& source);

/// The same from a file. Throws Error also where it cannot be read.
CsvTable read_csv(const std::filesystem::path& path);

}  // namespace handgrad
