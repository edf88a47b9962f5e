#include "data/npy.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"

// The file:
//   6 bytes       \x93NUMPY
//   2 bytes       the version, 1.0, 2.0 or 3.0
//   2 or 4 bytes  the header's length, little-endian; 4 from version 2.0 on
//   header        a Python dictionary, {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//                 with spaces and a line feed after it
//   the rest      the elements, row-major, or column-major where fortran_order is True

namespace handgrad {
namespace {

static_assert(std::endian::native == std::endian::little,
              "elements are written to the file as they lie in memory");

constexpr std::string_view magic = "\x93NUMPY";

/// What is read, as messages name it: "read_npy: cannot use x.npy".
struct Source {
    std::string name;

    [[noreturn]] void fail(const std::string& got, const std::string& needs,
                           const std::string& hint = {}) const {
        throw Error(name, got, needs, hint);
    }
    [[noreturn]] void bad_header(std::string_view header) const {
        fail("the header " + std::string(header.substr(0, 200)),
             "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } or the like",
             "the file is damaged, or written by something other than numpy");
    }
};

struct Header {
    std::string descr;  // "<f4"
    bool fortran_order = false;
    Shape shape;
};

/// Reads the dictionary. Whatever numpy would not write is refused.
class HeaderParser {
  public:
    HeaderParser(const Source& source, std::string_view text)
        : source_(source), text_(text), rest_(text) {}

    Header parse() {
        Header header;
        std::vector<std::string> keys;
        need(accept("{"));
        while (!accept("}")) {
            const std::string key = string();
            need(accept(":") && std::find(keys.begin(), keys.end(), key) == keys.end());
            if (key == "descr")
                header.descr = descr();
            else if (key == "fortran_order")
                header.fortran_order = boolean();
            else if (key == "shape")
                header.shape = shape();
            else
                need(false);
            keys.push_back(key);
            if (!accept(",")) need(peek() == '}');
        }
        need(keys.size() == 3 && peek() == '\0');
        return header;
    }

  private:
    void need(bool ok) const {
        if (!ok) source_.bad_header(text_);
    }
    /// The next character that is no space; 0 at the end.
    char peek() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
        return rest_.empty() ? '\0' : rest_.front();
    }
    bool accept(std::string_view token) {
        peek();
        if (!rest_.starts_with(token)) return false;
        rest_.remove_prefix(token.size());
        return true;
    }
    std::string string() {
        const char quote = peek();
        need(quote == '\'' || quote == '"');
        const std::size_t end = rest_.find(quote, 1);
        need(end != std::string_view::npos);
        std::string value(rest_.substr(1, end - 1));
        rest_.remove_prefix(end + 1);
        return value;
    }
    std::string descr() {
        if (peek() == '[')
            source_.fail("records, " + std::string(rest_.substr(0, rest_.find(']') + 1)), "numbers",
                         "save each field by itself: numpy.save(path, x['field'])");
        return string();
    }
    bool boolean() {
        if (accept("True")) return true;
        need(accept("False"));
        return false;
    }
    Shape shape() {
        std::vector<Index> dims;
        need(accept("("));
        while (!accept(")")) {
            Index dim = 0;
            peek();
            const char* const end = rest_.data() + rest_.size();
            const auto [stop, failure] = std::from_chars(rest_.data(), end, dim);
            need(failure == std::errc{});
            rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
            accept("L");  // Python 2 wrote 3L
            dims.push_back(dim);
            if (!accept(",")) need(peek() == ')' && dims.size() > 1);  // (3) would be a number
        }
        try {
            return Shape(dims);
        } catch (const Error& error) {
            source_.fail("the header " + std::string(text_.substr(0, 200)),
                         "at most six sizes, and 2^62 elements in all");
        }
    }

    const Source& source_;
    std::string_view text_, rest_;
};

/// The name of a type that is not read.
std::string foreign_type(const std::string& descr) {
    const char kind = descr.size() > 1 ? descr[1] : '?';
    const char* name = kind == 'O'   ? "Python objects"
                       : kind == 'c' ? "complex numbers"
                       : kind == 'S' ? "byte strings"
                       : kind == 'U' ? "strings"
                       : kind == 'M' ? "dates"
                       : kind == 'm' ? "spans of time"
                       : kind == 'V' ? "raw bytes"
                                     : "elements of a type";
    return name + (" (dtype '" + descr.substr(0, 100) + "')");
}

struct Half {
    std::uint16_t bits;
};

template <class S>
S number(S element) {
    return element;
}
/// IEEE 754's binary16: a sign, 5 bits of exponent, 10 of mantissa.
float number(Half half) {
    const int exponent = half.bits >> 10 & 31, mantissa = half.bits & 1023;
    float value = std::ldexp(static_cast<float>(mantissa), -24);  // below 2^-14
    if (exponent == 31)
        value = mantissa == 0 ? std::numeric_limits<float>::infinity()
                              : std::numeric_limits<float>::quiet_NaN();
    else if (exponent > 0)
        value = std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
    return (half.bits & 0x8000) != 0 ? -value : value;
}

template <class T>
constexpr const char* dtype_of = std::is_same_v<T, float>          ? "float32"
                                 : std::is_same_v<T, double>       ? "float64"
                                 : std::is_same_v<T, std::int32_t> ? "int32"
                                                                   : "int64";

/// Can T hold this number, rounded to the nearest if T is a floating type?
template <class T, class S>
bool fits(S value) {
    if constexpr (std::is_floating_point_v<T>) {
        constexpr double most = std::numeric_limits<T>::max();
        const double x = static_cast<double>(value);
        return !std::isfinite(x) || std::abs(x) <= most;
    } else if constexpr (std::is_floating_point_v<S>) {
        constexpr S limit = -static_cast<S>(std::numeric_limits<T>::min());  // 2^31 or 2^63
        return value == std::trunc(value) && value >= -limit && value < limit;
    } else {
        return std::in_range<T>(value);
    }
}

/// The place in row-major order of element k of column-major order.
Index row_major(Index k, const Shape& shape) {
    Index place = 0, stride = shape.size();
    for (int axis = 0; axis < shape.rank(); ++axis) {
        stride /= shape[axis];
        place += k % shape[axis] * stride;
        k /= shape[axis];
    }
    return place;
}

/// The elements, each of type S in the file.
template <class T, class S>
Tensor<T> read_elements(const Source& source, const Header& header, std::string_view bytes) {
    const auto n = static_cast<std::size_t>(header.shape.size());
    if (bytes.size() % sizeof(S) != 0 || bytes.size() / sizeof(S) != n)
        source.fail(std::to_string(bytes.size()) + " bytes after the header",
                    std::to_string(n) + " elements of " + std::to_string(sizeof(S)) +
                        " bytes, for shape " + header.shape.str(),
                    "the file is cut off, or something was added to it");
    const bool swapped = header.descr[0] == '>';
    Tensor<T> x = Tensor<T>::empty(header.shape);
    for (std::size_t i = 0; i < n; ++i) {
        std::array<char, sizeof(S)> element{};
        std::memcpy(element.data(), bytes.data() + i * sizeof(S), sizeof(S));
        if (swapped) std::reverse(element.begin(), element.end());
        const auto value = number(std::bit_cast<S>(element));
        const auto k = static_cast<Index>(i);
        const Index place = header.fortran_order ? row_major(k, header.shape) : k;
        if (!fits<T>(value))
            source.fail("element " + std::to_string(place) + ", which is " +
                            format("%.17g", static_cast<double>(value)),
                        std::string("numbers that ") + dtype_of<T> + " can hold",
                        "read the array as another type");
        x.data()[place] = static_cast<T>(value);
    }
    return x;
}

template <class T>
Tensor<T> parse_npy(const Source& source, std::string_view file) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(file[i]); };
    if (!file.starts_with(magic) || file.size() < 12)
        source.fail(file.starts_with(magic.substr(0, file.size()))
                        ? std::to_string(file.size()) + " bytes in all"
                        : "a file that starts otherwise",
                    "\\x93NUMPY, the start of an .npy file, and what follows it");
    const int major = byte(6), minor = byte(7);
    if (major < 1 || major > 3 || minor != 0)
        source.fail("version " + std::to_string(major) + "." + std::to_string(minor),
                    "version 1.0, 2.0 or 3.0");
    const std::size_t start = major == 1 ? 10 : 12;
    std::size_t length = byte(8) | byte(9) << 8;
    if (major > 1) length |= static_cast<std::size_t>(byte(10)) << 16 | std::size_t{byte(11)} << 24;
    if (length > file.size() - start)
        source.fail("a header of " + std::to_string(length) + " bytes in a file of " +
                        std::to_string(file.size()),
                    "a header within the file", "the file is cut off");

    const Header header = HeaderParser(source, file.substr(start, length)).parse();
    const std::string_view data = file.substr(start + length);
    const std::string type = header.descr.empty() ? "" : header.descr.substr(1);
    if (header.descr.starts_with('<') || header.descr.starts_with('>') ||
        (header.descr.starts_with('|') && type.ends_with('1'))) {
        if (type == "b1") return read_elements<T, std::uint8_t>(source, header, data);
        if (type == "i1") return read_elements<T, std::int8_t>(source, header, data);
        if (type == "u1") return read_elements<T, std::uint8_t>(source, header, data);
        if (type == "i2") return read_elements<T, std::int16_t>(source, header, data);
        if (type == "u2") return read_elements<T, std::uint16_t>(source, header, data);
        if (type == "i4") return read_elements<T, std::int32_t>(source, header, data);
        if (type == "u4") return read_elements<T, std::uint32_t>(source, header, data);
        if (type == "i8") return read_elements<T, std::int64_t>(source, header, data);
        if (type == "u8") return read_elements<T, std::uint64_t>(source, header, data);
        if (type == "f4") return read_elements<T, float>(source, header, data);
        if (type == "f8") return read_elements<T, double>(source, header, data);
        if (type == "f2") return read_elements<T, Half>(source, header, data);
    }
    source.fail(foreign_type(header.descr),
                "bool, int8 to int64, uint8 to uint64, float16, float32 or float64",
                "convert it in numpy: x.astype('float32')");
}

template <class T>
std::string npy_bytes(const Tensor<T>& x) {
    if (!x.defined()) throw Error("write_npy", "an undefined tensor", "a tensor with memory");
    std::string dims;
    for (int axis = 0; axis < x.rank(); ++axis)
        dims += std::to_string(x.dim(axis)) + (axis + 1 < x.rank() ? ", " : "");
    if (x.rank() == 1) dims += ',';
    std::string header = format("{'descr': '<%c%zu', 'fortran_order': False, 'shape': (%s), }",
                                std::is_floating_point_v<T> ? 'f' : 'i', sizeof(T), dims.c_str());
    constexpr std::size_t prefix = 10, alignment = 64;  // of the first element, as numpy asks
    header.resize((prefix + header.size() + alignment) / alignment * alignment - prefix - 1, ' ');
    header += '\n';

    std::string bytes(magic);
    bytes += {'\1', '\0', static_cast<char>(header.size() & 0xff),
              static_cast<char>(header.size() >> 8)};
    bytes += header;
    const Tensor<T> host = x.to(Device::cpu);
    bytes.append(reinterpret_cast<const char*>(host.data()),
                 static_cast<std::size_t>(host.size()) * sizeof(T));
    return bytes;
}

}  // namespace

template <class T>
Tensor<T> read_npy(const std::filesystem::path& path) {
    return parse_npy<T>({"read_npy: cannot use " + path.string()}, read_file(path));
}

template <class T>
void write_npy(const std::filesystem::path& path, const Tensor<T>& x) {
    write_file_atomically(path, npy_bytes(x));
}

namespace {

struct CloseFile {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
};
struct Discard {
    void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

/// libzip's own error, and what it says about itself.
class ZipError {
  public:
    ZipError() { zip_error_init(&error_); }
    ~ZipError() { zip_error_fini(&error_); }
    ZipError(const ZipError&) = delete;
    ZipError& operator=(const ZipError&) = delete;
    operator zip_error_t*() { return &error_; }  // NOLINT(google-explicit-constructor)
    [[nodiscard]] std::string text() { return zip_error_strerror(&error_); }

  private:
    zip_error_t error_{};
};

/// An archive in memory, open for reading. Throws Error.
Archive open_archive(const std::string& path, std::string_view bytes) {
    ZipError error;
    zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, error);
    zip_t* archive = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, error);
    if (archive == nullptr) {
        zip_source_free(source);
        throw Error("NpzFile: cannot use " + path, error.text(), "a zip archive of .npy files");
    }
    return Archive(archive);  // which owns the source
}

}  // namespace

NpzFile::NpzFile(const std::filesystem::path& path)
    : path_(path.string()), bytes_(read_file(path)) {
    const Archive archive = open_archive(path_, bytes_);
    const zip_int64_t members = zip_get_num_entries(archive.get(), 0);
    for (zip_int64_t i = 0; i < members; ++i) {
        const char* name = zip_get_name(archive.get(), static_cast<zip_uint64_t>(i), 0);
        std::string array = name == nullptr ? "" : name;
        if (!array.ends_with(".npy")) continue;
        array.resize(array.size() - 4);
        if (std::find(names_.begin(), names_.end(), array) != names_.end())
            throw Error("NpzFile: cannot use " + path_, "two arrays called '" + array + "'",
                        "every name once");
        names_.push_back(array);
    }
}

std::string NpzFile::member(std::string_view name) const {
    const auto fail = [&](const std::string& got, const std::string& needs) {
        throw Error("NpzFile.read: cannot use '" + std::string(name) + "' in " + path_, got, needs);
    };
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
        std::string all;
        for (const std::string& known : names_) all += (all.empty() ? "" : ", ") + known;
        fail("no such array", all.empty() ? "an archive with arrays" : "one of " + all);
    }
    const Archive archive = open_archive(path_, bytes_);
    const std::unique_ptr<zip_file_t, CloseFile> file(
        zip_fopen(archive.get(), (std::string(name) + ".npy").c_str(), 0));
    if (!file) fail(zip_strerror(archive.get()), "a member that is stored or deflated");

    // The size in the archive may be a lie, so the buffer grows with what has been read.
    std::string bytes;
    while (true) {
        constexpr std::size_t part = 1 << 20;
        const std::size_t had = bytes.size();
        bytes.resize(had + part);
        const zip_int64_t got = zip_fread(file.get(), bytes.data() + had, part);
        if (got < 0) fail(zip_file_strerror(file.get()), "a member that is whole");
        bytes.resize(had + static_cast<std::size_t>(got));
        if (got == 0) return bytes;
    }
}

template <class T>
Tensor<T> NpzFile::read(std::string_view name) const {
    return parse_npy<T>({"NpzFile.read: cannot use '" + std::string(name) + "' in " + path_},
                        member(name));
}

void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, AnyTensor>>& arrays,
               Compression compression) {
    const std::string operation = "write_npz " + path.string();
    std::vector<std::string> members;  // which the archive reads when it is closed
    ZipError error;
    zip_source_t* const memory = zip_source_buffer_create(nullptr, 0, 0, error);
    if (memory == nullptr) throw Error(operation, error.text(), "enough memory for the archive");
    zip_source_keep(memory);  // beyond the archive's end
    const std::unique_ptr<zip_source_t, decltype(&zip_source_free)> holder(memory, zip_source_free);
    Archive archive(zip_open_from_source(memory, ZIP_TRUNCATE, error));
    const auto require = [&](bool ok) {
        if (!ok)
            throw Error(operation, archive ? zip_strerror(archive.get()) : error.text(),
                        "enough memory for the archive");
    };
    require(archive != nullptr);
    members.reserve(arrays.size());
    for (const auto& [name, array] : arrays) {
        const auto same = [&, &wanted = name](const auto& other) { return other.first == wanted; };
        if (name.empty() || std::count_if(arrays.begin(), arrays.end(), same) != 1)
            throw Error(operation, "an array called '" + name + "'", "names, each only once");
        members.push_back(std::visit([](const auto& x) { return npy_bytes(x); }, array));
        zip_source_t* const source =
            zip_source_buffer(archive.get(), members.back().data(), members.back().size(), 0);
        const zip_int64_t index =
            zip_file_add(archive.get(), (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
        require(index >= 0);
        const auto at = static_cast<zip_uint64_t>(index);
        const bool stored = compression == Compression::stored;
        constexpr zip_uint16_t new_year_1980 = 1 << 5 | 1;  // the first date that zip knows
        require(zip_set_file_compression(archive.get(), at, stored ? ZIP_CM_STORE : ZIP_CM_DEFLATE,
                                         0) == 0 &&
                zip_file_set_dostime(archive.get(), at, 0, new_year_1980, 0) == 0);
    }
    require(zip_close(archive.get()) == 0);
    archive.release();

    // libzip writes no archive for no members; this is an empty one.
    std::string bytes = "PK\5\6" + std::string(18, '\0');
    if (!arrays.empty()) {
        zip_stat_t stat;
        const bool ok = zip_source_stat(memory, &stat) == 0 && zip_source_open(memory) == 0;
        bytes.resize(ok ? stat.size : 0);
        require(ok && zip_source_read(memory, bytes.data(), stat.size) ==
                          static_cast<zip_int64_t>(stat.size));
        zip_source_close(memory);
    }
    write_file_atomically(path, bytes);
}

#define HANDGRAD_INSTANTIATE(T)                                              \
    template Tensor<T> read_npy(const std::filesystem::path&);               \
    template void write_npy(const std::filesystem::path&, const Tensor<T>&); \
    template Tensor<T> NpzFile::read(std::string_view) const;
HANDGRAD_INSTANTIATE(float)
HANDGRAD_INSTANTIATE(double)
HANDGRAD_INSTANTIATE(std::int32_t)
HANDGRAD_INSTANTIATE(Index)
#undef HANDGRAD_INSTANTIATE

}  // namespace handgrad
