#include "core/text.h"

#include <algorithm>
#include <cctype>
#include <cstdarg>
#include <cstdio>
#include <sstream>

#include "core/error.h"

namespace handgrad {
namespace {

/// A sign, digits with their marks, an exponent, and a unit of up to three characters.
bool reads_as_number(std::string_view cell) {
    if (cell == "nan" || cell == "-nan" || cell == "inf" || cell == "-inf") return true;
    const auto digit = [&](std::size_t i) {
        return i < cell.size() && std::isdigit(static_cast<unsigned char>(cell[i])) != 0;
    };
    std::size_t i = !cell.empty() && (cell[0] == '-' || cell[0] == '+') ? 1 : 0;
    if (!digit(i) && !(i < cell.size() && cell[i] == '.' && digit(i + 1))) return false;
    while (digit(i) || (i < cell.size() && (cell[i] == '.' || cell[i] == ','))) ++i;
    if (i < cell.size() && (cell[i] == 'e' || cell[i] == 'E')) {
        const std::size_t sign = i + 1 < cell.size() && (cell[i + 1] == '-' || cell[i + 1] == '+');
        if (digit(i + 1 + sign))
            for (i += 1 + sign; digit(i);) ++i;
    }
    if (i < cell.size() && cell[i] == ' ') ++i;
    return columns_of(cell.substr(i)) <= 3;
}

[[gnu::format(printf, 1, 0)]] std::string formatted(const char* form, std::va_list arguments) {
    std::va_list again;
    va_copy(again, arguments);
    const int length = std::vsnprintf(nullptr, 0, form, arguments);
    std::string text(static_cast<std::size_t>(std::max(length, 0)) + 1, '\0');
    std::vsnprintf(text.data(), text.size(), form, again);
    va_end(again);
    text.pop_back();  // the terminating zero
    return text;
}

}  // namespace

std::string format(const char* form, ...) {
    std::va_list arguments;
    va_start(arguments, form);
    std::string text = formatted(form, arguments);
    va_end(arguments);
    return text;
}

Row cells(const char* form, ...) {
    std::va_list arguments;
    va_start(arguments, form);
    const std::string text = formatted(form, arguments);
    va_end(arguments);
    Row row;
    for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
        end = text.find('|', begin);
        const std::string cell = text.substr(begin, end == std::string::npos ? end : end - begin);
        const std::size_t first = cell.find_first_not_of(' ');
        row.push_back(first == std::string::npos
                          ? ""
                          : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
    }
    return row;
}

std::size_t columns_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) >> 6) != 2;
    }));
}

std::string wrap(std::string_view paragraph, std::size_t width) {
    std::istringstream words{std::string(paragraph)};
    std::string wrapped, word;
    std::size_t column = 0;
    while (words >> word) {
        const std::size_t length = columns_of(word);
        if (column > 0) {
            const bool fits = column + 1 + length <= width;
            wrapped += fits ? ' ' : '\n';
            column = fits ? column + 1 : 0;
        }
        wrapped += word;
        column += length;
    }
    return wrapped;
}

std::vector<bool> numeric_columns(const Row& header, const std::vector<Row>& rows) {
    std::vector<bool> numeric(header.size());
    for (std::size_t column = 0; column < header.size(); ++column) {
        bool text = false, number = false;
        for (const Row& row : rows) {
            if (column >= row.size() || row[column].empty()) continue;
            (reads_as_number(row[column]) ? number : text) = true;
        }
        numeric[column] = number && !text;
    }
    return numeric;
}

std::string format_table(const Row& header, const std::vector<Row>& rows) {
    std::vector<std::size_t> widths;
    for (const std::string& cell : header) widths.push_back(columns_of(cell));
    for (const Row& row : rows) {
        if (row.size() > header.size())
            throw Error("table: a row is too long", std::to_string(row.size()) + " cells",
                        "at most " + std::to_string(header.size()) + ", as in the header");
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], columns_of(row[i]));
    }
    const std::vector<bool> numeric = numeric_columns(header, rows);
    std::string text;
    const auto add = [&](const Row& row) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string padding(widths[i] - columns_of(row[i]), ' ');
            if (i > 0) line += "  ";
            line += numeric[i] ? padding + row[i] : row[i] + padding;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    };
    add(header);
    Row rule;
    for (const std::size_t width : widths) rule.emplace_back(width, '-');
    add(rule);
    for (const Row& row : rows) add(row);
    return text;
}

}  // namespace handgrad
