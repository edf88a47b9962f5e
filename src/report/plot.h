// Plots of curves, drawn by gnuplot.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "report/drawing.h"

namespace handgrad {

/// thick: what the plot is about. thin: pale, for raw values behind their average. dashed: what the
/// others are compared with. points: no line. path: a line with a point at each step.
enum class Style : std::uint8_t { thick, thin, dashed, points, path };

/// A curve. NaN and infinite values are gaps in it.
struct Series {
    std::string label = {};  // in the legend; empty: not there
    std::vector<double> y = {};
    std::vector<double> x = {};  // as many as y, or none for 0, 1, 2, ...
    Style style = Style::thick;
    int color = -1;      // a number in the palette; -1: that of the place in the list
    bool right = false;  // measured on the axis at the right
};

struct Plot {
    std::string title = {};
    std::string x_label = {}, y_label = {};
    std::vector<Series> series = {};
    bool log_y = false;  // values of 0 and below are gaps, then
    bool log_x = false;
    std::string right_label = {};                            // of the axis at the right
    AxisRange x_range = {}, y_range = {}, right_range = {};  // [0, 0]: what the data need
    bool zero_lines = false;                                 // thin lines through x = 0 and y = 0

    /// 1200x700 pixels. Throws Error where x and y of a series differ in length.
    operator Drawing() const;  // NOLINT(google-explicit-constructor)
};

/// draw(Drawing(plot), path).
bool draw(const Plot& plot, const std::filesystem::path& path);

/// `count` numbers from first to last, equally far apart: numpy's linspace. Throws Error where
/// count < 2.
std::vector<double> linspace(double first, double last, Index count);

/// The steps of a long run to look at, equally far apart on a logarithmic axis: from 1 to `last`,
/// `of_each` of every power of ten, as far as they differ. Throws Error where of_each < 1.
std::vector<Index> log_steps(Index last, int of_each = 10);

/// A function at n points from low to high, both included.
Series curve(const std::string& label, const std::function<double(double)>& f, AxisRange x,
             int n = 401);

/// A function and its derivative, dashed, at the same places t, with the axes through 0.
Plot function_and_derivative(const std::string& title, const std::vector<double>& t,
                             const std::vector<double>& function,
                             const std::vector<double>& derivative);

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

/// For other kinds of plots: the data of a series as gnuplot's block $NAME, and the words that plot
/// it ("$NAME using 1:2 with lines ..."), which are empty where nothing can be drawn.
struct SeriesScript {
    std::string data, plotted;
};
SeriesScript series_script(const Series& series, const std::string& name, int number,
                           bool log_x = false, bool log_y = false);

}  // namespace handgrad
