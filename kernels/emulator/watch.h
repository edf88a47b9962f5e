// What the emulator found out about the kernels that it ran: their mistakes and their traffic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace handgrad::emulator {

/// Thrown by a launch of a kernel that does what it must not. what() has one line for each mistake,
/// with kernel, block, thread and line. The launch ends with the block, or at once where going on
/// would write to memory that belongs to someone else.
class Mistake : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Was the emulator built to see every access of a kernel? Otherwise (under AddressSanitizer and
/// ThreadSanitizer, or with another compiler than GCC) it finds barriers that are not reached and
/// lanes that are missing; bounds are left to AddressSanitizer, and nothing is counted.
bool sees_accesses();

/// For an allocator that keeps memory: from here on kernels may touch the first `bytes` of a buffer
/// that cudaMalloc gave, and no more than it gave.
void set_bounds(const void* buffer, std::size_t bytes);

/// Looks for races, for reads of shared memory that nobody wrote, for accesses out of bounds or not
/// aligned, and for buffers that two streams use, one of them writing, with no event between.
/// On from the start; off, kernels run about four times as fast.
void set_checking(bool on);

/// Memory traffic of all launches of a kernel. A request is what the lanes of one warp ask for by
/// one instruction.
struct Traffic {
    std::string kernel;
    std::int64_t launches = 0;
    // Global memory comes in sectors of 32 bytes: bytes / (32 sectors) is the share that is used.
    std::int64_t global_requests = 0, global_bytes = 0, global_sectors = 0;
    // Shared memory has 32 banks of 4 bytes. Lanes that want different words of one bank wait for
    // each other: wavefronts is how often the banks were asked, ideal how often without conflicts.
    std::int64_t shared_requests = 0, shared_wavefronts = 0, shared_ideal = 0;
};

/// Counts traffic from here on; off at the start.
void set_counting(bool on);
/// What was counted since the last call, in the order of the kernels' first launches.
std::vector<Traffic> take_traffic();

/// From here on every call fails, as on a GPU after a kernel has done what it must not; or, with
/// false, no longer.
void set_failing(bool on);

}  // namespace handgrad::emulator
