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
    bytes_beside,        // threads write bytes of one word, then read each other's
    strided,             // reads every 33rd float; every 16th word of shared memory
    coalesced,           // reads neighbours
    reads_then_writes,   // a lane reads, and after __syncwarp() another reads and writes
    // Broken.
    missing_barrier,
    missing_barrier_write_after_read,
    writer_has_read,  // the same, where the writer itself was the first to read
    syncwarp_across_warps,
    two_writers,
    bytes_twice,  // two threads write one byte
    plain_beside_atomic,
    never_written,
    shared_past_end,
    shared_into_next_array,
    shared_half_past_end,
    dynamic_past_end,
    global_past_end,
    global_half_past_end,
    global_before_begin,
    divergent_barrier,
    different_barriers,
    lanes_missing,
    lane_not_in_mask,
    shuffle_from_outside,
    different_shuffles,
    missing_wait,
    not_aligned,
    copy_not_aligned,
    // Of two blocks; the first three right.
    own_elements,
    own_neighbours,  // exchange through global memory, with a barrier
    atomics_of_blocks,
    block_writes_twice,
    block_reads_written,
    block_writes_read,
    plain_beside_atomic_block,
    threads_without_barrier,
};

/// y (n) from x, on blocks of `threads`. x and y are device memory.
void run(Kernel kernel, const float* x, float* y, int n, unsigned threads, unsigned blocks = 1);

// For the counts of traffic: one warp, of which the first `lanes` do something. A number has 1, 4,
// 8 or 16 bytes.

/// y[t] = x[offset + stride t], in device memory.
void copy_apart(unsigned bytes, const void* x, void* y, unsigned offset, unsigned stride,
                unsigned lanes);
/// s[stride t] = 0, in shared memory.
void write_shared(unsigned bytes, unsigned stride, unsigned lanes);

/// Streams 0 and 1, and what is asked of them. Arrays are device memory, of 64 numbers.
class TwoStreams {
  public:
    TwoStreams();
    ~TwoStreams();
    TwoStreams(const TwoStreams&) = delete;
    TwoStreams& operator=(const TwoStreams&) = delete;

    /// y = x, by a kernel.
    void run(int stream, const float* x, float* y);
    /// x = 0, by a copy from pinned memory.
    void copy(int stream, float* x);
    /// Records the one event: what the stream was asked for so far lies before it.
    void mark(int stream);
    void wait_for_mark(int stream);
    void wait_on_host(int stream);

  private:
    void* streams_[2];
    void* event_ = nullptr;
    void* pinned_ = nullptr;
};

float* device_array(std::size_t n);
void free_device_array(float* p);

}  // namespace handgrad::emulated
