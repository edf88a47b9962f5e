// Text for the terminal: numbers, paragraphs and tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace handgrad {

/// std::printf into a string: format("%.2f %%", 97.5). (std::format needs GCC 13.)
[[gnu::format(printf, 1, 2)]] std::string format(const char* form, ...);

/// Columns that UTF-8 text takes on a terminal: one for each character.
std::size_t columns_of(std::string_view text);

/// The words of a paragraph on lines of at most `width` columns, unless a word is longer.
std::string wrap(std::string_view paragraph, std::size_t width);

using Row = std::vector<std::string>;

/// A row of a table: format's text cut at each '|', without the blanks around the cells.
/// cells("%g | %.4f", 0.5, q) has two.
[[gnu::format(printf, 1, 2)]] Row cells(const char* form, ...);

/// Which columns hold numbers, and are set flush right: those whose cells all read like "97.5 %",
/// "-1e-3", "12,345", "3.2x" or "nan", empty cells aside.
std::vector<bool> numeric_columns(const Row& header, const std::vector<Row>& rows);

/// The rows under their header, in columns two spaces apart. Throws Error where a row has more
/// cells than the header; one with fewer ends early.
std::string format_table(const Row& header, const std::vector<Row>& rows);

}  // namespace handgrad
