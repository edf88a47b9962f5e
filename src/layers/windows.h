// What layers that slide a window over images share: sizes in pairs, and whether they fit.
#pragma once

#include <string>

#include "core/shape.h"

namespace handgrad {

/// A number for the height and one for the width: Pair{3, 5}, or 3 for both.
struct Pair {
    Index h, w;
    Pair(Index both) : h(both), w(both) {}  // NOLINT(google-explicit-constructor)
    Pair(Index height, Index width) : h(height), w(width) {}
    bool operator==(const Pair&) const = default;
    /// As code: "3" or "{3, 5}".
    [[nodiscard]] std::string str() const;
};

/// Throws Error, naming the layer, unless both numbers are from `least` to 2^30.
void require_pair(const std::string& layer, const std::string& name, Pair pair, Index least);

/// The windows of a layer over images x (N, C, H, W):
///   h.out = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, w.out likewise.
/// Throws Error, naming the layer, where x is no such batch or a window does not fit into the
/// padded image.
Windows windows_over(const std::string& layer, const Shape& x, Pair kernel, Pair stride,
                     Pair padding, Pair dilation);

}  // namespace handgrad
