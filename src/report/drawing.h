// Pictures that gnuplot draws: what all kinds of plots have in common.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace handgrad {

/// A picture: gnuplot's commands, and its size in pixels. Every kind of plot turns into one.
struct Drawing {
    std::string script = {};
    int width = 1200, height = 700;
    /// The same for the screen of a phone, on which only a picture some 800 pixels wide has letters
    /// that can be read; none where there is but one form.
    std::shared_ptr<const Drawing> narrow = {};
};

/// A drawing whose commands suit any size.
Drawing elastic(const std::string& script, int width = 1200, int height = 700);

/// Draws it as PNG or SVG, by the suffix of `path`. Returns false, after saying why on stderr,
/// where gnuplot is missing (said once in a program) or fails: a picture is not worth a training
/// run. Throws Error for another suffix, or where the file cannot be written.
bool draw(const Drawing& drawing, const std::filesystem::path& path);

/// Several drawings in one, row by row: panels({a, b}, {.columns = 2}). On a phone they stand below
/// one another, or in two columns where there were more than three.
struct Panels {
    std::string title = {};
    int columns = 1;
    int panel_height = 0;  // 0: fitting the width
};
Drawing panels(const std::vector<Drawing>& drawings, const Panels& layout = {});

/// Draws one picture after another as an animated GIF that starts again, STEM.gif; without a
/// gnuplot that can, up to six of them below one another as STEM.png. Returns the file, or nothing,
/// after saying why on stderr. Frames that shall not jump need axes with ranges of their own.
/// Throws Error where there is no frame.
std::optional<std::filesystem::path> animate(const std::vector<Drawing>& frames,
                                             const std::filesystem::path& stem,
                                             double frame_seconds = 0.15);

/// An axis from low to high; equal ends leave the choice to the data.
struct AxisRange {
    double low = 0, high = 0;
    [[nodiscard]] bool chosen() const { return low != high; }
};

/// A number as gnuplot reads it, with all its digits; "NaN" where it is not finite.
std::string gnuplot_number(double value);
/// "set xrange [0:1]", or nothing for a range that was not chosen. `axis` is x, y, z or cb.
std::string set_range(const std::string& axis, const AxisRange& range);
/// "set xtics 0.5": round numbers, at most `most` steps of them between low and high.
std::string set_tics(const std::string& axis, double low, double high, int most);
/// The title and the names of the axes.
std::string set_labels(const std::string& title, const std::string& x, const std::string& y);

}  // namespace handgrad
