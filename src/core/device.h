// Where tensors live and kernels run.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/backend.h"

namespace handgrad {

enum class Device : std::uint8_t { cpu, cuda };

/// "cpu" or "cuda".
std::string_view name_of(Device device);

/// The device that a user named: "cpu" or "cuda". Throws DeviceError, with the reason, where the
/// name is unknown or this machine or this build does not have it.
Device parse_device(std::string_view name);

/// The kernels of a device, for T = float and double. Throws DeviceError where there are none.
template <class T>
const Backend<T>& backend(Device device);

/// One line on what runs where, for reports: "cpu (avx512, 2 threads)".
std::string describe(Device device);

/// `bytes` of a device's memory, aligned to 64, uninitialised. Released blocks are kept and given
/// out again, so that a loop that repeats the same shapes asks the system for memory only once:
/// the system would hand out fresh pages every time, and touching those costs more than most
/// kernels. Throws Error when there is not enough memory.
std::shared_ptr<void> allocate(Device device, std::size_t bytes);

/// The same for the CPU, without the shared_ptr. `bytes` must be equal in both calls.
void* take_block(std::size_t bytes);
void release_block(void* block, std::size_t bytes) noexcept;

/// An allocator that takes its memory from there: for small things that come and go with tensors.
template <class T>
struct CachedAllocator {
    using value_type = T;
    CachedAllocator() = default;
    template <class U>
    CachedAllocator(const CachedAllocator<U>&) {}  // NOLINT(google-explicit-constructor)
    T* allocate(std::size_t n) { return static_cast<T*>(take_block(n * sizeof(T))); }
    void deallocate(T* p, std::size_t n) { release_block(p, n * sizeof(T)); }
    bool operator==(const CachedAllocator&) const = default;
};

/// Gives all kept blocks back to the system.
void empty_cache();

/// Blocks asked of the system so far: it stands still in a training loop after the first step.
std::size_t system_allocations();

}  // namespace handgrad
