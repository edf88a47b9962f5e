// Running gnuplot.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace handgrad::gnuplot {

/// Text as a gnuplot string that stands for itself: 'it''s'. Control characters become spaces.
std::string quoted(std::string_view text);

/// What every plot starts with: a PNG of this many pixels, fonts, palette, grid and margins.
std::string look(int width, int height);

/// The palette, safe for the colour-blind, as "#rrggbb"; it starts again after its end.
std::string color(int number);
/// The same, pale: for what lies behind.
std::string pale_color(int number);

/// Runs a script that starts with look() and writes the PNG that it draws. Returns false, after
/// saying why on stderr, where gnuplot is missing (said once in a program) or fails. Throws Error
/// where the file cannot be written.
bool run(const std::string& script, const std::filesystem::path& path);

}  // namespace handgrad::gnuplot
