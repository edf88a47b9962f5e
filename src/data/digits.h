// The data set that handgrad carries in the program itself: 1797 handwritten digits of 8x8 pixels.
// data/README.md says where they come from.
#pragma once

#include <string_view>

#include "data/dataset.h"

namespace handgrad {

/// data/digits.csv, put into the program by the build: a line of names, then 64 pixels 0 .. 16 and
/// the label on each line.
std::string_view embedded_digits_csv();

/// The digits as a data set: x (1797, 64), each pixel divided by 16.
Dataset load_digits();

/// "0" .. "9".
std::vector<std::string> digit_classes();

}  // namespace handgrad
