// Many small grey images in one picture, each with a caption.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace handgrad {

/// Which values are black and white: 0 and 1 (beyond them is cut), or the least and the greatest
/// of all images.
enum class Greys : std::uint8_t { zero_to_one, min_to_max };

struct ImageGrid {
    Index height = 0, width = 0;             // of one image
    std::vector<std::string> captions = {};  // one for each image, or none
    Index columns = 0;                       // 0: about as many as rows
    Index scale = 0;  // pixels of the picture for one of an image, each way; 0: a fitting number
    Greys greys = Greys::zero_to_one;
};

/// Writes images (N, height * width) as a PNG, row by row. NaN is drawn black. Captions are in
/// printable ASCII; other characters appear as boxes. Throws Error where the shape, the captions
/// or the number of columns do not fit, or the file cannot be written.
void write_image_grid(const std::filesystem::path& path, const Tensor<float>& images,
                      const ImageGrid& grid);

}  // namespace handgrad
