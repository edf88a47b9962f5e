#include "kernels/cpu/scratch.h"

#include <array>
#include <cstdlib>
#include <memory>
#include <new>

#include "kernels/cpu/pages.h"

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
    piece.memory.reset(allocate_aligned(64, bytes));
    if (!piece.memory) throw std::bad_alloc();
#else
    if (piece.bytes < bytes) {
        // Pages of 4 KB lie anywhere in physical memory, so that panels that would fit in L2 evict
        // each other, by chance: a product of 512 ran at 60 to 85 % of the peak. One large page
        // has no gaps, and takes one entry of the TLB.
        constexpr std::size_t small_page = std::size_t{4} << 10;
        const std::size_t page = bytes > large_page / 32 ? large_page : small_page;
        const std::size_t whole_pages = (bytes + page - 1) / page * page;
        piece = {};
        piece.memory.reset(allocate_aligned(page, whole_pages));
        if (!piece.memory) throw std::bad_alloc();
        piece.bytes = whole_pages;
    }
#endif
    return piece.memory.get();
}

}  // namespace handgrad::cpu
