#include "kernels/cpu/scratch.h"

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
    if (piece.bytes < bytes) {
        constexpr std::size_t page = 4096;
        const std::size_t whole_pages = (bytes + page - 1) / page * page;
        piece = {};
        piece.memory.reset(std::aligned_alloc(page, whole_pages));
        if (!piece.memory) throw std::bad_alloc();
        piece.bytes = whole_pages;
    }
    return piece.memory.get();
}

}  // namespace handgrad::cpu
