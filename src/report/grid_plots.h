// Functions of two variables and other tables of numbers: heat map, surface, map with paths.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "report/drawing.h"
#include "report/plot.h"

namespace handgrad {

/// Values z (rows, columns), row by row, over a rectangle: the first row lies at y.low, the last at
/// y.high, the first column at x.low, the last at x.high. NaN and infinite values are holes.
struct Grid {
    AxisRange x = {}, y = {};
    int rows = 0, columns = 0;
    std::vector<double> z = {};
};

/// f(x, y) at n by n points of a rectangle.
Grid sample_grid(const std::function<double(double, double)>& f, AxisRange x, AxisRange y,
                 int n = 101);

/// Values from 0 up, from dark to light; or to both sides of 0, which is white: blue below, red
/// above.
enum class Palette : std::uint8_t { sequential, diverging };

// Each kind throws Error where rows * columns values are not there, or there are none.

struct HeatMap {
    std::string title = {};
    std::string x_label = {}, y_label = {};
    Grid grid = {};
    Palette palette = Palette::diverging;
    double limit = 0;       // the value of the strongest colour; 0: the greatest there is
    bool as_image = false;  // square pixels without axes, the first row at the top
    bool color_bar = true;  // panels of one limit can do without

    operator Drawing() const;  // NOLINT(google-explicit-constructor)
};

struct Surface {
    std::string title = {};
    std::string x_label = {}, y_label = {}, z_label = {};
    Grid grid = {};
    double tilt = 60, turn = 30;  // of the view, in degrees

    operator Drawing() const;  // NOLINT(google-explicit-constructor)
};

/// Lines of equal value over their colours, and paths upon them: each from its circle on.
struct ContourMap {
    std::string title = {};
    std::string x_label = {}, y_label = {};
    Grid grid = {};
    std::vector<Series> paths = {};   // whatever their style, drawn as paths
    std::vector<double> levels = {};  // none: about twenty
    bool log_z = false;               // levels and colours by the logarithm; values above 0

    operator Drawing() const;  // NOLINT(google-explicit-constructor)
};

}  // namespace handgrad
