#include "allocation_count.h"

#include <atomic>
#include <cstdlib>
#include <new>

// The sanitizers bring their own operator new, which checks that delete fits to it; there nothing
// is counted.

namespace {
std::atomic<std::size_t> calls{0};
}  // namespace

std::size_t operator_new_calls() {
    return calls.load();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// operator new[] and the nothrow forms of the standard library call these two.
void* operator new(std::size_t bytes) {
    ++calls;
    if (void* block = std::malloc(bytes == 0 ? 1 : bytes)) return block;
    throw std::bad_alloc();
}

void* operator new(std::size_t bytes, std::align_val_t alignment) {
    ++calls;
    const auto multiple = static_cast<std::size_t>(alignment);
    const std::size_t rounded = (bytes + multiple - 1) / multiple * multiple;
    if (void* block = std::aligned_alloc(multiple, rounded == 0 ? multiple : rounded)) return block;
    throw std::bad_alloc();
}

void operator delete(void* block) noexcept {
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
    std::free(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    std::free(block);
}

#endif
