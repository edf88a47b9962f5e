#include "data/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "core/error.h"

// The format: two zero bytes, the type of the elements (8: unsigned byte), the rank, then the sizes
// as 32-bit big-endian numbers, then the elements. The first four bytes are called the magic
// number.

namespace handgrad {
namespace {

constexpr std::string_view download_again = "download it again: the copy is damaged or cut off";

/// A file that zlib reads, decompressing it where it is compressed.
class Reader {
  public:
    explicit Reader(const std::filesystem::path& path) : path_(path.string()) {
        using std::filesystem::file_type;
        std::error_code ignored;  // a file that cannot be looked at cannot be opened either
        const file_type type = std::filesystem::status(path, ignored).type();
        if (type == file_type::not_found)
            fail("no such file", "a file in the IDX format", "`make data` downloads MNIST");
        // A folder can be opened, and a pipe would wait for ever.
        if (type != file_type::regular && type != file_type::none)
            fail(type == file_type::directory ? "a folder" : "not a regular file",
                 "a file in the IDX format");
        errno = 0;
        file_.reset(gzopen(path.c_str(), "rb"));
        if (!file_) fail(std::strerror(errno), "a file that can be read", "check its permissions");
    }

    /// Reads `size` bytes, or as many as are left.
    std::size_t read(std::uint8_t* bytes, std::size_t size) {
        const int count = gzread(file_.get(), bytes, static_cast<unsigned>(size));
        int code = Z_OK;
        const char* reason = gzerror(file_.get(), &code);
        if (code != Z_OK)  // a cut-off gzip file gives bytes and an error
            fail(reason, "a file that can be read to its end, plain or gzip", download_again);
        return static_cast<std::size_t>(count);
    }

    [[noreturn]] void fail(std::string_view got, std::string_view needs,
                           std::string_view hint = {}) const {
        throw Error("read_idx: cannot use " + path_, got, needs, hint);
    }

  private:
    struct Close {
        void operator()(gzFile file) const { gzclose(file); }
    };
    std::string path_;
    std::unique_ptr<gzFile_s, Close> file_;
};

std::uint32_t big_endian(const std::uint8_t* b) {
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

std::string hex(std::uint32_t number) {
    std::array<char, 11> text{};
    std::snprintf(text.data(), text.size(), "0x%08x", number);
    return text.data();
}

std::string magic_meaning(std::uint32_t magic) {
    switch (magic) {
        case 0x801:
            return " (unsigned bytes of rank 1, as labels are)";
        case 0x803:
            return " (unsigned bytes of rank 3, as images are)";
        default:
            return (magic >> 16) == 0 ? " (another type or rank)" : " (not an IDX file)";
    }
}

/// The rest of the file: exactly `size` bytes. The buffer grows with what has been read, so that a
/// header that promises too much costs no memory.
std::vector<std::uint8_t> read_values(Reader& file, std::size_t size, const std::string& promised) {
    std::vector<std::uint8_t> values;
    while (values.size() < size) {
        const std::size_t had = values.size();
        const std::size_t chunk =
            std::min(size - had, std::clamp<std::size_t>(had, 1 << 16, 1 << 30));
        values.resize(had + chunk);
        const std::size_t count = file.read(&values[had], chunk);
        if (count < chunk)
            file.fail(std::to_string(had + count) + " bytes after the header",
                      promised + " as the header says", download_again);
    }
    std::uint8_t extra = 0;
    if (file.read(&extra, 1) != 0)
        file.fail("more bytes after the last element", promised + " as the header says",
                  download_again);
    return values;
}

}  // namespace

IdxArray read_idx(const std::filesystem::path& path, int rank) {
    if (rank != 1 && rank != 3)
        throw Error("read_idx", "rank " + std::to_string(rank), "rank 1 (labels) or 3 (images)");
    Reader file(path);

    std::array<std::uint8_t, 16> header{};  // the magic number and at most three sizes
    const std::size_t header_size = 4 + 4 * static_cast<std::size_t>(rank);
    const std::size_t got = file.read(header.data(), header_size);
    const std::uint32_t magic = big_endian(header.data());
    const std::uint32_t needed = 0x800 + static_cast<std::uint32_t>(rank);
    if (got >= 4 && magic != needed)
        file.fail("the magic number " + hex(magic) + magic_meaning(magic),
                  hex(needed) + magic_meaning(needed),
                  "are the files of images and of labels exchanged, or is this another file?");
    if (got < header_size)
        file.fail(std::to_string(got) + " bytes in all",
                  "a header of " + std::to_string(header_size) + " bytes", download_again);

    std::array<Index, 3> sizes{1, 1, 1};
    Index product = 1;
    bool countable = true;
    std::string promised;
    for (int axis = 0; axis < rank; ++axis) {
        const Index size = big_endian(&header[4 + 4 * static_cast<std::size_t>(axis)]);
        sizes[static_cast<std::size_t>(axis)] = size;
        countable = countable && !__builtin_mul_overflow(product, size, &product);
        promised += (axis == 0 ? "" : " x ") + std::to_string(size);
    }
    promised += " bytes";
    if (!countable || product > Index{1} << 62)
        file.fail("a header that promises " + promised, "sizes that a file can have",
                  download_again);

    return {rank == 1 ? Shape{sizes[0]} : Shape{sizes[0], sizes[1], sizes[2]},
            read_values(file, static_cast<std::size_t>(product), promised)};
}

}  // namespace handgrad
