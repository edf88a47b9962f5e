#include "kernels/cpu/pages.h"

#if defined(__linux__)
    #include <sys/mman.h>
#endif

#include <cstdlib>

namespace handgrad::cpu {

void* allocate_aligned(std::size_t alignment, std::size_t bytes) {
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, bytes) != 0) return nullptr;
#if defined(__linux__)
    if (alignment == large_page) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

}  // namespace handgrad::cpu
