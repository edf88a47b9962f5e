// Memory that a thread keeps for its kernels' temporary data: a training step must not allocate.
#pragma once

#include <cstddef>

namespace handgrad::cpu {

/// What the memory is for; each thread has one piece for each.
enum class Scratch {
    packed_a,
    packed_b,
    turned,
    pieces_of_k,
    columns,
    gathered,
    partial_sums,
    results,
    count
};

/// At least `bytes` bytes of this thread's own, aligned to 64, uninitialised. They stay valid until
/// the thread asks for the same again, or ends.
void* scratch(Scratch use, std::size_t bytes);

}  // namespace handgrad::cpu
