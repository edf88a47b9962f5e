// PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "kernels/backend.h"

namespace handgrad {

/// Writes grey pixels (height, width), 0 black to 255 white. Throws Error where the file cannot be
/// written.
void write_png(const std::filesystem::path& path, std::span<const std::uint8_t> pixels,
               Index height, Index width);

}  // namespace handgrad
