// Where tensors live and kernels run.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/backend.h"
#include "kernels/cpu/precision.h"

namespace handgrad {

/// cuda is the first NVIDIA GPU. emulated is a GPU that this program plays on one CPU thread, with
/// the same kernels: slow, in every build, and it throws where a kernel does what it must not.
/// A GPU is asked for work by one thread at a time.
enum class Device : std::uint8_t { cpu, cuda, emulated };

/// "cpu", "cuda" or "emulated".
std::string_view name_of(Device device);

/// The device that a user named, as name_of names it. Throws DeviceError, with the reason, where
/// the name is unknown or this machine or this build does not have it.
Device parse_device(std::string_view name);

/// What products of floats on the CPU are to be computed in, as cpu::name_of names it: "float",
/// "bf16" or "bf16x3". Throws DeviceError where the name is unknown or this processor cannot.
cpu::Precision parse_precision(std::string_view name);

/// The kernels of a device, for T = float and double. Throws DeviceError where there are none.
template <class T>
const Backend<T>& backend(Device device);

/// One line on what runs where, for reports: "cpu (avx512, 2 threads)", "cpu (avx512, 2 threads,
/// products in bf16)", "cuda (NVIDIA H100)".
std::string describe(Device device);

/// Memory of a device, which goes back when the last holder lets go of it.
struct Storage {
    void* const data;
    /// Counts the writes that Tensor::bump_version tells of.
    std::atomic<std::uint64_t> version{0};

  protected:
    explicit Storage(void* memory) : data(memory) {}
    ~Storage() = default;
};

/// `bytes` of a device's memory, aligned to 64, uninitialised, to be read and written by its
/// kernels alone. Released blocks are kept and given out again, so that a loop that repeats the
/// same shapes asks the system for memory only once: the system would hand out fresh pages every
/// time, and touching those costs more than most kernels. Throws Error when there is not enough
/// memory.
std::shared_ptr<Storage> allocate(Device device, std::size_t bytes);

/// Copies between the memories of two devices, in the order of the kernels that they were asked
/// for. A copy to the CPU returns when it is done; others when `from` may be written again.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes);

/// Waits until the device has done all that it was asked for.
void synchronize(Device device);

/// allocate for the CPU, without the shared_ptr. `bytes` must be equal in both calls.
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

/// Gives all kept blocks, of all devices, back to the system.
void empty_cache();

/// Blocks asked of the system so far: it stands still in a training loop after the first step.
std::size_t system_allocations();

}  // namespace handgrad
