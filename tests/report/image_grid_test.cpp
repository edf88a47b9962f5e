#include "report/image_grid.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "core/error.h"
#include "report/font.h"
#include "report/png.h"
#include "temp_dir.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#include <stb_image.h>
#pragma GCC diagnostic pop

using namespace handgrad;

namespace {

/// A picture as an independent reader sees it.
struct Picture {
    explicit Picture(const std::filesystem::path& path) {
        int channels = 0;
        stbi_uc* read = stbi_load(path.c_str(), &width, &height, &channels, 0);
        REQUIRE(read != nullptr);
        REQUIRE(channels == 1);
        pixels.assign(read, read + std::ptrdiff_t{width} * height);
        stbi_image_free(read);
    }
    [[nodiscard]] int at(int y, int x) const {
        return pixels.at(static_cast<std::size_t>(y * width + x));
    }
    int width = 0, height = 0;
    std::vector<stbi_uc> pixels;
};

constexpr int gap = 10;
constexpr float quiet_nan = std::numeric_limits<float>::quiet_NaN();
constexpr float inf = std::numeric_limits<float>::infinity();

/// Two images of 2x3 pixels.
Tensor<float> two_images() {
    return Tensor<float>::from({2, 6}, {0, 0.5, 1, -1, 2, quiet_nan, 0, 0.2F, inf, -inf, 0.6F, 1});
}

}  // namespace

TEST_CASE("write_png writes what an independent reader reads") {
    const TempDir dir;
    for (const auto& [height, width] : {std::pair{1, 1}, {1, 7}, {13, 1}, {31, 37}}) {
        std::vector<std::uint8_t> pixels(static_cast<std::size_t>(height * width));
        for (std::size_t i = 0; i < pixels.size(); ++i)
            pixels[i] = static_cast<std::uint8_t>(i * i);
        write_png(dir / "p.png", pixels, height, width);
        const Picture picture(dir / "p.png");
        REQUIRE(picture.height == height);
        REQUIRE(picture.width == width);
        REQUIRE(picture.pixels == pixels);
    }
    REQUIRE_THROWS_AS(write_png(dir / "p.png", std::vector<std::uint8_t>(6), 2, 2), Error);
    REQUIRE_THROWS_AS(write_png(dir / "p.png", {}, 0, 0), Error);
    REQUIRE_THROWS_AS(write_png(dir / "none/p.png", std::vector<std::uint8_t>(1), 1, 1), Error);
}

TEST_CASE("an image grid shows each value as a square, row by row") {
    const TempDir dir;
    write_image_grid(dir / "g.png", two_images(),
                     {.height = 2, .width = 3, .columns = 2, .scale = 4});
    const Picture picture(dir / "g.png");
    REQUIRE(picture.width == gap + 2 * (3 * 4 + gap));
    REQUIRE(picture.height == gap + 2 * 4 + gap);
    const int expected[2][2][3] = {{{0, 128, 255}, {0, 255, 0}}, {{0, 51, 255}, {0, 153, 255}}};
    for (int y = 0; y < picture.height; ++y)
        for (int x = 0; x < picture.width; ++x) {
            const int image = x >= gap + 12 + gap;
            const int row = y - gap, column = x - gap - image * (12 + gap);
            const bool inside = row >= 0 && row < 8 && column >= 0 && column < 12;
            REQUIRE(picture.at(y, x) == (inside ? expected[image][row / 4][column / 4] : 255));
        }
}

TEST_CASE("min_to_max takes its black and white from the finite values of all images") {
    const TempDir dir;
    const ImageGrid grid{
        .height = 2, .width = 3, .columns = 1, .scale = 1, .greys = Greys::min_to_max};
    write_image_grid(dir / "g.png", two_images(), grid);  // from -1 to 2
    Picture picture(dir / "g.png");
    REQUIRE(picture.height == gap + 2 * (2 + gap));
    REQUIRE(picture.at(gap, gap) == 85);
    REQUIRE(picture.at(gap + 1, gap) == 0);
    REQUIRE(picture.at(gap + 1, gap + 1) == 255);
    REQUIRE(picture.at(gap + 1, gap + 2) == 0);  // NaN
    REQUIRE(picture.at(2 * gap + 2, gap) == 85);
    write_image_grid(dir / "g.png", Tensor<float>::full({3, 6}, 0.4F), grid);  // all equal
    picture = Picture(dir / "g.png");
    REQUIRE(picture.at(gap, gap) == 102);
}

TEST_CASE("captions stand under their images and widen the cells that they need") {
    const TempDir dir;
    write_image_grid(dir / "g.png", Tensor<float>::full({3, 1}, 1),
                     {.height = 1, .width = 1, .captions = {"", "I", "a long one"}, .scale = 20});
    const Picture picture(dir / "g.png");
    const int cell = 10 * 12;  // ten letters of 6 columns, two pixels each
    REQUIRE(picture.width == gap + 2 * (cell + gap));
    REQUIRE(picture.height == gap + 2 * (20 + 18 + gap));
    const int top = gap + 20 + 4, left = gap + cell + gap + (cell - 10) / 2;  // of the I
    for (int y = 0; y < 14; ++y)
        for (int x = 0; x < 10; ++x)
            REQUIRE((picture.at(top + y, left + x) == 0) == font::ink('I', y / 2, x / 2));
    for (int x = gap; x < gap + cell; ++x)  // the empty caption
        for (int y = top; y < top + 14; ++y) REQUIRE(picture.at(y, x) == 255);
}

TEST_CASE("every printable letter of a caption has a shape of its own") {
    std::vector<std::string> seen;
    for (const char letter : std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                         "0123456789+-=.,:/()%<>_?!' \x01")) {
        std::string shape;
        for (Index row = 0; row < font::height; ++row)
            for (Index column = 0; column < font::width; ++column)
                shape += font::ink(letter, row, column) ? '#' : '.';
        REQUIRE(std::find(seen.begin(), seen.end(), shape) == seen.end());
        REQUIRE((shape.find('#') == std::string::npos) == (letter == ' '));
        seen.push_back(shape);
    }
}

TEST_CASE("an image grid refuses what does not fit, and says what it got") {
    const TempDir dir;
    const auto refused = [&](const Tensor<float>& images, const ImageGrid& grid,
                             const std::string& got) {
        REQUIRE_THROWS_WITH(write_image_grid(dir / "g.png", images, grid), ContainsSubstring(got));
        REQUIRE_FALSE(std::filesystem::exists(dir / "g.png"));
    };
    refused({}, {.height = 2, .width = 3}, "undefined");
    refused(two_images(), {.height = 3, .width = 3}, "(2, 6)");
    refused(two_images(), {}, "height of 0");
    refused(two_images(), {.height = -2, .width = -3}, "height of -2");
    refused(Tensor<float>::zeros({0, 6}), {.height = 2, .width = 3}, "(0, 6)");
    refused(Tensor<float>::zeros({6}), {.height = 2, .width = 3}, "(6)");
    refused(two_images(), {.height = 2, .width = 3, .captions = {"one"}}, "1 captions");
    refused(two_images(), {.height = 2, .width = 3, .columns = -1}, "-1 columns");
    refused(two_images(), {.height = 2, .width = 3, .scale = 100000}, "scale of 100000");
    refused(two_images(), {.height = 2, .width = 3, .scale = 9999}, "pixels");
    REQUIRE_THROWS_AS(write_image_grid(dir / "no/g.png", two_images(), {.height = 2, .width = 3}),
                      Error);
}
