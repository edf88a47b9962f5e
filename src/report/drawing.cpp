#include "report/drawing.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "report/gnuplot.h"

namespace handgrad {
namespace {

Drawing multiplot(const std::vector<Drawing>& drawings, const std::string& title, int columns,
                  int width, int panel_height) {
    const int rows = (static_cast<int>(drawings.size()) + columns - 1) / columns;
    Drawing all{"set multiplot layout " + format("%d,%d", rows, columns) +
                    (title.empty() ? "" : " title " + gnuplot::quoted(title) + " font ',28'") +
                    "\n",
                width, rows * panel_height + (title.empty() ? 0 : 60)};
    for (const Drawing& drawing : drawings)
        all.script += "reset\n" + gnuplot::look() + "set title font ',24'\n" + drawing.script;
    all.script += "unset multiplot\n";
    return all;
}

}  // namespace

Drawing elastic(const std::string& script, int width, int height) {
    // A long title would be cut off, and many tics of a logarithmic axis overlap.
    const std::string smaller = "set title font ',24'\nset xtics font ',19'\n";
    return {script, width, height, std::make_shared<Drawing>(Drawing{smaller + script, 800, 720})};
}

bool draw(const Drawing& drawing, const std::filesystem::path& path) {
    const std::string suffix = path.extension().string();
    if (suffix != ".png" && suffix != ".svg")
        throw Error("draw " + path.string(), "a picture called *" + suffix, "*.png or *.svg");
    return gnuplot::run(
        gnuplot::terminal(suffix, drawing.width, drawing.height) + gnuplot::look() + drawing.script,
        path);
}

Drawing panels(const std::vector<Drawing>& drawings, const Panels& layout) {
    const int n = static_cast<int>(drawings.size());
    if (n == 0 || layout.columns < 1)
        throw Error("panels", format("%d drawings in %d columns", n, layout.columns),
                    "at least one of each");
    const int columns = std::min(layout.columns, n);
    const int width = columns == 1 ? 1200 : columns == 2 ? 1600 : 2000;
    const int height = layout.panel_height > 0 ? layout.panel_height
                       : columns == 1          ? 520
                                               : width / columns * 3 / 4;
    Drawing all = multiplot(drawings, layout.title, columns, width, height);
    const int few = columns <= 3 ? 1 : 2, narrow = few == 1 ? 800 : 900;
    all.narrow = std::make_shared<Drawing>(
        multiplot(drawings, layout.title, few, narrow,
                  columns == 1 ? height : height * (narrow / few) / (width / columns)));
    return all;
}

std::optional<std::filesystem::path> animate(const std::vector<Drawing>& frames,
                                             const std::filesystem::path& stem,
                                             double frame_seconds) {
    if (frames.empty()) throw Error("animate " + stem.string(), "no frames", "at least one");
    std::string script =
        gnuplot::terminal(".gif", frames.front().width, frames.front().height, frame_seconds);
    for (const Drawing& frame : frames) script += "reset\n" + gnuplot::look() + frame.script;
    // The last one stands for a while before all starts again.
    for (int pause = 0; pause < 8; ++pause)
        script += "reset\n" + gnuplot::look() + frames.back().script;
    if (gnuplot::run(script, stem.string() + ".gif")) return stem.string() + ".gif";

    const std::size_t shown = std::min<std::size_t>(frames.size(), 6);
    std::vector<Drawing> strip;
    for (std::size_t i = 0; i < shown; ++i)  // the first, the last, and some between them
        strip.push_back(frames[shown == 1 ? 0 : i * (frames.size() - 1) / (shown - 1)]);
    if (draw(panels(strip), stem.string() + ".png")) return stem.string() + ".png";
    return std::nullopt;
}

std::string gnuplot_number(double value) {
    if (!std::isfinite(value)) return "NaN";
    char digits[32];
    return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::string set_range(const std::string& axis, const AxisRange& range) {
    if (!range.chosen()) return {};
    return "set " + axis + "range [" + gnuplot_number(range.low) + ":" +
           gnuplot_number(range.high) + "]\n";
}

std::string set_tics(const std::string& axis, double low, double high, int most) {
    const double least = std::abs(high - low) / most;
    if (!(least > 0) || !std::isfinite(least)) return {};
    const double power = std::pow(10, std::floor(std::log10(least)));
    const double mantissa = least / power;
    const double step = mantissa <= 1 ? 1 : mantissa <= 2 ? 2 : mantissa <= 5 ? 5 : 10;
    return "set " + axis + "tics " + gnuplot_number(step * power) + "\n";
}

std::string set_labels(const std::string& title, const std::string& x, const std::string& y) {
    return "set title " + gnuplot::quoted(title) + "\nset xlabel " + gnuplot::quoted(x) +
           "\nset ylabel " + gnuplot::quoted(y) + "\n";
}

}  // namespace handgrad
