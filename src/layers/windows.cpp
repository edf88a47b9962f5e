#include "layers/windows.h"

#include <algorithm>

#include "core/error.h"

namespace handgrad {
namespace {

WindowAxis axis_over(Index in, Index kernel, Index stride, Index padding, Index dilation) {
    const Index room = in + 2 * padding - dilation * (kernel - 1) - 1;
    return {in, room < 0 ? 0 : room / stride + 1, kernel, stride, padding, dilation};
}

}  // namespace

std::string Pair::str() const {
    if (h == w) return std::to_string(h);
    return "{" + std::to_string(h) + ", " + std::to_string(w) + "}";
}

void require_pair(const std::string& layer, const std::string& name, Pair pair, Index least) {
    constexpr Index most = 1 << 30;
    for (const Index n : {pair.h, pair.w})
        if (n < least || n > most)
            throw Error(layer + ": no such layer", name + " " + pair.str(),
                        "a " + name + " from " + std::to_string(least) + " to 2^30");
}

Windows windows_over(const std::string& layer, const Shape& x, Pair kernel, Pair stride,
                     Pair padding, Pair dilation) {
    const auto fail = [&](const std::string& needs, const std::string& hint) {
        throw Error(layer + ".forward: the input does not fit", "x of shape " + x.str(), needs,
                    hint);
    };
    if (x.rank() != 4)
        fail("images of shape (N, C, H, W)",
             x.rank() == 3   ? "one image is a batch of one: x.reshape({1, C, H, W})"
             : x.rank() == 2 ? "give flat samples their shape back: x.reshape({N, C, H, W})"
                             : "put the samples first, then channels, height and width");
    if (x[2] < 1 || x[3] < 1) fail("images of one pixel or more", "leave empty images out");
    const Windows windows{axis_over(x[2], kernel.h, stride.h, padding.h, dilation.h),
                          axis_over(x[3], kernel.w, stride.w, padding.w, dilation.w)};
    if (windows.h.out < 1 || windows.w.out < 1) {
        const Pair least{dilation.h * (kernel.h - 1) + 1 - 2 * padding.h,
                         dilation.w * (kernel.w - 1) + 1 - 2 * padding.w};
        fail("x of shape (N, C, " + std::to_string(std::max<Index>(least.h, 1)) + ", " +
                 std::to_string(std::max<Index>(least.w, 1)) +
                 ") or larger, so that a window fits into each image",
             "make the kernel smaller, pad more, or pool less in the layers before it");
    }
    return windows;
}

}  // namespace handgrad
