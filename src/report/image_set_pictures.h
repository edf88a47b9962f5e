// Pictures of a set of images, and of numbers that belong to its pixels.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "report/grid_plots.h"

namespace handgrad {

/// Writes the first `of_each` images of every class as a PNG, under their classes' names; one row
/// for each class. Throws Error where of_each < 1, or the samples are not images.
void write_samples(const std::filesystem::path& path, const Dataset& set, Index of_each);

/// A number for each pixel of a sample (height, width), such as the weights of a linear layer: red
/// above 0, blue below. A limit of 0 is the greatest number there is. Throws Error where the
/// sizes differ.
HeatMap pixel_map(const std::string& title, std::span<const float> numbers, const Shape& sample,
                  double limit = 0);

/// The weights of a linear layer (C, pixels), a pixel_map for each class under its name, to be laid
/// out by panels({...}). All share a limit, which 0 leaves to the greatest weight; without bars.
/// Throws Error also where there is not a name for each class.
std::vector<Drawing> weight_maps(const Tensor<float>& weight, const Shape& sample,
                                 const std::vector<std::string>& classes, double limit = 0);

/// Writes the first `most` images that were taken for another class as a PNG, with captions such as
/// "6 as 4", and returns how many those are; where there are none it writes no file. The class with
/// the greatest of the scores (N, C) is what an image was taken for.
Index write_mistakes(const std::filesystem::path& path, const Dataset& set,
                     const Tensor<float>& scores, Index most);

}  // namespace handgrad
