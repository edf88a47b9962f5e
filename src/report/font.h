// Letters of 5x7 pixels, for captions inside pictures.
#pragma once

#include "kernels/backend.h"

namespace handgrad::font {

constexpr Index width = 5;
constexpr Index height = 7;

/// Whether a letter has ink at a row 0 .. 6 and a column 0 .. 4. A character that the font lacks is
/// a box; a space is empty.
bool ink(char letter, Index row, Index column);

}  // namespace handgrad::font
