// Plots, drawn by gnuplot as PNG.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace handgrad {

/// thick: what the plot is about. thin: pale, for raw values behind their average. points: no line.
enum class Style : std::uint8_t { thick, thin, points };

/// A curve. NaN and infinite values are gaps in it.
struct Series {
    std::string label = {};  // in the legend; empty: not there
    std::vector<double> y = {};
    std::vector<double> x = {};  // as many as y, or none for 0, 1, 2, ...
    Style style = Style::thick;
    int color = -1;  // a number in the palette; -1: that of the place in the list
};

struct Plot {
    std::string title = {};
    std::string x_label = {}, y_label = {};
    std::vector<Series> series = {};
    bool log_y = false;  // values of 0 and below are gaps, then
};

/// Draws the plot as a PNG of 1200x700 pixels. Returns false, after saying why on stderr, where
/// gnuplot is missing (said once in a program) or fails: a picture is not worth a training run.
/// Throws Error where x and y differ in length, or the file cannot be written.
bool draw(const Plot& plot, const std::filesystem::path& path);

/// `count` numbers from first to last, equally far apart: numpy's linspace. Throws Error where
/// count < 2.
std::vector<double> linspace(double first, double last, Index count);

/// Points of a curve.
struct Points {
    std::vector<double> x, y;
};

/// The mean of each `window` neighbouring values, at the mean of their x: the centre of the window,
/// not its end. Without x the values stand at 0, 1, 2, ..., so a window of 50 starts at 24.5. There
/// are y.size() - window + 1 points; a window longer than y is cut to it. A NaN makes NaN of the
/// windows that hold it. Throws Error where window < 1, or x is given and differs from y in length.
Points moving_average(std::span<const double> y, Index window, std::span<const double> x = {});

/// A series of many raw values as two: the values thin, and over them their moving average, thick,
/// which has the label. Both get the same colour.
std::vector<Series> smoothed(const std::string& label, std::span<const double> y, Index window,
                             int color = 0, std::span<const double> x = {});

}  // namespace handgrad
