#include "report/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "report/text.h"

namespace handgrad {
namespace {

using namespace std::chrono_literals;
constexpr auto redraw_every = 100ms;  // faster than this the eye sees flicker, not progress
constexpr auto look_every = 10ms;
constexpr Index widest_bar = 30;

Index terminal_columns(std::FILE* out) {
    winsize size{};
    return ::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// "512", "51.2k", "5.1M", in `text`.
void print_rate(std::array<char, 16>& text, double rate) {
    const char* unit = rate < 1e3 ? "" : rate < 1e6 ? "k" : rate < 1e9 ? "M" : "G";
    const double scale = rate < 1e3 ? 1 : rate < 1e6 ? 1e3 : rate < 1e9 ? 1e6 : 1e9;
    std::snprintf(text.data(), text.size(), "%.3g%s", std::min(rate / scale, 999.0), unit);
}

/// "0:07", "12:34", "3:12:34", in `text`.
void print_time(std::array<char, 16>& text, double seconds) {
    const int total = static_cast<int>(std::min(seconds + 0.5, 1e6));
    const int h = total / 3600, m = total / 60 % 60, s = total % 60;
    if (h > 0)
        std::snprintf(text.data(), text.size(), "%d:%02d:%02d", h, m, s);
    else
        std::snprintf(text.data(), text.size(), "%d:%02d", m, s);
}

}  // namespace

ProgressBar::ProgressBar(const std::string& label, Index total, const std::string& unit,
                         std::FILE* out)
    : label_(label), unit_(unit), total_(total), out_(::isatty(::fileno(out)) ? out : nullptr) {
    if (out_ == nullptr) return;
    calls_left_ = stride_;
    start_ = last_look_ = last_draw_ = Clock::now();
    draw(0);
}

void ProgressBar::finish() {
    if (out_ == nullptr) return;
    std::fputs("\r\033[K", out_);
    std::fflush(out_);
    out_ = nullptr;
    calls_left_ = 0;
}

void ProgressBar::look_at_clock() {
    const Clock::time_point now = Clock::now();
    // As many calls as fill look_every at the present pace; at most doubled at a time, since a
    // quick first step says little about those to come.
    const double pace = std::chrono::duration<double>(look_every) / (now - last_look_);
    stride_ = static_cast<Index>(
        std::clamp(static_cast<double>(stride_) * pace, 1.0, 2.0 * static_cast<double>(stride_)));
    calls_left_ = stride_;
    last_look_ = now;
    if (now - last_draw_ < redraw_every) return;
    last_draw_ = now;
    draw(std::chrono::duration<double>(now - start_).count());
}

void ProgressBar::draw(double seconds) {
    const Index done = std::min(done_, total_);
    const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 1;
    std::array<char, 128> numbers;
    int length = std::snprintf(numbers.data(), numbers.size(), "%3.0f %%  %lld/%lld", 100 * share,
                               static_cast<long long>(done), static_cast<long long>(total_));
    if (done > 0 && seconds > 0) {
        std::array<char, 16> rate, left;
        print_rate(rate, static_cast<double>(done) / seconds);
        print_time(left, seconds / share - seconds);
        const auto used = static_cast<std::size_t>(length);
        length += std::snprintf(numbers.data() + used, numbers.size() - used,
                                "  %s %.20s/s  %s left", rate.data(), unit_.c_str(), left.data());
    }
    // "label  [bar]  numbers" within the line; a full last column would wrap.
    const Index room =
        terminal_columns(out_) - 1 - length - 6 - static_cast<Index>(columns_of(label_));
    const Index width = std::clamp(room, Index{0}, widest_bar);
    const auto filled = static_cast<int>(share * static_cast<double>(width));
    static constexpr char full[widest_bar + 1] = "==============================";
    static constexpr char blank[widest_bar + 1] = "                              ";
    if (room < 0)  // too narrow for anything but the percentage
        std::fprintf(out_, "\r%3.0f %%\033[K", 100 * share);
    else
        std::fprintf(out_, "\r%s  [%.*s%.*s]  %s\033[K", label_.c_str(), filled, full,
                     static_cast<int>(width) - filled, blank, numbers.data());
    std::fflush(out_);
}

}  // namespace handgrad
