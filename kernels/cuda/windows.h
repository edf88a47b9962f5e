// Windows over an image: which of their elements lie in it; see WindowAxis in kernels/backend.h.
#pragma once

#include "kernels/cuda/launch.h"

namespace handgrad::HANDGRAD_GPU {

/// Where element k of window i lies in the image, or outside.
__device__ inline Index element_of(const WindowAxis& axis, Index i, Index k) {
    return i * axis.stride - axis.padding + k * axis.dilation;
}
__device__ inline bool contains(const WindowAxis& axis, Index element) {
    return element >= 0 && element < axis.in;
}

/// The window whose element k is this element of the image; -1 if there is none.
__device__ inline Index window_of(const WindowAxis& axis, Index element, Index k) {
    const Index start = element + axis.padding - k * axis.dilation;
    if (start < 0 || start % axis.stride != 0) return -1;
    const Index i = start / axis.stride;
    return i < axis.out ? i : -1;
}

}  // namespace handgrad::HANDGRAD_GPU
