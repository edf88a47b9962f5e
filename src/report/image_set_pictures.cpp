#include "report/image_set_pictures.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "report/image_grid.h"

namespace handgrad {
namespace {

void require_image(const std::string& operation, const Shape& sample) {
    if (sample.rank() != 2)
        throw Error(operation, "samples of shape " + sample.str(), "images (height, width)");
}

}  // namespace

void write_samples(const std::filesystem::path& path, const Dataset& set, Index of_each) {
    require_image("write_samples", set.sample);
    if (of_each < 1)
        throw Error("write_samples", std::to_string(of_each) + " of each class", "1 or more");
    std::vector<Index> rows;
    std::vector<std::string> captions;
    for (std::size_t label = 0; label < set.classes.size(); ++label) {
        Index found = 0;
        for (Index i = 0; i < set.size() && found < of_each; ++i)
            if (set.y(i) == static_cast<std::int32_t>(label)) {
                rows.push_back(i);
                captions.push_back(set.classes[label]);
                ++found;
            }
    }
    write_image_grid(path, set.subset(rows).x,
                     {.height = set.sample[0],
                      .width = set.sample[1],
                      .captions = captions,
                      .columns = of_each});
}

HeatMap pixel_map(const std::string& title, std::span<const float> numbers, const Shape& sample,
                  double limit) {
    require_image("pixel_map '" + title + "'", sample);
    const auto rows = static_cast<int>(sample[0]), columns = static_cast<int>(sample[1]);
    return {.title = title,
            .grid = {{0, columns - 1.0},
                     {0, rows - 1.0},
                     rows,
                     columns,
                     std::vector<double>(numbers.begin(), numbers.end())},
            .limit = limit,
            .as_image = true};
}

std::vector<Drawing> weight_maps(const Tensor<float>& weight, const Shape& sample,
                                 const std::vector<std::string>& classes, double limit) {
    if (weight.rank() != 2 || weight.dim(0) != std::ssize(classes))
        throw Error("weight_maps", "weights of shape " + weight.shape().str(),
                    "shape (" + std::to_string(classes.size()) + ", pixels), a row for each name");
    const Tensor<float> w = weight.to(Device::cpu);
    if (limit == 0)
        for (const float v : w.span()) limit = std::max(limit, std::abs(static_cast<double>(v)));
    std::vector<Drawing> maps;
    for (Index c = 0; c < w.dim(0); ++c) {
        HeatMap map =
            pixel_map(classes[static_cast<std::size_t>(c)], w.rows(c, c + 1).span(), sample, limit);
        map.color_bar = false;
        maps.push_back(map);
    }
    return maps;
}

Index write_mistakes(const std::filesystem::path& path, const Dataset& set,
                     const Tensor<float>& scores, Index most) {
    require_image("write_mistakes", set.sample);
    const std::vector<float> all = scores.values();
    const Index classes = std::ssize(set.classes);
    if (scores.shape() != Shape{set.size(), classes})
        throw Error("write_mistakes", "scores " + scores.shape().str(),
                    Shape{set.size(), classes}.str());
    std::vector<Index> rows;
    std::vector<std::string> captions;
    for (Index i = 0; i < set.size() && std::ssize(rows) < most; ++i) {
        const auto row = all.begin() + i * classes;
        const auto guess = static_cast<std::size_t>(std::max_element(row, row + classes) - row);
        const auto label = static_cast<std::size_t>(set.y(i));
        if (guess == label) continue;
        rows.push_back(i);
        captions.push_back(set.classes[label] + " as " + set.classes[guess]);
    }
    if (rows.empty()) return 0;
    write_image_grid(
        path, set.subset(rows).x,
        {.height = set.sample[0], .width = set.sample[1], .captions = captions, .columns = 8});
    return std::ssize(rows);
}

}  // namespace handgrad
