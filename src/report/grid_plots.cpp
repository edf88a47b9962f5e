#include "report/grid_plots.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/text.h"
#include "report/gnuplot.h"

namespace handgrad {
namespace {

/// Both end as dark as they can with black text still readable beside them. The sequential one is
/// close to matplotlib's viridis, the other to ColorBrewer's RdBu turned round; the colour-blind
/// can read both.
constexpr const char* sequential =
    "set palette defined (0 '#440154', 1 '#46327e', 2 '#365c8d', 3 '#277f8e', 4 '#1fa187', "
    "5 '#4ac16d', 6 '#a0da39', 7 '#fde725')\n";
constexpr const char* diverging =
    "set palette defined (-4 '#053061', -3 '#2166ac', -2 '#4393c3', -1 '#b0d3e6', 0 '#ffffff', "
    "1 '#fbc3a8', 2 '#d6604d', 3 '#b2182b', 4 '#67001f')\n";

void require_values(const char* operation, const Grid& grid) {
    const auto n = static_cast<std::size_t>(grid.rows) * static_cast<std::size_t>(grid.columns);
    if (grid.rows < 1 || grid.columns < 1 || grid.z.size() != n)
        throw Error(
            operation,
            format("%zu values for %d rows and %d columns", grid.z.size(), grid.rows, grid.columns),
            "rows * columns values, at least one");
}

/// The values as a block of x y z, each row's lines together.
std::string block(const Grid& grid, bool log_z = false) {
    const auto at = [](const AxisRange& range, int i, int n) {
        const AxisRange r = range.chosen() ? range : AxisRange{0, n - 1.0};
        return n == 1 ? r.low : r.low + (r.high - r.low) * i / (n - 1);
    };
    std::string text = "$grid << END\n";
    for (int row = 0; row < grid.rows; ++row) {
        for (int column = 0; column < grid.columns; ++column) {
            const double z = grid.z[static_cast<std::size_t>(row * grid.columns + column)];
            text += gnuplot_number(at(grid.x, column, grid.columns)) + ' ' +
                    gnuplot_number(at(grid.y, row, grid.rows)) + ' ' +
                    gnuplot_number(log_z && !(z > 0) ? std::nan("") : z) + '\n';
        }
        text += '\n';
    }
    return text + "END\n";
}

/// The least and the greatest finite value above `floor`; {0, 0} where there is none.
AxisRange extremes(const Grid& grid, double floor = -std::numeric_limits<double>::infinity()) {
    AxisRange range;
    bool any = false;
    for (const double z : grid.z) {
        if (!std::isfinite(z) || !(z > floor)) continue;
        range = any ? AxisRange{std::min(range.low, z), std::max(range.high, z)} : AxisRange{z, z};
        any = true;
    }
    return range;
}

/// Steps of 1, 2 and 5 on a logarithmic bar, where decades alone would be too few.
std::string log_tics(const AxisRange& z) {
    if (z.high / z.low > 1000) return {};
    std::string tics;
    for (double decade = std::pow(10, std::floor(std::log10(z.low))); decade <= z.high;
         decade *= 10)
        for (const int step : {1, 2, 5})
            tics += (tics.empty() ? "" : ", ") + gnuplot_number(step * decade);
    return "set cbtics (" + tics + ")\n";
}

}  // namespace

Grid sample_grid(const std::function<double(double, double)>& f, AxisRange x, AxisRange y, int n) {
    Grid grid{x, y, n, n, {}};
    for (int row = 0; row < n; ++row)
        for (int column = 0; column < n; ++column)
            grid.z.push_back(f(x.low + (x.high - x.low) * column / std::max(n - 1, 1),
                               y.low + (y.high - y.low) * row / std::max(n - 1, 1)));
    return grid;
}

HeatMap::operator Drawing() const {
    require_values("HeatMap", grid);
    const AxisRange z = extremes(grid);
    const double most = limit > 0 ? limit : std::max({std::abs(z.low), std::abs(z.high), 1e-300});
    std::string script =
        set_labels(title, x_label, y_label) +
        "unset grid\nset border 15 front\nset autoscale xfix\nset autoscale yfix\n";
    if (palette == Palette::diverging)
        script += diverging + set_range("cb", {-most, most});
    else
        script += sequential + set_range("cb", limit > 0 ? AxisRange{0, limit} : z);
    script += "unset key\nunset rmargin\n";
    if (!color_bar) script += "unset colorbox\n";
    const AxisRange bar = palette == Palette::diverging ? AxisRange{-most, most} : z;
    script += set_tics("cb", bar.low, bar.high, 6);
    if (as_image)
        script +=
            "unset xtics\nunset ytics\nset size ratio -1\nset yrange [:] reverse\n"
            "set lmargin 1\nset bmargin 1\n";
    else
        script +=
            set_tics("x", grid.x.low, grid.x.high, 6) + set_tics("y", grid.y.low, grid.y.high, 6);
    if (as_image && !color_bar) script += "set rmargin 1\n";
    return {script + block(grid) + "plot $grid using 1:2:3 with image\n", as_image ? 800 : 1000,
            700};
}

Surface::operator Drawing() const {
    require_values("Surface", grid);
    if (std::none_of(grid.z.begin(), grid.z.end(), [](double z) { return std::isfinite(z); }))
        return Plot{.title = title};  // which says so
    // NaN stands for a hole, and pm3d leaves out the quadrangles around it.
    return {set_labels(title, x_label, y_label) + "set zlabel " + gnuplot::quoted(z_label) +
                " rotate by 90 offset 1,0\n" + sequential +
                "set border 831 linecolor '#888888'\nset grid x y z vertical linetype 1 linecolor "
                "'#e0e0e0'\nset xyplane 0\nunset key\nunset colorbox\nset ticslevel 0\n"
                "set pm3d depthorder border linecolor '#40ffffff' linewidth 0.5\n"
                "set lmargin 5\nset rmargin 2\nset tmargin 3\nset title offset 0,1\n" +
                set_range("x", grid.x) + set_range("y", grid.y) +
                set_tics("x", grid.x.low, grid.x.high, 6) +
                set_tics("y", grid.y.low, grid.y.high, 6) +
                format("set view %g,%g,1.1\n", tilt, turn) + block(grid) +
                "splot $grid using 1:2:3 with pm3d\n",
            1100, 850};
}

ContourMap::operator Drawing() const {
    require_values("ContourMap", grid);
    const AxisRange z = extremes(grid, log_z ? 0 : -std::numeric_limits<double>::infinity());
    std::vector<double> heights = levels;
    constexpr int count = 20;
    for (int i = 1; heights.size() < count && levels.empty(); ++i) {
        const double share = static_cast<double>(i) / (count + 1);
        heights.push_back(log_z ? z.low * std::pow(z.high / z.low, share)
                                : z.low + (z.high - z.low) * share);
    }
    std::string discrete;
    for (const double level : heights)
        discrete += (discrete.empty() ? "" : ",") + gnuplot_number(level);
    std::string script = set_labels(title, x_label, y_label) + block(grid, log_z);
    const bool flat = !(z.low < z.high);
    if (!flat)
        script += "set contour base\nunset surface\nset cntrparam levels discrete " + discrete +
                  "\nset table $lines\nsplot $grid using 1:2:3\nunset table\nset surface\nunset "
                  "contour\n";
    script += std::string(sequential) +
              "unset grid\nset border 15 front\nset autoscale yfix\nunset rmargin\n" +
              (log_z && !flat ? "set logscale cb\n" + log_tics(z) : "") +
              (flat ? "" : set_range("cb", z)) + set_range("x", grid.x) + set_range("y", grid.y) +
              set_tics("x", grid.x.low, grid.x.high, 6) + set_tics("y", grid.y.low, grid.y.high, 6);
    std::string plotted = "plot $grid using 1:2:3 with image notitle";
    if (!flat) plotted += ", $lines using 1:2 with lines linewidth 1 linecolor '#90ffffff' notitle";
    // Colours that stand out on the palette: a white line lies below each path.
    for (std::size_t i = 0; i < paths.size(); ++i) {
        Series path = paths[i];
        path.style = Style::path;
        // From the palette's end, whose first colours are too close to the map's.
        constexpr int bright[] = {1, 3, 6, 5, 4};
        const int number = path.color >= 0 ? path.color : bright[i % std::size(bright)];
        const std::string name = "path" + std::to_string(i);
        const SeriesScript drawn = series_script(path, name, number);
        if (drawn.plotted.empty()) continue;
        script += drawn.data;
        plotted += ", $" + name +
                   " using 1:2 with lines linewidth 5.5 linecolor '#ffffff' notitle, " +
                   drawn.plotted + ", $" + name +
                   " every ::0::0 using 1:2 with points pointtype 6 pointsize 3*dot linewidth 3 "
                   "linecolor '#ffffff' notitle";
    }
    return elastic(script + plotted + "\n", 1100, 850);
}

}  // namespace handgrad
