#include "report/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "report/gnuplot.h"

namespace handgrad {
namespace {

std::vector<double> finite(const std::vector<double>& values) {
    std::vector<double> kept;
    std::copy_if(values.begin(), values.end(), std::back_inserter(kept),
                 [](double v) { return std::isfinite(v); });
    return kept;
}

double bandwidth(std::vector<double> values) {
    const auto n = static_cast<double>(values.size());
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double squares = 0;
    for (const double v : values) squares += (v - mean) * (v - mean);
    std::sort(values.begin(), values.end());
    const double std = std::sqrt(squares / std::max(n - 1, 1.0));
    const double spread = (values[values.size() * 3 / 4] - values[values.size() / 4]) / 1.34;
    // Where half of the values are equal (a ReLU's zeros) the quartiles say nothing.
    return 0.9 * (spread > 0 ? std::min(std, spread) : std) * std::pow(n, -0.2);
}

/// The share of values in each of `bins` equal parts of a range.
std::vector<double> shares(const std::vector<double>& values, const AxisRange& x, int bins) {
    std::vector<double> share(static_cast<std::size_t>(bins));
    for (const double v : values) {
        const double at = (v - x.low) / (x.high - x.low) * bins;
        if (at >= 0 && at <= bins)
            share[static_cast<std::size_t>(std::min(at, bins - 1.0))] +=
                1 / static_cast<double>(values.size());
    }
    return share;
}

}  // namespace

Points density(const std::vector<double>& values, const AxisRange& x, int n) {
    const std::vector<double> kept = finite(values);
    if (kept.empty() ||
        *std::min_element(kept.begin(), kept.end()) == *std::max_element(kept.begin(), kept.end()))
        return {};
    // The values are first counted in narrow cells, so that a million of them cost no more than
    // two thousand do.
    const double h = bandwidth(kept);
    const AxisRange wide{x.low - 5 * h, x.high + 5 * h};
    constexpr int cells = 2000;
    const std::vector<double> share = shares(kept, wide, cells);
    Points curve;
    for (int i = 0; i < n; ++i) {
        const double at = x.low + (x.high - x.low) * i / std::max(n - 1, 1);
        double sum = 0;
        for (int cell = 0; cell < cells; ++cell) {
            const double center = wide.low + (wide.high - wide.low) * (cell + 0.5) / cells;
            const double z = (at - center) / h;
            if (std::abs(z) < 5)
                sum += share[static_cast<std::size_t>(cell)] * std::exp(-z * z / 2);
        }
        curve.x.push_back(at);
        curve.y.push_back(sum / (h * std::sqrt(2 * std::numbers::pi)));
    }
    return curve;
}

Histogram::operator Drawing() const {
    if (bins < 1) throw Error("Histogram", std::to_string(bins) + " bins", "at least one");
    AxisRange x = x_range;
    if (!x.chosen()) {
        x = {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
        for (const HistogramValues& sample : samples)
            for (const double v : finite(sample.values))
                x = {std::min(x.low, v), std::max(x.high, v)};
        if (!(x.low < x.high)) {  // one value only, or none
            const double center = std::isfinite(x.low) ? x.low : 0;
            const double margin = std::max(0.5, std::abs(center) / 2);
            x = {center - margin, center + margin};
        }
    }
    std::string script = set_labels(title, x_label, "density") + set_range("x", x) +
                         set_tics("x", x.low, x.high, 6) +
                         "set yrange [0:*]\nset style fill transparent solid 0.35 noborder\n";
    std::string boxes, curves;
    double highest = 0;
    const double width = (x.high - x.low) / bins;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const std::vector<double> kept = finite(samples[i].values);
        if (kept.empty()) continue;
        const std::string name = "$bars" + std::to_string(i);
        script += name + " << END\n";
        const std::vector<double> share = shares(kept, x, bins);
        for (const double s : share) highest = std::max(highest, s / width);
        for (std::size_t bin = 0; bin < share.size(); ++bin)
            script += gnuplot_number(x.low + width * (static_cast<double>(bin) + 0.5)) + ' ' +
                      gnuplot_number(share[bin] / width) + ' ' + gnuplot_number(width) + '\n';
        script += "END\n";
        const int number = static_cast<int>(i);
        boxes +=
            (boxes.empty() ? "plot " : ", ") + name + " with boxes linecolor '" +
            gnuplot::color(number) + "' " +
            (samples[i].label.empty() ? "notitle" : "title " + gnuplot::quoted(samples[i].label));
        if (!density_curve) continue;
        const Points line = density(kept, x);
        const SeriesScript drawn =
            series_script({.y = line.y, .x = line.x}, "curve" + std::to_string(i), number);
        script += drawn.data;
        if (!drawn.plotted.empty()) curves += ", " + drawn.plotted;
    }
    script += set_tics("y", 0, highest, 5);
    if (boxes.empty()) return Plot{.title = title, .x_label = x_label};
    return elastic(script + boxes + curves + "\n");
}

}  // namespace handgrad
