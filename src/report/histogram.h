// How values are distributed, drawn by gnuplot.
#pragma once

#include <string>
#include <vector>

#include "report/drawing.h"
#include "report/plot.h"

namespace handgrad {

struct HistogramValues {
    std::string label = {};
    std::vector<double> values = {};  // those that are not finite are left out
};

/// Histograms of equal area, 1, over one another, each with a density curve: Gaussians over all
/// values, of the width 0.9 min(std, IQR / 1.34) n^(-1/5) (Silverman, "Density estimation for
/// statistics and data analysis", 1986, equation 3.31). Of values that pile up in a
/// few places the curve says nothing: leave it out there.
struct Histogram {
    std::string title = {};
    std::string x_label = {};
    std::vector<HistogramValues> samples = {};
    int bins = 50;
    AxisRange x_range = {};
    bool density_curve = true;

    operator Drawing() const;  // NOLINT(google-explicit-constructor)
};

/// The density curve alone, at n points between x.low and x.high. Empty where all values are equal.
Points density(const std::vector<double>& values, const AxisRange& x, int n = 301);

}  // namespace handgrad
