#include "report/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "report/gnuplot.h"

namespace handgrad {
namespace {

/// The points of a series, one a line, with an empty line for a gap.
struct Data {
    std::string lines;
    std::size_t points = 0;
};

Data data_of(const Series& series, bool log_x, bool log_y) {
    Data data;
    bool gap = true;  // none at the start, and never two in a row: that would end the data set
    for (std::size_t i = 0; i < series.y.size(); ++i) {
        const double x = series.x.empty() ? static_cast<double>(i) : series.x[i];
        const double y = series.y[i];
        if (!std::isfinite(x) || !std::isfinite(y) || (log_x && x <= 0) || (log_y && y <= 0)) {
            if (!gap) data.lines += '\n';
            gap = true;
            continue;
        }
        data.lines += gnuplot_number(x) + ' ' + gnuplot_number(y) + '\n';
        ++data.points;
        gap = false;
    }
    return data;
}

/// "with lines ..." for a series; a line of one point would not be seen.
std::string drawn_with(const Series& series, int number, bool one_point) {
    const std::string color = " linecolor '" + gnuplot::color(number) + "'";
    if (series.style == Style::points || one_point)
        return "with points pointtype 7 pointsize 1.5*dot" + color;
    if (series.style == Style::thin)
        return "with lines linewidth 1 linecolor '" + gnuplot::pale_color(number) + "'";
    if (series.style == Style::dashed) return "with lines linewidth 3 dashtype (10, 8)" + color;
    if (series.style == Style::path)
        return "with linespoints linewidth 2.5 pointtype 7 pointsize 0.9*dot" + color;
    return "with lines linewidth 4" + color;
}

/// The colour of an axis that belongs to one series alone, else that of all text.
std::string axis_color(const Plot& plot, bool right) {
    int only = -1, count = 0;
    for (std::size_t i = 0; i < plot.series.size(); ++i) {
        const Series& series = plot.series[i];
        if (series.right != right) continue;
        const int number = series.color >= 0 ? series.color : static_cast<int>(i);
        count += number != only;  // a smoothed series is two of one colour
        only = number;
    }
    return count == 1 ? gnuplot::color(only) : "#333333";
}

void require_equal_lengths(const std::string& operation, std::size_t x, std::size_t y) {
    if (x != 0 && x != y)
        throw Error(operation + ": x and y do not fit",
                    std::to_string(x) + " x and " + std::to_string(y) + " y",
                    "as many x as y, or no x");
}

/// Round steps for a linear axis: gnuplot's own are too dense for large text. `value` picks x or y.
template <class Value>
std::string tics(const std::string& axis, const AxisRange& range, const Plot& plot, int most,
                 Value value) {
    if (range.chosen()) return set_tics(axis, range.low, range.high, most);
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const Series& series : plot.series)
        for (std::size_t i = 0; i < series.y.size(); ++i) {
            const std::optional<double> v = value(series, i);
            if (!v || !std::isfinite(*v)) continue;
            low = std::min(low, *v);
            high = std::max(high, *v);
        }
    return low < high ? set_tics(axis, low, high, most) : "";
}

std::string all_tics(const Plot& plot) {
    using Number = std::optional<double>;
    const auto y = [](bool right) {
        return [right](const Series& series, std::size_t i) {
            return series.right == right ? Number(series.y[i]) : std::nullopt;
        };
    };
    const auto x = [](const Series& series, std::size_t i) -> Number {
        return series.x.empty() ? static_cast<double>(i) : series.x[i];
    };
    return (plot.log_x ? "" : tics("x", plot.x_range, plot, 6, x)) +
           (plot.log_y ? "" : tics("y", plot.y_range, plot, 5, y(false))) +
           tics("y2", plot.right_range, plot, 5, y(true));
}

}  // namespace

SeriesScript series_script(const Series& series, const std::string& name, int number, bool log_x,
                           bool log_y) {
    require_equal_lengths("draw '" + series.label + "'", series.x.size(), series.y.size());
    const Data data = data_of(series, log_x, log_y);
    if (data.points == 0) return {};
    return {"$" + name + " << END\n" + data.lines + "END\n",
            "$" + name + " using 1:2 " + drawn_with(series, number, data.points == 1) +
                (series.label.empty() ? " notitle" : " title " + gnuplot::quoted(series.label))};
}

Plot::operator Drawing() const {
    for (const Series& one : series)
        require_equal_lengths("draw '" + one.label + "'", one.x.size(), one.y.size());
    std::string script =
        set_labels(title, x_label, y_label) + set_range("x", x_range) + set_range("y", y_range);
    if (log_x) script += "set logscale x\n";
    if (log_y) script += "set logscale y\n";
    if (zero_lines) script += "set zeroaxis linetype 1 linecolor '#888888' linewidth 1.5\n";
    const bool two_axes =
        std::any_of(series.begin(), series.end(), [](const Series& s) { return s.right; });
    if (two_axes)
        for (const bool right : {false, true}) {
            const std::string axis = right ? "y2" : "y";
            const std::string color = " textcolor '" + axis_color(*this, right) + "'\n";
            script += "set " + axis + "tics nomirror out" + color + "set " + axis + "label " +
                      gnuplot::quoted(right ? right_label : y_label) + color;
        }
    if (two_axes) script += "set border 11\nunset rmargin\n" + set_range("y2", right_range);
    script += all_tics(*this);

    std::string curves;
    for (std::size_t i = 0; i < series.size(); ++i) {
        const Series& one = series[i];
        const int number = one.color >= 0 ? one.color : static_cast<int>(i);
        const SeriesScript drawn =
            series_script(one, "data" + std::to_string(i), number, log_x, log_y && !one.right);
        if (drawn.plotted.empty()) continue;
        script += drawn.data;
        curves +=
            (curves.empty() ? "plot " : ", ") + drawn.plotted + (one.right ? " axes x1y2" : "");
    }
    if (curves.empty())  // a run that diverged at once still has its picture
        curves =
            "unset logscale\nset label 'no finite values' at graph 0.5,0.5 center\n"
            "plot [0:1] [0:1] NaN notitle";
    return elastic(script + curves + "\n");
}

bool draw(const Plot& plot, const std::filesystem::path& path) {
    return draw(Drawing(plot), path);
}

Series curve(const std::string& label, const std::function<double(double)>& f, AxisRange x, int n) {
    Series series{.label = label};
    for (int i = 0; i < n; ++i) {
        const double at = x.low + (x.high - x.low) * i / std::max(n - 1, 1);
        series.x.push_back(at);
        series.y.push_back(f(at));
    }
    return series;
}

Plot function_and_derivative(const std::string& title, const std::vector<double>& t,
                             const std::vector<double>& function,
                             const std::vector<double>& derivative) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const std::vector<double>* values : {&function, &derivative})
        for (const double v : *values) {
            if (!std::isfinite(v)) continue;
            low = std::min(low, v);
            high = std::max(high, v);
        }
    const double margin = (high - low) / 16;  // what is flat at an end would lie on the frame
    return {.title = title,
            .x_label = "t",
            .series = {{"f(t)", function, t}, {"f'(t)", derivative, t, Style::dashed}},
            .y_range = low < high ? AxisRange{low - margin, high + margin} : AxisRange{},
            .zero_lines = true};
}

std::vector<double> linspace(double first, double last, Index count) {
    if (count < 2) throw Error("linspace: too few", std::to_string(count), "at least 2");
    std::vector<double> numbers;
    for (Index i = 0; i < count; ++i)
        numbers.push_back(first +
                          (last - first) * static_cast<double>(i) / static_cast<double>(count - 1));
    return numbers;
}

std::vector<Index> log_steps(Index last, int of_each) {
    if (of_each < 1) throw Error("log_steps: too few", std::to_string(of_each), "at least 1");
    std::vector<Index> steps;
    for (int i = 0;; ++i) {
        // A little less, so that 10^3 is not rounded up to 1001.
        const auto step =
            static_cast<Index>(std::ceil(std::pow(10, static_cast<double>(i) / of_each) - 1e-6));
        if (step > last) return steps;
        if (steps.empty() || step > steps.back()) steps.push_back(step);
    }
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
