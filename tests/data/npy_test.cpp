#include "data/npy.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "golden.h"
#include "temp_dir.h"

using namespace handgrad;
using namespace std::string_literals;

namespace {

std::string from_hex(const std::string& digits) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
    return bytes;
}

std::string with_header(const std::string& header, const std::string& data = {}) {
    return "\x93NUMPY\1\0"s + static_cast<char>(header.size()) + '\0' + header + data;
}

std::string with_descr(const std::string& descr, const std::string& shape,
                       const std::string& data) {
    return with_header(
        "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }\n", data);
}

template <class T>
std::string raw(std::initializer_list<T> values) {
    return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

/// Reading must fail, the message naming the file and saying what was found.
template <class T = float>
void check_refused(const std::filesystem::path& file, const std::string& found) {
    REQUIRE_THROWS_WITH(read_npy<T>(file), ContainsSubstring("read_npy") &&
                                               ContainsSubstring(file.string()) &&
                                               ContainsSubstring(found));
    REQUIRE_THROWS_AS(read_npy<T>(file), Error);
}

template <class T>
bool equal(const Tensor<T>& a, const Tensor<T>& b) {
    return a.shape() == b.shape() && a.values() == b.values();
}

}  // namespace

TEMPLATE_TEST_CASE("read_npy reads what numpy wrote, of every type, order and version",
                   "[npy][golden]", float, double, std::int32_t, Index) {
    const TempDir dir;
    const auto cases = golden("npy")["cases"];
    REQUIRE(cases.size() > 35);
    for (const auto& c : cases) {
        INFO(c["dtype"] << " " << c["shape"] << ", Fortran " << c["fortran"] << ", version "
                        << c["version"]);
        const auto file = dir.write("x.npy", from_hex(c["file"]));
        const auto expected = golden_tensor<double>(c);
        const auto numbers = expected.span();
        const bool whole = std::all_of(numbers.begin(), numbers.end(),
                                       [](double v) { return v == std::trunc(v); });
        if (std::is_integral_v<TestType> && !whole)
            check_refused<TestType>(file, "element 0, which is 0.09997558");
        else
            REQUIRE(equal(
                read_npy<TestType>(file),
                Tensor<TestType>::from(expected.shape(),
                                       std::vector<TestType>(numbers.begin(), numbers.end()))));
    }
}

TEMPLATE_TEST_CASE("write_npy and read_npy are each other's inverse", "[npy]", float, double,
                   std::int32_t, Index) {
    const TempDir dir;
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{7}, Shape{3, 5}, Shape{2, 0, 3},
                               Shape{1, 2, 3, 1, 2, 2}}) {
        const Tensor<TestType> x = Tensor<TestType>::empty(shape);
        for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<TestType>(10 - 3 * i);
        write_npy(dir / "x.npy", x);
        REQUIRE(equal(read_npy<TestType>(dir / "x.npy"), x));
        const std::string bytes = read_file(dir / "x.npy");
        REQUIRE((bytes.size() - static_cast<std::size_t>(x.size()) * sizeof(TestType)) % 64 == 0);
    }
    REQUIRE_THROWS_AS(write_npy(dir / "x.npy", Tensor<TestType>()), Error);
}

TEST_CASE("read_npy keeps what is not finite, and reads Python 2's numbers", "[npy]") {
    const TempDir dir;
    const auto file = dir.write(
        "x.npy", with_descr("'<f8'", "(4L,)", raw<double>({NAN, INFINITY, -INFINITY, 1e-310})));
    const Tensor<float> x = read_npy<float>(file);
    REQUIRE(std::isnan(x(0)));
    REQUIRE(x(1) == INFINITY);
    REQUIRE(x(2) == -INFINITY);
    REQUIRE(x(3) == 0);
    check_refused<Index>(file, "element 0, which is nan");
    const auto half = dir.write("h.npy", with_descr("'>f2'", "(3,)", "\x7c\0\xfc\0\x7e\0"s));
    REQUIRE(read_npy<float>(half)(0) == INFINITY);
    REQUIRE(read_npy<float>(half)(1) == -INFINITY);
    REQUIRE(std::isnan(read_npy<float>(half)(2)));
}

TEST_CASE("read_npy refuses a number that the type cannot hold", "[npy]") {
    const TempDir dir;
    const auto doubles = [&](double v) {
        return dir.write("x.npy", with_descr("'<f8'", "(2,)", raw<double>({1, v})));
    };
    check_refused<float>(doubles(-1e39), "element 1, which is -9.99");
    check_refused<std::int32_t>(doubles(0.5), "element 1, which is 0.5");
    check_refused<std::int32_t>(doubles(2147483648.0), "int32");
    REQUIRE(read_npy<std::int32_t>(doubles(-2147483648.0))(1) == INT32_MIN);
    check_refused<Index>(doubles(0x1p63), "int64");
    REQUIRE(read_npy<Index>(doubles(-0x1p63))(1) == INT64_MIN);
    const auto wide = dir.write("y.npy", with_descr("'<u8'", "(1,)", raw<std::uint64_t>({~0UL})));
    check_refused<Index>(wide, "element 0");
    REQUIRE(read_npy<double>(wide)(0) == 0x1p64);
    const auto place =
        dir.write("f.npy", with_header("{'descr': '<i8', 'fortran_order': True, 'shape': (2, 3)}",
                                       raw<std::int64_t>({0, 0, 1L << 40, 0, 0, 0})));
    check_refused<std::int32_t>(place, "element 1, which is 1099511627776");
}

TEST_CASE("read_npy refuses other types by name", "[npy]") {
    const TempDir dir;
    for (const auto& [descr, name] : std::vector<std::pair<std::string, std::string>>{
             {"'|O'", "Python objects (dtype '|O')"},
             {"'<c16'", "complex numbers (dtype '<c16')"},
             {"'|S3'", "byte strings"},
             {"'<U5'", "strings (dtype '<U5')"},
             {"'<M8[ns]'", "dates"},
             {"'<m8[D]'", "spans of time"},
             {"'|V8'", "raw bytes"},
             {"'<f16'", "elements of a type (dtype '<f16')"},
             {"'=f4'", "dtype '=f4'"},
             {"'|f4'", "dtype '|f4'"},
             {"'f4'", "dtype 'f4'"},
             {"''", "dtype ''"},
             {"[('a', '<i4'), ('b', '<f8')]", "records, [('a', '<i4'), ('b', '<f8')]"}})
        check_refused(dir.write("x.npy", with_descr(descr, "(1,)", std::string(16, '\0'))), name);
}

TEST_CASE("read_npy believes no header that its file does not bear out", "[npy]") {
    const TempDir dir;
    const std::string data = raw<float>({1, 2, 3, 4, 5, 6});
    const std::string good = with_descr("'<f4'", "(2, 3)", data);
    REQUIRE(read_npy<float>(dir.write("x.npy", good))(1, 2) == 6);
    for (std::size_t length = 0; length < good.size(); ++length)
        REQUIRE_THROWS_AS(read_npy<float>(dir.write("cut.npy", good.substr(0, length))), Error);
    check_refused(dir.write("x.npy", good + "x"), "25 bytes after the header");
    REQUIRE_THROWS_WITH(read_npy<float>(dir / "none.npy"),
                        ContainsSubstring("none.npy") && ContainsSubstring("No such file"));
    REQUIRE_THROWS_AS(read_npy<float>(dir.path()), Error);

    for (const std::string shape : {"(6)", "(2 3)", "(-6,)", "(2, 3", "2, 3", "(2, x)", "(,)",
                                    "(2, 99999999999999999999)", "(2.0, 3)", "()"})
        REQUIRE_THROWS_AS(read_npy<float>(dir.write("x.npy", with_descr("'<f4'", shape, data))),
                          Error);
    check_refused(dir.write("x.npy", with_descr("'<f4'", "(4294967296, 4294967296)", data)),
                  "2^62");
    check_refused(dir.write("x.npy", with_descr("'<f4'", "(1, 1, 1, 1, 1, 2, 3)", data)), "six");
    check_refused(dir.write("x.npy", with_descr("'<f4'", "(1000000000000,)", data)),
                  "24 bytes after the header");

    for (const std::string header :
         {"", "{", "{}", "[]", "{'descr': '<f4', 'shape': (2, 3)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'shape': (2, 3)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
          "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
          "{'descr': '<f4 'fortran_order': False 'shape': (2, 3)}",
          "{'descr: '<f4', 'fortran_order': False, 'shape': (2, 3)}"})
        check_refused(dir.write("x.npy", with_header(header, data)), "the header " + header);

    std::string other = good;
    other[6] = 4;
    check_refused(dir.write("x.npy", other), "version 4.0");
    other[6] = 1, other[7] = 1;
    check_refused(dir.write("x.npy", other), "version 1.1");
    check_refused(dir.write("x.npy", "PK\3\4 and more than that"), "starts otherwise");
    check_refused(dir.write("x.npy", "\x93NUMPY\2\0\xff\xff\xff\xff{'descr'"s), "4294967295");
}

TEST_CASE("NpzFile reads what numpy stored and deflated", "[npy][golden]") {
    const TempDir dir;
    const auto values = golden("npy");
    const auto pixels = values["images"].get<std::vector<float>>();
    for (const auto& archive : values["archives"]) {
        const NpzFile file(dir.write("x.npz", from_hex(archive)));
        REQUIRE(file.names() == std::vector<std::string>{"images", "labels"});
        REQUIRE(equal(file.read<float>("images"), Tensor<float>::from({2, 3}, pixels)));
        REQUIRE(
            equal(file.read<std::int32_t>("labels"), Tensor<std::int32_t>::from({3}, {0, 1, 2})));
        REQUIRE_THROWS_WITH(file.read<float>("image"), ContainsSubstring("'image'") &&
                                                           ContainsSubstring("x.npz") &&
                                                           ContainsSubstring("images, labels"));
    }
}

TEST_CASE("write_npz writes what NpzFile reads, the same bytes each time", "[npy]") {
    const TempDir dir;
    const auto x = Tensor<float>::full({50, 60}, 0.25F);
    const auto y = Tensor<Index>::from({2}, {1L << 40, -1});
    for (const Compression compression : {Compression::stored, Compression::deflated}) {
        const auto path = dir / "a.npz";
        write_npz(path, {{"x", x}, {"\xc3\xa4/y", y}, {"none", Tensor<double>::zeros({0})}},
                  compression);
        const NpzFile file(path);
        REQUIRE(file.names() == std::vector<std::string>{"x", "\xc3\xa4/y", "none"});
        REQUIRE(equal(file.read<float>("x"), x));
        REQUIRE(equal(file.read<Index>("\xc3\xa4/y"), y));
        REQUIRE(file.read<double>("none").shape() == Shape{0});
        const std::string bytes = read_file(path);
        REQUIRE((bytes.size() < 2000) == (compression == Compression::deflated));
        write_npz(path, {{"x", x}, {"\xc3\xa4/y", y}, {"none", Tensor<double>::zeros({0})}},
                  compression);
        REQUIRE(read_file(path) == bytes);
    }
    write_npz(dir / "empty.npz", {});
    REQUIRE(NpzFile(dir / "empty.npz").names().empty());
    REQUIRE_THROWS_WITH(write_npz(dir / "b.npz", {{"x", x}, {"x", y}}), ContainsSubstring("'x'"));
    REQUIRE_THROWS_AS(write_npz(dir / "b.npz", {{"", x}}), Error);
    REQUIRE_FALSE(std::filesystem::exists(dir / "b.npz"));
}

TEST_CASE("NpzFile refuses damaged archives and members", "[npy]") {
    const TempDir dir;
    REQUIRE_THROWS_WITH(NpzFile(dir.write("x.npz", "no archive")), ContainsSubstring("x.npz"));
    REQUIRE_THROWS_AS(NpzFile(dir / "none.npz"), Error);

    const auto x = Tensor<float>::full({50}, 0.25F);
    for (const Compression compression : {Compression::stored, Compression::deflated}) {
        write_npz(dir / "x.npz", {{"x", x}}, compression);
        const std::string good = read_file(dir / "x.npz");
        std::size_t noticed = 0;
        for (std::size_t at = 0; at < good.size(); ++at) {
            std::string bad = good;
            bad[at] = static_cast<char>(bad[at] ^ 0x41);
            try {
                const NpzFile file(dir.write("bad.npz", bad));
                if (file.names().empty()) continue;
                const Tensor<float> read = file.read<float>(file.names().front());
                REQUIRE(equal(read, x));
            } catch (const Error&) {
                ++noticed;  // and never anything else, nor other numbers
            }
        }
        REQUIRE(noticed > good.size() / 4);
        for (std::size_t length = 0; length < good.size(); ++length)
            REQUIRE_THROWS_AS(
                NpzFile(dir.write("cut.npz", good.substr(0, length))).read<float>("x"), Error);
    }
}
