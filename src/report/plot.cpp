#include "report/plot.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "report/gnuplot.h"

namespace handgrad {
namespace {

void append_number(std::string& text, double value) {
    char digits[32];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

/// The points of a series, one a line, with an empty line for a gap.
struct Data {
    std::string lines;
    std::size_t points = 0;
};

Data data_of(const Series& series, bool log_y) {
    Data data;
    bool gap = true;  // none at the start, and never two in a row: that would end the data set
    for (std::size_t i = 0; i < series.y.size(); ++i) {
        const double x = series.x.empty() ? static_cast<double>(i) : series.x[i];
        const double y = series.y[i];
        if (!std::isfinite(x) || !std::isfinite(y) || (log_y && y <= 0)) {
            if (!gap) data.lines += '\n';
            gap = true;
            continue;
        }
        append_number(data.lines, x);
        data.lines += ' ';
        append_number(data.lines, y);
        data.lines += '\n';
        ++data.points;
        gap = false;
    }
    return data;
}

/// "with lines ..." for a series; a line of one point would not be seen.
std::string drawn_with(const Series& series, int number, bool one_point) {
    if (series.style == Style::points || one_point)
        return "with points pointtype 7 pointsize 1.5 linecolor '" + gnuplot::color(number) + "'";
    if (series.style == Style::thin)
        return "with lines linewidth 1 linecolor '" + gnuplot::pale_color(number) + "'";
    return "with lines linewidth 3 linecolor '" + gnuplot::color(number) + "'";
}

void require_equal_lengths(const std::string& operation, std::size_t x, std::size_t y) {
    if (x != 0 && x != y)
        throw Error(operation + ": x and y do not fit",
                    std::to_string(x) + " x and " + std::to_string(y) + " y",
                    "as many x as y, or no x");
}

}  // namespace

bool draw(const Plot& plot, const std::filesystem::path& path) {
    std::string script = gnuplot::look(1200, 700);
    script += "set title " + gnuplot::quoted(plot.title) + "\n";
    script += "set xlabel " + gnuplot::quoted(plot.x_label) + "\n";
    script += "set ylabel " + gnuplot::quoted(plot.y_label) + "\n";
    if (plot.log_y) script += "set logscale y\n";

    std::string curves;
    for (std::size_t i = 0; i < plot.series.size(); ++i) {
        const Series& series = plot.series[i];
        require_equal_lengths("draw '" + series.label + "'", series.x.size(), series.y.size());
        const Data data = data_of(series, plot.log_y);
        if (data.points == 0) continue;
        const std::string name = "$data" + std::to_string(i);
        script += name + " << END\n" + data.lines + "END\n";
        const int number = series.color >= 0 ? series.color : static_cast<int>(i);
        curves += (curves.empty() ? "plot " : ", ") + name + " using 1:2 " +
                  drawn_with(series, number, data.points == 1) +
                  (series.label.empty() ? " notitle" : " title " + gnuplot::quoted(series.label));
    }
    if (curves.empty())  // a run that diverged at once still has its picture
        curves =
            "unset logscale\nset label 'no finite values' at graph 0.5,0.5 center\n"
            "plot [0:1] [0:1] NaN notitle";
    return gnuplot::run(script + curves + "\n", path);
}

std::vector<double> linspace(double first, double last, Index count) {
    if (count < 2) throw Error("linspace: too few", std::to_string(count), "at least 2");
    std::vector<double> numbers;
    for (Index i = 0; i < count; ++i)
        numbers.push_back(first + (last - first) * static_cast<double>(i) /
                                      static_cast<double>(count - 1));
    return numbers;
}

Points moving_average(std::span<const double> y, Index window, std::span<const double> x) {
    require_equal_lengths("moving_average", x.size(), y.size());
    if (window < 1)
        throw Error("moving_average: no such window", std::to_string(window), "at least 1");
    const std::size_t n = y.size(), w = std::min(static_cast<std::size_t>(window), n);
    if (n == 0) return {};

    // Each window is the end of one block of w values and the start of the next, so sums from
    // every place to the end of its block, and from its start, add up to those of all windows.
    // Nothing is ever subtracted: a NaN or a huge value touches its own windows alone.
    const auto means = [&](auto value) {
        std::vector<double> to_end(n), from_start(n);
        for (std::size_t i = 0; i < n; ++i)
            from_start[i] = (i % w == 0 ? 0 : from_start[i - 1]) + value(i);
        for (std::size_t i = n; i-- > 0;)
            to_end[i] = ((i + 1) % w == 0 || i + 1 == n ? 0 : to_end[i + 1]) + value(i);
        std::vector<double> mean(n - w + 1);
        for (std::size_t i = 0; i < mean.size(); ++i)
            mean[i] = (i % w == 0 ? to_end[i] : to_end[i] + from_start[i + w - 1]) /
                      static_cast<double>(w);
        return mean;
    };
    return {means([&](std::size_t i) { return x.empty() ? static_cast<double>(i) : x[i]; }),
            means([&](std::size_t i) { return y[i]; })};
}

std::vector<Series> smoothed(const std::string& label, std::span<const double> y, Index window,
                             int color, std::span<const double> x) {
    Points mean = moving_average(y, window, x);
    return {{.label = "",
             .y = {y.begin(), y.end()},
             .x = {x.begin(), x.end()},
             .style = Style::thin,
             .color = color},
            {.label = label, .y = std::move(mean.y), .x = std::move(mean.x), .color = color}};
}

}  // namespace handgrad
