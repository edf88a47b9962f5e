// Windows over an image: which of their elements lie in it; see WindowAxis in kernels/backend.h.
#pragma once

#include "kernels/cpu/isa.h"
#include "kernels/cpu/parallel.h"

namespace handgrad::cpu::HANDGRAD_ISA {

/// The windows whose element k lies in the image, and not in the padding.
inline Range windows_inside(const WindowAxis& axis, Index k) {
    const Index before = axis.padding - k * axis.dilation;  // i is inside where i stride >= before
    const Index last = axis.in - 1 + before;                // and i stride <= last
    const Index begin = before <= 0 ? 0 : (before + axis.stride - 1) / axis.stride;
    const Index end = last < 0 ? 0 : smaller(last / axis.stride + 1, axis.out);
    return {smaller(begin, end), end};
}

/// Where element k of window i lies in the image, or outside.
inline Index element_of(const WindowAxis& axis, Index i, Index k) {
    return i * axis.stride - axis.padding + k * axis.dilation;
}

inline bool contains(const WindowAxis& axis, Index element) {
    return element >= 0 && element < axis.in;
}

}  // namespace handgrad::cpu::HANDGRAD_ISA
