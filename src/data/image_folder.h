// Images in files, JPEG, PNG or BMP: one by one, and in a folder for each class.
#pragma once

#include <filesystem>

#include "data/dataset.h"

namespace handgrad {

/// Reads an image as grey values (height, width) from 0, black, to 1. A colour is as bright as
/// 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601). The image is stretched to the size asked
/// for by a cubic filter, which takes in all pixels where it shrinks. Throws Error, naming the
/// file, where it cannot be read or is no image.
Tensor<float> read_grey_image(const std::filesystem::path& path, Index height, Index width);

/// Reads a folder that has a folder for each class, which has the images of the class. Classes are
/// numbered in the order of their names, and images follow one another in the order of theirs;
/// files that are not called .jpg, .jpeg, .png or .bmp are passed over, and so is what starts with
/// a dot. Throws Error where there is no class, a class has no image, or an image is damaged.
///
/// Where a folder `cache` is named, the images are kept in it as an .npy file. It is read again
/// only as long as the names, sizes and times of all images, and the size asked for, are the same.
struct ImageFolder {
    Index height = 64, width = 64;
    std::filesystem::path cache = {};
};
Dataset read_image_folder(const std::filesystem::path& folder, const ImageFolder& options = {});

}  // namespace handgrad
