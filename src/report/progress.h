// A progress bar for long loops.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "kernels/backend.h"

namespace handgrad {

/// One line on a terminal, redrawn ten times a second and gone at the end:
///
///     epoch 3/20  [=========           ]  47 %  24576/52000  512k samples/s  0:03 left
///
/// Where `out` is not a terminal nothing is written. advance() costs a nanosecond: it looks at the
/// clock only every so many calls, as many as fit into ten milliseconds.
class ProgressBar {
  public:
    /// `total` things to do, counted in `unit`.
    ProgressBar(const std::string& label, Index total, const std::string& unit = "samples",
                std::FILE* out = stdout);
    ~ProgressBar() { finish(); }
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    /// `n` more things are done.
    void advance(Index n = 1) {
        done_ += n;
        if (--calls_left_ == 0) look_at_clock();
    }
    /// Clears the line. Later calls do nothing.
    void finish();

  private:
    using Clock = std::chrono::steady_clock;
    void look_at_clock();
    void draw(double seconds);

    std::string label_, unit_;
    Index total_;
    std::FILE* out_;  // null when there is nobody to see, and after the end
    Index done_ = 0;
    Index stride_ = 1;      // calls between two looks at the clock
    Index calls_left_ = 0;  // until the next look; from 0 it counts down and never looks
    Clock::time_point start_, last_look_, last_draw_;
};

}  // namespace handgrad
