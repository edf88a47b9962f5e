#include "report/image_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "report/font.h"
#include "report/png.h"

namespace handgrad {
namespace {

constexpr Index image_side = 112;  // about as large as an image is drawn: 4 x 28, 2 x 64
constexpr Index gap = 10;          // pixels between images, and around the picture
constexpr Index font_scale = 2;
constexpr Index letter_step = (font::width + 1) * font_scale;
constexpr Index caption_height = font::height * font_scale + 4;  // 4 above the letters

/// A white sheet, and what is put on it.
struct Sheet {
    Index height, width;
    std::vector<std::uint8_t> pixels =
        std::vector<std::uint8_t>(static_cast<std::size_t>(height * width), 255);

    /// A square of side * side pixels, with its upper left corner at (y, x).
    void square(Index y, Index x, Index side, std::uint8_t grey) {
        for (Index row = y; row < y + side; ++row)
            std::fill_n(pixels.begin() + row * width + x, side, grey);
    }
    void letter(Index y, Index x, char c) {
        for (Index row = 0; row < font::height; ++row)
            for (Index column = 0; column < font::width; ++column)
                if (font::ink(c, row, column))
                    square(y + row * font_scale, x + column * font_scale, font_scale, 0);
    }
};

/// The values that are black and white.
struct Range {
    double black = 0, white = 1;

    [[nodiscard]] std::uint8_t grey(double value) const {
        const double share = (value - black) / (white - black);
        return share > 0 ? static_cast<std::uint8_t>(std::lround(255 * std::min(share, 1.0))) : 0;
    }
};

Range range_of(const std::vector<float>& values, Greys greys) {
    if (greys == Greys::zero_to_one) return {};
    constexpr double infinity = std::numeric_limits<double>::infinity();
    Range range{infinity, -infinity};
    for (const double value : values) {
        if (!std::isfinite(value)) continue;
        range.black = std::min(range.black, value);
        range.white = std::max(range.white, value);
    }
    return range.black < range.white ? range : Range{};
}

void require_fitting(const Tensor<float>& images, const ImageGrid& grid) {
    const auto refuse = [](const std::string& got, const std::string& needs,
                           const std::string& hint = {}) {
        throw Error("write_image_grid: the images do not fit", got, needs, hint);
    };
    if (!images.defined()) refuse("an undefined tensor", "images (N, height * width)");
    if (grid.height < 1 || grid.width < 1 || images.rank() != 2 || images.dim(0) < 1 ||
        images.dim(1) % grid.height != 0 || images.dim(1) / grid.height != grid.width)
        refuse("images of shape " + images.shape().str() + " for a height of " +
                   std::to_string(grid.height) + " and a width of " + std::to_string(grid.width),
               "images (N, height * width), with N at least 1");
    if (!grid.captions.empty() && static_cast<Index>(grid.captions.size()) != images.dim(0))
        refuse(std::to_string(grid.captions.size()) + " captions for " +
                   std::to_string(images.dim(0)) + " images",
               "one for each, or none");
    if (grid.columns < 0 || grid.scale < 0)
        refuse(
            std::to_string(grid.columns) + " columns and a scale of " + std::to_string(grid.scale),
            "positive numbers, or 0 for fitting ones");
    // Before any product of them is taken.
    constexpr Index most = 10000;
    if (std::max({images.dim(0), grid.height, grid.width, grid.columns, grid.scale}) > most)
        refuse("images of shape " + images.shape().str() + ", " + std::to_string(grid.columns) +
                   " columns, a scale of " + std::to_string(grid.scale),
               "at most 10000 images, pixels a side, columns and scale", "show some of them");
}

}  // namespace

void write_image_grid(const std::filesystem::path& path, const Tensor<float>& images,
                      const ImageGrid& grid) {
    require_fitting(images, grid);
    const std::vector<float> values = images.values();  // (N, height * width)
    const Range range = range_of(values, grid.greys);
    const Index n = images.dim(0), height = grid.height, width = grid.width;
    const Index columns =
        std::min(n, grid.columns > 0 ? grid.columns : static_cast<Index>(std::ceil(std::sqrt(n))));
    const Index rows = (n + columns - 1) / columns;
    const Index scale = grid.scale > 0
                            ? grid.scale
                            : std::max<Index>(1, (image_side + std::max(height, width) / 2) /
                                                     std::max(height, width));

    // A cell is as wide as the image or as the longest caption.
    Index cell_width = width * scale;
    for (const std::string& caption : grid.captions)
        cell_width = std::max(cell_width, static_cast<Index>(caption.size()) * letter_step);
    const Index cell_height = height * scale + (grid.captions.empty() ? 0 : caption_height);
    const Index sheet_height = gap + rows * (cell_height + gap);
    const Index sheet_width = gap + columns * (cell_width + gap);
    if (sheet_height > 100'000'000 / sheet_width)
        throw Error("write_image_grid: the picture would be too large",
                    std::to_string(sheet_width) + "x" + std::to_string(sheet_height) + " pixels",
                    "at most 10^8 pixels", "show fewer images, or set a smaller scale");

    Sheet sheet{sheet_height, sheet_width};
    for (Index i = 0; i < n; ++i) {
        const Index top = gap + i / columns * (cell_height + gap);
        const Index left = gap + i % columns * (cell_width + gap);
        const Index indent = (cell_width - width * scale) / 2;
        for (Index row = 0; row < height; ++row)
            for (Index column = 0; column < width; ++column) {
                const Index at = (i * height + row) * width + column;
                sheet.square(top + row * scale, left + indent + column * scale, scale,
                             range.grey(values[static_cast<std::size_t>(at)]));
            }
        if (grid.captions.empty()) continue;
        const std::string& caption = grid.captions[static_cast<std::size_t>(i)];
        const Index length = static_cast<Index>(caption.size()) * letter_step - font_scale;
        Index x = left + (cell_width - length) / 2;
        for (const char c : caption) {
            sheet.letter(top + height * scale + 4, x, c);
            x += letter_step;
        }
    }
    write_png(path, sheet.pixels, sheet.height, sheet.width);
}

}  // namespace handgrad
