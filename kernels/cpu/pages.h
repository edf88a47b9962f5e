// Memory from the system.
#pragma once

#include <cstddef>

namespace handgrad::cpu {

inline constexpr std::size_t large_page = std::size_t{2} << 20;

/// `bytes` bytes, uninitialised, from a multiple of `alignment` on, a power of two of 8 or more;
/// null where there is not enough. std::free takes them back. With alignment = large_page they are
/// in pages of that size, as many as are whole, where the system has them: the TLB holds few of the
/// small ones, and under a hypervisor each walk of the page tables costs twice.
void* allocate_aligned(std::size_t alignment, std::size_t bytes);

}  // namespace handgrad::cpu
