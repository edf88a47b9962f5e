#include "kernels/cpu/scratch.h"

#if defined(__linux__)
    #include <sys/mman.h>
#endif

#include <array>
#include <cstdlib>
#include <memory>
#include <new>

namespace handgrad::cpu {
namespace {

struct Free {
    void operator()(void* p) const { std::free(p); }
};

struct Piece {
    std::unique_ptr<void, Free> memory;
    std::size_t bytes = 0;
};

thread_local std::array<Piece, static_cast<std::size_t>(Scratch::count)> pieces;

}  // namespace

void* scratch(Scratch use, std::size_t bytes) {
    Piece& piece = pieces[static_cast<std::size_t>(use)];
#ifdef __SANITIZE_ADDRESS__
    // Each time anew and no larger than asked for, or the sanitizer would miss what is read or
    // written beyond.
    piece = {};
    void* exact = nullptr;
    if (posix_memalign(&exact, 64, bytes) != 0) throw std::bad_alloc();
    piece.memory.reset(exact);
#else
    if (piece.bytes < bytes) {
        // Pages of 4 KB lie anywhere in physical memory, so that panels that would fit in L2 evict
        // each other, by chance: a product of 512 ran at 60 to 85 % of the peak. One large page
        // has no gaps, and takes one entry of the TLB.
        constexpr std::size_t small = std::size_t{4} << 10, large = std::size_t{2} << 20;
        const std::size_t page = bytes > large / 32 ? large : small;
        const std::size_t whole_pages = (bytes + page - 1) / page * page;
        piece = {};
        piece.memory.reset(std::aligned_alloc(page, whole_pages));
        if (!piece.memory) throw std::bad_alloc();
    #if defined(__linux__)
        if (page == large) madvise(piece.memory.get(), whole_pages, MADV_HUGEPAGE);
    #endif
        piece.bytes = whole_pages;
    }
#endif
    return piece.memory.get();
}

}  // namespace handgrad::cpu
