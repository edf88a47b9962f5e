#include "data/idx.h"

#include <sys/stat.h>
#include <zlib.h>

#include "catch.h"
#include "core/error.h"
#include "temp_dir.h"

using namespace handgrad;
using namespace std::string_literals;

namespace {

const std::string two_labels = "\0\0\x08\x01\0\0\0\x02"s + "\x03\x09"s;
const std::string two_images =
    "\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x03"s + "\x01\x02\x03\xff\x00\x80"s;

std::string gzip(const std::string& bytes) {
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string packed(bytes.size() + 1000, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

/// Reading must fail, the message naming the file and saying what was found.
void check_refused(const std::filesystem::path& file, int rank, const std::string& found) {
    REQUIRE_THROWS_WITH(read_idx(file, rank), ContainsSubstring("read_idx") &&
                                                  ContainsSubstring(file.string()) &&
                                                  ContainsSubstring(found));
    REQUIRE_THROWS_AS(read_idx(file, rank), Error);
}

}  // namespace

TEST_CASE("read_idx reads labels and images, plain and compressed") {
    const TempDir dir;
    for (const bool compressed : {false, true}) {
        const auto stored = [&](const std::string& s) { return compressed ? gzip(s) : s; };
        const IdxArray labels = read_idx(dir.write("labels", stored(two_labels)), 1);
        REQUIRE(labels.shape == Shape{2});
        REQUIRE(labels.values == std::vector<std::uint8_t>{3, 9});
        const IdxArray images = read_idx(dir.write("images", stored(two_images)), 3);
        REQUIRE(images.shape == Shape{2, 1, 3});
        REQUIRE(images.values == std::vector<std::uint8_t>{1, 2, 3, 255, 0, 128});
    }
}

TEST_CASE("read_idx reads a file of many chunks") {
    const TempDir dir;
    std::string bytes = "\0\0\x08\x01\0\x03\x0d\x41"s;  // 200,001
    for (int i = 0; i < 200001; ++i) bytes += static_cast<char>(i % 251);
    const IdxArray array = read_idx(dir.write("many.gz", gzip(bytes)), 1);
    REQUIRE(array.values.size() == 200001);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < array.values.size(); ++i) wrong += array.values[i] != i % 251;
    REQUIRE(wrong == 0);
    check_refused(dir.write("short.gz", gzip(bytes.substr(0, 150000))), 1,
                  "149992 bytes after the header");
}

TEST_CASE("read_idx reads an array with no elements") {
    const TempDir dir;
    REQUIRE(read_idx(dir.write("empty", "\0\0\x08\x01\0\0\0\0"s), 1).values.empty());
}

TEST_CASE("read_idx refuses what is no file") {
    const TempDir dir;
    check_refused(dir / "missing", 1, "no such file");
    check_refused(dir.path(), 1, "a folder");
    REQUIRE(mkfifo((dir / "pipe").c_str(), 0600) == 0);
    check_refused(dir / "pipe", 1, "not a regular file");
    std::filesystem::create_symlink("nowhere", dir / "dangling");
    check_refused(dir / "dangling", 1, "no such file");
    std::filesystem::create_symlink("loop", dir / "loop");
    check_refused(dir / "loop", 1, "symbolic link");
}

TEST_CASE("read_idx refuses a file without permission") {
    const TempDir dir;
    const auto file = dir.write("secret", two_labels);
    std::filesystem::permissions(file, std::filesystem::perms::none);
    if (std::ifstream(file).is_open()) return;  // root may read everything
    check_refused(file, 1, "ermission");
}

TEST_CASE("read_idx refuses a wrong magic number") {
    const TempDir dir;
    check_refused(dir.write("text", "hello, world, this is text"), 1, "0x68656c6c (not an IDX");
    check_refused(dir.write("labels", two_labels), 3, "0x00000801 (unsigned bytes of rank 1");
    check_refused(dir.write("images", two_images), 1, "0x00000803 (unsigned bytes of rank 3");
    // 32-bit floats, and one byte too far.
    check_refused(dir.write("float", "\0\0\x0d\x01\0\0\0\x01\0\0\0\0"s), 1, "another type");
    check_refused(dir.write("shifted", "\0"s + two_labels), 1, "0x00000008");
}

TEST_CASE("read_idx refuses a file that is cut off anywhere") {
    const TempDir dir;
    for (const int rank : {1, 3}) {
        const std::string& whole = rank == 1 ? two_labels : two_images;
        for (std::size_t size = 0; size < whole.size(); ++size) {
            INFO(size << " bytes of rank " << rank);
            check_refused(dir.write("cut", whole.substr(0, size)), rank,
                          size < (rank == 1 ? 8 : 16) ? "bytes in all" : "after the header");
        }
        const std::string packed = gzip(whole);
        for (std::size_t size = 1; size < packed.size(); ++size) {
            INFO(size << " compressed bytes of rank " << rank);
            REQUIRE_THROWS_AS(read_idx(dir.write("cut.gz", packed.substr(0, size)), rank), Error);
        }
    }
}

TEST_CASE("read_idx refuses trailing bytes") {
    const TempDir dir;
    check_refused(dir.write("plain", two_labels + "\0"s), 1, "more bytes");
    check_refused(dir.write("packed.gz", gzip(two_images + "x")), 3, "more bytes");
}

TEST_CASE("read_idx refuses damaged gzip data") {
    const TempDir dir;
    const std::string whole = gzip(two_images);
    for (std::size_t i = whole.size() - 8; i < whole.size(); ++i) {  // checksum and length
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
        check_refused(dir.write("damaged.gz", damaged), 3, "incorrect");
    }
    std::string damaged = whole;
    for (std::size_t i = 10; i < 20; ++i) damaged[i] = '\xff';
    check_refused(dir.write("damaged.gz", damaged), 3, "invalid");
}

TEST_CASE("read_idx believes no header without the data") {
    const TempDir dir;
    // 4 GB promised; the sizes' product beyond 2^62; and beyond 64 bits.
    check_refused(dir.write("big", "\0\0\x08\x01\xff\xff\xff\xff"s + "abc"s), 1,
                  "3 bytes after the header");
    check_refused(dir.write("huge", "\0\0\x08\x03\x7f\xff\xff\xff\x7f\xff\xff\xff\0\0\0\x01z"s), 3,
                  "1 bytes after the header");
    check_refused(dir.write("vast", "\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01z"s), 3,
                  "4294967295 x 4294967295 x 1 bytes");
    check_refused(
        dir.write("over", "\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s), 3,
        "4294967295 x 4294967295 x 4294967295 bytes");
}

TEST_CASE("read_idx refuses another rank") {
    REQUIRE_THROWS_WITH(read_idx("file", 2), ContainsSubstring("rank 2"));
}
