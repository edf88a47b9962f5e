#include "core/device.h"

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cuda/device_query.h"

#if defined(__SANITIZE_ADDRESS__)
    #include <sanitizer/asan_interface.h>
#else
    #define ASAN_POISON_MEMORY_REGION(address, bytes)
    #define ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#endif

namespace handgrad {
namespace {

constexpr std::size_t alignment = 64;  // a cache line, and the widest vector

/// Blocks that were released, by size. Sizes are rounded up to four steps an octave, so that
/// batches of nearly the same size share blocks and at most a fifth of a block is wasted.
class BlockCache {
  public:
    static std::size_t rounded(std::size_t bytes) {
        if (bytes == 0) return alignment;
        if (bytes <= 4 * alignment) return (bytes + alignment - 1) / alignment * alignment;
        const std::size_t step = std::bit_floor(bytes - 1) / 4;
        return (bytes + step - 1) / step * step;
    }

    void* take(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        std::vector<void*>& blocks = free_[bytes];
        if (blocks.empty()) {
            // Room for one more block in the list, so that release() cannot throw.
            const std::size_t made = ++made_[bytes];
            if (blocks.capacity() < made) blocks.reserve(2 * made);
            void* block = std::aligned_alloc(alignment, bytes);
            if (block == nullptr)
                throw Error("allocate: out of memory", std::to_string(bytes) + " bytes asked for",
                            "as much free memory", "use a smaller batch or a smaller model");
            ++system_allocations_;
            return block;
        }
        void* block = blocks.back();
        blocks.pop_back();
        ASAN_UNPOISON_MEMORY_REGION(block, bytes);
        return block;
    }

    void release(void* block, std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        ASAN_POISON_MEMORY_REGION(block, bytes);
        free_[bytes].push_back(block);
    }

    void clear() {
        const std::lock_guard lock(mutex_);
        for (auto& [bytes, blocks] : free_) {
            for (void* block : blocks) {
                ASAN_UNPOISON_MEMORY_REGION(block, bytes);
                std::free(block);
            }
            made_[bytes] -= blocks.size();
            blocks.clear();
        }
    }

    std::size_t system_allocations() {
        const std::lock_guard lock(mutex_);
        return system_allocations_;
    }

  private:
    std::mutex mutex_;
    std::unordered_map<std::size_t, std::vector<void*>> free_;
    std::unordered_map<std::size_t, std::size_t> made_;  // blocks of each size in existence
    std::size_t system_allocations_ = 0;
};

/// Never destroyed: tensors with static lifetime release their blocks after main has ended.
BlockCache& cpu_cache() {
    static BlockCache& cache = *new BlockCache;
    return cache;
}

}  // namespace

std::string_view name_of(Device device) {
    return device == Device::cpu ? "cpu" : "cuda";
}

Device parse_device(std::string_view name) {
    if (name == "cpu") return Device::cpu;
    if (name != "cuda")
        throw DeviceError("--device: unknown name", "'" + std::string(name) + "'", "cpu or cuda");
#ifdef HANDGRAD_CUDA
    const cuda::Gpus gpus = cuda::query();
    if (gpus.found.empty())
        throw DeviceError("--device cuda: not available", "no NVIDIA GPU found: " + gpus.reason,
                          "an NVIDIA GPU and its driver", "use --device cpu");
    const cuda::GpuInfo& gpu = gpus.found.front();
    throw DeviceError("--device cuda: not available",
                      "GPU " + gpu.name + " (" + std::to_string(gpu.memory_bytes >> 30) +
                          " GiB, compute capability " + std::to_string(gpu.major) + "." +
                          std::to_string(gpu.minor) +
                          ") found, but this version has no CUDA kernels yet",
                      "a device that this version has kernels for", "use --device cpu");
#else
    throw DeviceError("--device cuda: not available", "built without CUDA", "the CUDA device",
                      "rebuild with make cuda, or use --device cpu");
#endif
}

template <class T>
const Backend<T>& backend(Device device) {
    if (device != Device::cpu)
        throw DeviceError("backend: no kernels for this device", std::string(name_of(device)),
                          "cpu");
    static const Backend<T>& chosen = cpu::backend<T>(cpu::chosen_isa());
    return chosen;
}

template const Backend<float>& backend<float>(Device);
template const Backend<double>& backend<double>(Device);

std::string describe(Device device) {
    const int threads = cpu::max_threads();
    return std::string(name_of(device)) + " (" + std::string(name_of(cpu::chosen_isa())) + ", " +
           std::to_string(threads) + (threads == 1 ? " thread)" : " threads)");
}

std::shared_ptr<void> allocate(Device device, std::size_t bytes) {
    if (device != Device::cpu)
        throw DeviceError("allocate: no memory on this device", std::string(name_of(device)),
                          "cpu");
    return {take_block(bytes), [bytes](void* p) { release_block(p, bytes); },
            CachedAllocator<char>{}};
}

void* take_block(std::size_t bytes) {
    return cpu_cache().take(BlockCache::rounded(bytes));
}

void release_block(void* block, std::size_t bytes) noexcept {
    cpu_cache().release(block, BlockCache::rounded(bytes));
}

void empty_cache() {
    cpu_cache().clear();
}

std::size_t system_allocations() {
    return cpu_cache().system_allocations();
}

}  // namespace handgrad
