// Running gnuplot.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace handgrad::gnuplot {

/// Text as a gnuplot string that stands for itself: 'it''s'. Control characters become spaces.
std::string quoted(std::string_view text);

/// The first line of a script: what it draws (".png", ".svg" or ".gif"), in how many pixels, and
/// for an animated .gif how long each frame stands.
std::string terminal(std::string_view suffix, int width, int height, double frame_seconds = 0);

/// What every plot has in common: fonts, grid, legend and margins.
std::string look();

/// The palette, safe for the colour-blind, as "#rrggbb"; it starts again after its end.
std::string color(int number);
/// The same, pale: for what lies behind.
std::string pale_color(int number);

/// Runs a script that starts with terminal(path's suffix, ...) and writes the picture that it
/// draws. Returns false, after saying why on stderr, where gnuplot is missing (said once in a
/// program) or fails. Throws Error where the file cannot be written.
bool run(const std::string& script, const std::filesystem::path& path);

}  // namespace handgrad::gnuplot
