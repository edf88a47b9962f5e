// Lesson 3: how the array of dogs and cats was made: JPEGs of any size, decoded, turned grey,
// resized to 64x64, saved as .npy and loaded again.
#pragma once

#include <algorithm>

#include "core/tensor_ops.h"
#include "data/image_folder.h"
#include "data/npy.h"
#include "report/lesson.h"
#include "train/metrics.h"

namespace handgrad {

/// Does so with the JPEGs that lie in jpeg/ beside the array, or says that there are none.
inline void jpegs_to_arrays(Lesson& lesson, const Dataset& pets) {
    const std::filesystem::path jpegs = std::filesystem::path(pets.source) / "jpeg";
    if (!std::filesystem::is_directory(jpegs)) {
        lesson.say(
            "(Left out: how JPEGs of any size become such an array. It needs a folder jpeg/ of "
            "some of them, cats and dogs, beside the array in dogs-cats/.)");
        return;
    }
    const Dataset read = read_image_folder(jpegs);
    write_npy(lesson.path("dogs_cats.npy"), read.x);
    const Tensor<float> loaded = read_npy<float>(lesson.path("dogs_cats.npy"));
    lesson.say(
        format("The array was made from JPEGs of any size. %td of them lie beside it: decoded, "
               "turned grey, resized to 64x64, saved as .npy and loaded again.",
               read.size()));
    lesson.check("what was saved is what is loaded", loaded.values() == read.x.values());

    // The first cat and the first dog here are the first of either half of the array.
    double far = 0;
    for (const Index half : {0, 1}) {
        const Index i = half * read.size() / 2, j = half * pets.size() / 2;
        const Tensor<float> difference = loaded.rows(i, i + 1) - pets.x.rows(j, j + 1);
        far = std::max(far, root_mean_square(difference));
    }
    lesson.check("the first cat and the first dog are the array's", far < 0.03,
                 format("root mean square distance %.4f of 1", far));
}

}  // namespace handgrad
