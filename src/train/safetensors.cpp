#include "train/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/file.h"

// The file:
//   8 bytes    length of the header, little-endian
//   header     JSON, {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
//              with "__metadata__": {"key": "value", ...} beside them; spaces may follow
//   the rest   the tensors' bytes, row-major and little-endian; offsets count from here
//
// https://huggingface.co/docs/safetensors; the rules for hostile files (no gap, no overlap, no name
// twice, headers up to 100 MB) are those of the reference implementation.

namespace handgrad {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are copied to and from the file as they lie in memory");

using Json = nlohmann::json;

constexpr std::size_t prefix = 8;  // the header's length
constexpr std::size_t longest_header = 100'000'000;
constexpr const char* metadata_key = "__metadata__";

template <class T>
constexpr const char* dtype_of = sizeof(T) == 4 ? "F32" : "F64";

Error bad_file(const std::filesystem::path& path, const std::string& got,
               const std::string& needs) {
    return Error("load_safetensors " + path.string() + ": not a safetensors file", got, needs,
                 "the file is damaged or of another format; write it again");
}

/// The header's text. Throws Error unless it lies within the file.
std::string_view header_of(const std::filesystem::path& path, std::string_view file) {
    std::uint64_t length = 0;
    if (file.size() < prefix)
        throw bad_file(path, std::to_string(file.size()) + " bytes", "8 bytes and a header");
    std::memcpy(&length, file.data(), prefix);
    if (length > file.size() - prefix || length > longest_header)
        throw bad_file(path,
                       "a header of " + std::to_string(length) + " bytes in a file of " +
                           std::to_string(file.size()),
                       "a header within the file, of at most " + std::to_string(longest_header));
    return file.substr(prefix, length);
}

/// Parses the header, an object of objects. The parser alone would let a later name overwrite an
/// earlier one, so names are watched as they come.
Json parse_header(const std::filesystem::path& path, std::string_view text) {
    std::vector<std::set<std::string>> names;  // of the objects that are open
    const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
        if (depth > 3) throw bad_file(path, "a header with deep nesting", "{name: {...}, ...}");
        if (event == Json::parse_event_t::object_start) names.emplace_back();
        if (event == Json::parse_event_t::object_end) names.pop_back();
        if (event == Json::parse_event_t::key &&
            !names.back().insert(value.get<std::string>()).second)
            throw bad_file(path, "'" + value.get<std::string>() + "' twice in the header",
                           "every name once");
        return true;
    };
    Json header;
    try {
        header = Json::parse(text.begin(), text.end(), watch);
    } catch (const Json::exception& error) {
        throw bad_file(path, error.what(), "a header in JSON");
    }
    if (!header.is_object()) throw bad_file(path, "a header that is no object", "{name: {...}}");
    return header;
}

Metadata read_metadata(const std::filesystem::path& path, const Json& entry) {
    Metadata metadata;
    if (!entry.is_object()) throw bad_file(path, "metadata that is no object", "strings by name");
    for (const auto& [key, value] : entry.items()) {
        if (!value.is_string())
            throw bad_file(path, "metadata '" + key + "' that is no string", "strings by name");
        metadata[key] = value.get<std::string>();
    }
    return metadata;
}

/// Where a tensor lies in the data.
struct Entry {
    std::string name;
    Shape shape;
    std::size_t begin, end;  // bytes
};

template <class T>
Entry read_entry(const std::filesystem::path& path, const std::string& name, const Json& entry) {
    const std::string tensor = "tensor '" + name + "'";
    const auto are_counts = [](const Json& list) {
        return list.is_array() && std::all_of(list.begin(), list.end(), [](const Json& item) {
                   return item.is_number_unsigned();
               });
    };
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
        !entry.contains("shape") || !are_counts(entry["shape"]) ||
        !entry.contains("data_offsets") || !are_counts(entry["data_offsets"]) ||
        entry["data_offsets"].size() != 2)
        throw bad_file(path, tensor + " described by " + entry.dump().substr(0, 200),
                       "dtype, shape and two data_offsets");

    const auto dtype = entry["dtype"].get<std::string>();
    if (dtype != dtype_of<T>)
        throw Error("load_safetensors " + path.string() + ": another data type",
                    tensor + " of " + dtype, dtype_of<T>,
                    dtype == "F32" || dtype == "F64"
                        ? "load as float for F32, as double for F64, and cast()"
                        : "convert it where it was written");

    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    std::vector<Index> dims;
    for (const Json& dim : entry["shape"])
        dims.push_back(static_cast<Index>(std::min(dim.get<std::uint64_t>(), most)));
    Entry result{name, {}, entry["data_offsets"][0], entry["data_offsets"][1]};
    try {
        result.shape = Shape(dims);
    } catch (const Error&) {
        throw bad_file(path, tensor + " of shape " + entry["shape"].dump().substr(0, 200),
                       "at most six sizes and 2^62 elements");
    }
    const std::size_t bytes = result.end - result.begin;
    if (result.begin > result.end || bytes % sizeof(T) != 0 ||
        bytes / sizeof(T) != static_cast<std::size_t>(result.shape.size()))
        throw bad_file(path,
                       tensor + " of shape " + result.shape.str() + " in bytes " +
                           std::to_string(result.begin) + " to " + std::to_string(result.end),
                       std::to_string(sizeof(T)) + " bytes for each element");
    return result;
}

/// Throws Error unless the tensors, in the order of their offsets, follow one another to the end.
void require_no_gaps(const std::filesystem::path& path, const std::vector<Entry>& entries,
                     std::size_t bytes) {
    std::size_t end = 0;
    for (const Entry& entry : entries) {
        if (entry.begin != end || entry.end > bytes)
            throw bad_file(path,
                           "tensor '" + entry.name + "' in bytes " + std::to_string(entry.begin) +
                               " to " + std::to_string(entry.end) + " of " + std::to_string(bytes),
                           "a start at " + std::to_string(end) + ", and an end within the file");
        end = entry.end;
    }
    if (end != bytes)
        throw bad_file(path, std::to_string(bytes) + " bytes of data",
                       std::to_string(end) + ", as the header says");
}

}  // namespace

template <class T>
void save_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor<T>>& tensors,
                      const Metadata& metadata) {
    nlohmann::ordered_json header;
    if (!metadata.empty()) header[metadata_key] = metadata;
    std::string data;
    for (const auto& [name, value] : tensors) {
        if (name == metadata_key || header.contains(name) || !value.defined())
            throw Error("save_safetensors " + path.string() + ": the tensors do not fit",
                        "'" + name + "'" + (value.defined() ? " again" : ", undefined"),
                        "tensors with memory and names of their own");
        const std::vector<T> elements = value.values();
        const std::size_t begin = data.size();
        data.append(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T));
        std::vector<Index> dims;
        for (int axis = 0; axis < value.rank(); ++axis) dims.push_back(value.dim(axis));
        header[name] = {
            {"dtype", dtype_of<T>}, {"shape", dims}, {"data_offsets", {begin, data.size()}}};
    }
    std::string text;
    try {
        text = header.is_null() ? "{}" : header.dump();
    } catch (const Json::exception& error) {
        throw Error("save_safetensors " + path.string() + ": a name or a metadata text",
                    error.what(), "UTF-8");
    }
    text.resize((text.size() + prefix - 1) / prefix * prefix, ' ');  // aligns the data
    const std::uint64_t length = text.size();
    std::string file(prefix, '\0');
    std::memcpy(file.data(), &length, prefix);
    write_file_atomically(path, file + text + data);
}

template <class T>
SafeTensors<T> load_safetensors(const std::filesystem::path& path) {
    const std::string file = read_file(path);
    const std::string_view text = header_of(path, file);
    const Json header = parse_header(path, text);
    SafeTensors<T> result;
    std::vector<Entry> entries;
    for (const auto& [name, entry] : header.items()) {
        if (name == metadata_key)
            result.metadata = read_metadata(path, entry);
        else
            entries.push_back(read_entry<T>(path, name, entry));
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
    });
    const std::string_view data = std::string_view(file).substr(prefix + text.size());
    require_no_gaps(path, entries, data.size());
    for (const Entry& entry : entries) {
        Tensor<T> value = Tensor<T>::empty(entry.shape);
        std::copy_n(data.data() + entry.begin, entry.end - entry.begin,
                    reinterpret_cast<char*>(value.data()));
        result.tensors.push_back({entry.name, value});
    }
    return result;
}

template <class T>
void copy_by_name(std::string_view operation, const std::vector<NamedTensor<T>>& targets,
                  const std::vector<NamedTensor<T>>& sources) {
    std::string wrong;
    const auto add = [&](const std::string& what) { wrong += (wrong.empty() ? "" : "; ") + what; };
    std::map<std::string, Tensor<T>> found;
    for (const auto& [name, value] : sources)
        if (!found.emplace(name, value).second) add("'" + name + "' twice");
    std::set<std::string> expected;
    for (const auto& [name, value] : targets) {
        const auto at = found.find(name);
        if (!expected.insert(name).second) add("two to fill named '" + name + "'");
        if (at == found.end())
            add("missing '" + name + "'");
        else if (at->second.shape() != value.shape())
            add("'" + name + "' of shape " + at->second.shape().str() + " for one of " +
                value.shape().str());
    }
    for (const auto& [name, value] : sources)
        if (!expected.contains(name)) add("not expected '" + name + "'");
    if (!wrong.empty())
        throw Error(std::string(operation) + ": the tensors are of another model", wrong,
                    "the names and shapes of this model's",
                    "build the model as it was when they were saved");
    for (const auto& [name, value] : targets) value.copy_from(found.at(name));
}

template <class T>
std::vector<NamedTensor<T>> state_dict(Layer<T>& model) {
    std::vector<NamedTensor<T>> state;
    for (const Parameter<T>* parameter : model.parameters())
        state.push_back({parameter->name, parameter->value});
    for (const Buffer<T>* buffer : model.buffers()) state.push_back({buffer->name, buffer->value});
    return state;
}

template <class T>
void save_model(const std::filesystem::path& path, Layer<T>& model, const Metadata& metadata) {
    save_safetensors(path, state_dict(model), metadata);
}

template <class T>
Metadata load_model(const std::filesystem::path& path, Layer<T>& model) {
    const SafeTensors<T> file = load_safetensors<T>(path);
    copy_by_name("load_model " + path.string(), state_dict(model), file.tensors);
    return file.metadata;
}

#define HANDGRAD_INSTANTIATE(T)                                                          \
    template void save_safetensors(const std::filesystem::path&,                         \
                                   const std::vector<NamedTensor<T>>&, const Metadata&); \
    template SafeTensors<T> load_safetensors(const std::filesystem::path&);              \
    template void copy_by_name(std::string_view, const std::vector<NamedTensor<T>>&,     \
                               const std::vector<NamedTensor<T>>&);                      \
    template std::vector<NamedTensor<T>> state_dict(Layer<T>&);                          \
    template void save_model(const std::filesystem::path&, Layer<T>&, const Metadata&);  \
    template Metadata load_model(const std::filesystem::path&, Layer<T>&);
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
