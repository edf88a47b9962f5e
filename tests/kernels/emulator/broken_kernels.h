// Kernels that are broken on purpose, and right ones beside them, for emulator_test.cpp.
#pragma once

#include <cstddef>

namespace handgrad::emulated {

enum class Kernel {
    // Right.
    neighbours,          // exchange through shared memory, with a barrier
    neighbours_in_warp,  // the same with __syncwarp
    warp_functions,      // every shuffle, vote and reduction
    count_of_block,      // __syncthreads_count and atomicAdd
    atomics,             // the others
    reverse,             // dynamic shared memory, filled by asynchronous copies
    strided,             // reads every 33rd float; every 16th word of shared memory
    coalesced,           // reads neighbours
    // Broken.
    missing_barrier,
    missing_barrier_write_after_read,
    syncwarp_across_warps,
    two_writers,
    plain_beside_atomic,
    never_written,
    shared_past_end,
    shared_into_next_array,
    dynamic_past_end,
    global_past_end,
    global_before_begin,
    divergent_barrier,
    different_barriers,
    lanes_missing,
    missing_wait,
};

/// y (n) from x, on one block of `threads`. x and y are device memory.
void run(Kernel kernel, const float* x, float* y, int n, unsigned threads);

float* device_array(std::size_t n);
void free_device_array(float* p);

}  // namespace handgrad::emulated
