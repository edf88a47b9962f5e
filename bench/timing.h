// How the benchmarks take time, and what they make of several.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

namespace handgrad::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class Work>
double seconds_of(Work&& work) {
    const auto start = Clock::now();
    work();
    return seconds_since(start);
}

/// NaN of none.
inline double median(std::vector<double> x) {
    if (x.empty()) return std::numeric_limits<double>::quiet_NaN();
    const auto middle = x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2);
    std::nth_element(x.begin(), middle, x.end());
    return *middle;
}

}  // namespace handgrad::bench
