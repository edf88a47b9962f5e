// Whole files, read and written.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace handgrad {

/// Everything in a file. Throws Error, with the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Writes the file whole or not at all: the bytes go to a temporary file in the same folder, which
/// then takes the name. Throws Error, with the path and the system's reason, and leaves behind no
/// temporary file and what stood at `path` untouched.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace handgrad
