#include "data/csv.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/file.h"

namespace handgrad {
namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r";
    const std::size_t begin = text.find_first_not_of(blank);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blank) + 1 - begin);
}

/// Cuts off what stands before the first separator, and the separator.
std::string_view cut(std::string_view& rest, char separator) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
}

std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> fields;
    while (true) {
        const bool last = line.find(',') == std::string_view::npos;
        fields.push_back(trimmed(cut(line, ',')));
        if (last) return fields;
    }
}

std::string unquoted(std::string_view name) {
    const bool quoted = name.size() > 1 && name.front() == '"' && name.back() == '"';
    return std::string(quoted ? name.substr(1, name.size() - 2) : name);
}

}  // namespace

Tensor<double> CsvTable::column(std::string_view name) const {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
        std::string all;
        for (const std::string& known : names) all += (all.empty() ? "" : ", ") + known;
        throw Error("CsvTable.column: no such column", "'" + std::string(name) + "'",
                    "one of " + all);
    }
    const Tensor<double> column = Tensor<double>::empty({values.dim(0)});
    for (Index row = 0; row < values.dim(0); ++row)
        column(row) = values(row, found - names.begin());
    return column;
}

CsvTable parse_csv(std::string_view text, const std::string& source) {
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";  // as some spreadsheets write it
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());

    CsvTable table;
    std::vector<double> values;
    for (Index number = 1; !text.empty(); ++number) {
        const std::string_view line = trimmed(cut(text, '\n'));
        if (line.empty()) continue;
        const auto fail = [&](const std::string& got, const std::string& needs) {
            throw Error("read_csv: cannot use " + source,
                        got + " in line " + std::to_string(number), needs);
        };
        const std::vector<std::string_view> fields = fields_of(line);
        if (table.names.empty()) {
            for (const std::string_view field : fields) {
                const std::string name = unquoted(field);
                if (name.empty()) fail("a column without a name", "a name for each column");
                if (std::find(table.names.begin(), table.names.end(), name) != table.names.end())
                    fail("two columns called '" + name + "'", "every name once");
                table.names.push_back(name);
            }
            continue;
        }
        if (fields.size() != table.names.size())
            fail(std::to_string(fields.size()) + " fields",
                 std::to_string(table.names.size()) + ", as the first line has");
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const char* const end = fields[i].data() + fields[i].size();
            double value = 0;
            const auto [stop, failure] = std::from_chars(fields[i].data(), end, value);
            if (failure != std::errc{} || stop != end)
                fail(
                    "'" + std::string(fields[i].substr(0, 40)) + "' under '" + table.names[i] + "'",
                    "a number");
            values.push_back(value);
        }
    }
    if (table.names.empty())
        throw Error("read_csv: cannot use " + source, "an empty file", "a line of names");
    const auto columns = static_cast<Index>(table.names.size());
    table.values =
        Tensor<double>::from({static_cast<Index>(values.size()) / columns, columns}, values);
    return table;
}

CsvTable read_csv(const std::filesystem::path& path) {
    return parse_csv(read_file(path), path.string());
}

}  // namespace handgrad
