#include "data/image_folder.h"

#include <cmath>

#include "catch.h"
#include "core/error.h"
#include "core/file.h"
#include "report/png.h"
#include "temp_dir.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>
#pragma GCC diagnostic pop

using namespace handgrad;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

void append(void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<char*>(data),
                                               static_cast<std::size_t>(size));
}

/// A file of width x height pixels of one colour.
std::string bmp(int width, int height, std::array<std::uint8_t, 3> colour) {
    std::string pixels, file;
    for (int i = 0; i < width * height; ++i) pixels.append(colour.begin(), colour.end());
    stbi_write_bmp_to_func(append, &file, width, height, 3, pixels.data());
    return file;
}

std::string jpeg(int width, int height, std::array<std::uint8_t, 3> colour) {
    std::string pixels, file;
    for (int i = 0; i < width * height; ++i) pixels.append(colour.begin(), colour.end());
    stbi_write_jpg_to_func(append, &file, width, height, 3, pixels.data(), 95);
    return file;
}

bool all_near(const Tensor<float>& x, float value, float tolerance) {
    for (const float v : x.span())
        if (!(std::abs(v - value) <= tolerance)) return false;
    return true;
}

/// Two classes: "b" with one white image, "a" with a black and a grey one.
void write_classes(const TempDir& dir) {
    dir.write("set/b/only.PNG", "");
    write_png(dir / "set/b/only.PNG", std::vector<std::uint8_t>(9, 255), 3, 3);
    dir.write("set/a/2.bmp", bmp(2, 5, {102, 102, 102}));
    dir.write("set/a/1.jpg", jpeg(8, 8, {0, 0, 0}));
    dir.write("set/a/notes.txt", "no image");
    dir.write("set/a/.hidden.jpg", "no image");
    dir.write("set/README", "no class");
}

std::size_t files_in(const fs::path& folder) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("read_grey_image weighs the colours as the eye does", "[image_folder]") {
    const TempDir dir;
    const auto grey = [&](const std::string& file) {
        return read_grey_image(dir.write("x", file), 3, 4);
    };
    REQUIRE(grey(bmp(4, 3, {255, 0, 0})).shape() == Shape{3, 4});
    REQUIRE(all_near(grey(bmp(4, 3, {255, 0, 0})), 0.299F, 1e-6F));
    REQUIRE(all_near(grey(bmp(4, 3, {0, 255, 0})), 0.587F, 1e-6F));
    REQUIRE(all_near(grey(bmp(4, 3, {0, 0, 255})), 0.114F, 1e-6F));
    REQUIRE(all_near(grey(bmp(4, 3, {255, 255, 255})), 1, 1e-6F));
    REQUIRE(all_near(grey(jpeg(16, 16, {0, 0, 255})), 0.114F, 0.01F));
}

TEST_CASE("read_grey_image stretches, each way by itself", "[image_folder]") {
    const TempDir dir;
    for (const int width : {1, 2, 3, 64, 100})
        for (const int height : {1, 5, 64, 77})
            REQUIRE(
                all_near(read_grey_image(dir.write("x", bmp(width, height, {51, 51, 51})), 64, 7),
                         0.2F, 1e-5F));
    // Left half black, right half white; a cubic filter overshoots at the step, and that is cut.
    std::vector<std::uint8_t> halves(400);
    for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = i % 20 < 10 ? 0 : 255;
    write_png(dir / "halves.png", halves, 20, 20);
    for (const Index size : {5, 10, 20, 31, 64}) {
        const Tensor<float> x = read_grey_image(dir / "halves.png", size, size);
        for (Index i = 0; i < size; ++i) {
            REQUIRE(std::abs(x(i, 0)) <= 0.01F);
            REQUIRE(std::abs(x(i, size - 1) - 1) <= 0.01F);
            for (Index k = 0; k < size; ++k) REQUIRE((x(i, k) >= 0 && x(i, k) <= 1));
        }
    }
    // Shrunk to one pixel, all of the image counts.
    REQUIRE(read_grey_image(dir / "halves.png", 1, 1)(0, 0) == Approx(0.5).margin(0.01));
}

TEST_CASE("read_grey_image names a file that it cannot read", "[image_folder]") {
    const TempDir dir;
    const auto refused = [](const fs::path& path) {
        REQUIRE_THROWS_AS(read_grey_image(path, 8, 8), Error);
        REQUIRE_THROWS_WITH(read_grey_image(path, 8, 8), ContainsSubstring(path.string()));
    };
    refused(dir / "none.png");
    refused(dir.write("empty.png", ""));
    refused(dir.write("text.jpg", "hello, world"));
    const std::string whole = jpeg(40, 30, {10, 200, 30});
    for (std::size_t length = 0; length < whole.size(); length += 7)
        refused(dir.write("cut.jpg", whole.substr(0, length)));
    write_png(dir / "x.png", std::vector<std::uint8_t>(400, 99), 20, 20);
    const std::string png = read_file(dir / "x.png");
    for (std::size_t length = 0; length + 12 < png.size(); ++length)  // 12: the end chunk is empty
        refused(dir.write("cut.png", png.substr(0, length)));
    // A header that promises 65535 x 65535 pixels.
    std::string huge = png;
    huge.replace(16, 8, "\0\0\xff\xff\0\0\xff\xff"s);
    refused(dir.write("huge.png", huge));
    REQUIRE_THROWS_AS(read_grey_image(dir / "x.png", 0, 8), Error);
}

TEST_CASE("read_image_folder takes classes and images by name", "[image_folder]") {
    const TempDir dir;
    write_classes(dir);
    for (const std::string path : {"set", "set/"}) {
        const Dataset set = read_image_folder(dir / path, {.height = 4, .width = 6});
        REQUIRE(set.name == "set");
        REQUIRE(set.classes == std::vector<std::string>{"a", "b"});
        REQUIRE(set.y.values() == std::vector<std::int32_t>{0, 0, 1});
        REQUIRE(set.x.shape() == Shape{3, 24});
        REQUIRE(set.sample == Shape{4, 6});
        REQUIRE(all_near(set.x.rows(0, 1), 0, 0.01F));
        REQUIRE(all_near(set.x.rows(1, 2), 0.4F, 1e-5F));
        REQUIRE(all_near(set.x.rows(2, 3), 1, 1e-5F));
    }
}

TEST_CASE("read_image_folder refuses a folder without images", "[image_folder]") {
    const TempDir dir;
    const auto refused = [&](const std::string& found) {
        REQUIRE_THROWS_WITH(read_image_folder(dir / "set"),
                            ContainsSubstring((dir / "set").string()) && ContainsSubstring(found));
    };
    refused("No such file");
    dir.write("set/README", "");
    refused("no folders in it");
    write_classes(dir);
    dir.write("set/empty/notes.txt", "");
    refused("no images in empty");
    fs::remove_all(dir / "set/empty");
    dir.write("set/b/zz.jpg", "broken");
    REQUIRE_THROWS_WITH(read_image_folder(dir / "set"), ContainsSubstring("zz.jpg"));
}

TEST_CASE("read_image_folder uses its cache as long as nothing changed", "[image_folder]") {
    const TempDir dir;
    write_classes(dir);
    const ImageFolder options{.height = 4, .width = 4, .cache = dir / "out" / "cache"};
    const Dataset first = read_image_folder(dir / "set", options);
    REQUIRE(files_in(options.cache) == 1);
    const fs::path cache = fs::directory_iterator(options.cache)->path();

    // The cache is believed: what is written into it comes back.
    const auto written = fs::last_write_time(cache);
    REQUIRE(read_image_folder(dir / "set", options).x.values() == first.x.values());
    REQUIRE(fs::last_write_time(cache) == written);
    std::string bytes = read_file(cache);
    const std::string good = bytes;
    bytes.replace(bytes.size() - 4, 4, "\0\0\0\x3f"s);  // 0.5
    write_file_atomically(cache, bytes);
    REQUIRE(read_image_folder(dir / "set", options).x(2, 15) == 0.5F);

    // A damaged one is made anew.
    write_file_atomically(cache, bytes.substr(0, bytes.size() - 1));
    REQUIRE(read_image_folder(dir / "set", options).x(2, 15) == 1);
    REQUIRE(read_file(cache) == good);

    // Another size, a changed image, another image: other files.
    REQUIRE(read_image_folder(dir / "set", {.height = 4, .width = 5, .cache = options.cache})
                .features() == 20);
    REQUIRE(files_in(options.cache) == 2);
    dir.write("set/a/2.bmp", bmp(2, 5, {255, 255, 255}));
    fs::last_write_time(dir / "set/a/2.bmp", fs::file_time_type::clock::now());
    REQUIRE(read_image_folder(dir / "set", options).x(1, 0) == 1);
    REQUIRE(files_in(options.cache) == 3);
    fs::rename(dir / "set/a/2.bmp", dir / "set/a/0.bmp");
    REQUIRE(read_image_folder(dir / "set", options).x(0, 0) == 1);
    REQUIRE(files_in(options.cache) == 4);
}
