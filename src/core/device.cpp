#include "core/device.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/device_graph.h"
#include "core/error.h"
#include "core/upload.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/pages.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cuda/device_query.h"
#include "kernels/cuda/gpu.h"
#include "kernels/emulator/watch.h"

#if defined(__SANITIZE_ADDRESS__)
    #include <sanitizer/asan_interface.h>
#else
    #define ASAN_POISON_MEMORY_REGION(address, bytes)
    #define ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#endif

namespace handgrad {
namespace {

constexpr std::size_t alignment = 64;  // a cache line, and the widest vector

[[noreturn, maybe_unused]] void fail_without_cuda(std::string_view operation) {
    throw DeviceError(
        operation, "built without CUDA", "the CUDA device",
        "install the CUDA Toolkit and use build/cuda, which make cuda builds; or --device "
        "emulated, or --device cpu");
}

const Gpu& gpu(Device device) {
    if (device == Device::emulated) return emulated::gpu();
#ifdef HANDGRAD_CUDA
    return cuda::gpu();
#else
    fail_without_cuda("device cuda: not available");
#endif
}

/// Memory from the system, aligned to `alignment` at least; null where there is not enough.
void* system_allocate(Device device, std::size_t bytes) {
    if (device != Device::cpu) return gpu(device).allocate(bytes);
    return cpu::allocate_aligned(bytes < cpu::large_page ? alignment : cpu::large_page, bytes);
}
void system_free(Device device, void* block) {
    if (device == Device::cpu)
        std::free(block);
    else
        gpu(device).release(block);
}

/// For destructors: a device that fails here has failed before, and that was thrown.
template <class F>
void if_it_works(F f) noexcept {
    try {
        f();
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    }
}

/// Blocks that were released, by size. Sizes are rounded up to four steps an octave, so that
/// batches of nearly the same size share blocks and at most a fifth of a block is wasted.
class BlockCache {
  public:
    /// `guarded`: kernels may touch a block only while it is taken. A graph's blocks are used again
    /// by each replay.
    explicit BlockCache(Device device, bool guarded = true) : device_(device), guarded_(guarded) {}
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;
    ~BlockCache() {
        if_it_works([&] { clear(); });
    }

    static std::size_t rounded(std::size_t bytes) {
        if (bytes == 0) return alignment;
        if (bytes <= 4 * alignment) return (bytes + alignment - 1) / alignment * alignment;
        const std::size_t step = std::bit_floor(bytes - 1) / 4;
        return (bytes + step - 1) / step * step;
    }

    /// A block of `bytes`, of which the caller will use `used`.
    void* take(std::size_t bytes, std::size_t used) {
        const std::lock_guard lock(mutex_);
        std::vector<void*>& blocks = free_[bytes];
        if (blocks.empty()) {
            // Room for one more block in the list, so that release() cannot throw.
            const std::size_t made = ++made_[bytes];
            if (blocks.capacity() < made) blocks.reserve(2 * made);
            void* block = system_allocate(device_, bytes);
            if (block == nullptr)
                throw Error(
                    "allocate: out of memory",
                    std::to_string(bytes) + " bytes asked for on " + std::string(name_of(device_)),
                    "as much free memory", "use a smaller batch or a smaller model");
            ++system_allocations_;
            permit(block, bytes, used);
            return block;
        }
        void* block = blocks.back();
        blocks.pop_back();
        permit(block, bytes, used);
        return block;
    }

    void release(void* block, std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        permit(block, bytes, 0);
        free_[bytes].push_back(block);
    }

    void clear() {
        const std::lock_guard lock(mutex_);
        for (auto& [bytes, blocks] : free_) {
            for (void* block : blocks) {
                permit(block, bytes, bytes);
                system_free(device_, block);
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
    /// For AddressSanitizer and the emulator: what may be touched of a block.
    void permit(void* block, [[maybe_unused]] std::size_t bytes,
                [[maybe_unused]] std::size_t used) const {
        if (device_ == Device::cuda || !guarded_) return;
        if (device_ == Device::emulated) emulator::set_bounds(block, used);
        ASAN_POISON_MEMORY_REGION(block, bytes);
        ASAN_UNPOISON_MEMORY_REGION(block, used);
    }

    Device device_;
    bool guarded_;
    std::mutex mutex_;
    std::unordered_map<std::size_t, std::vector<void*>> free_;
    std::unordered_map<std::size_t, std::size_t> made_;  // blocks of each size in existence
    std::size_t system_allocations_ = 0;
};

/// What a graph that is being recorded takes its memory from, by device; else null. A recording
/// belongs to the thread that makes it.
thread_local std::shared_ptr<BlockCache> recording_cache[3];

std::shared_ptr<BlockCache>& recording_cache_of(Device device) {
    return recording_cache[static_cast<std::size_t>(device)];
}

/// Never destroyed: tensors with static lifetime release their blocks after main has ended.
BlockCache& cache_of(Device device) {
    static BlockCache* const caches[] = {new BlockCache(Device::cpu), new BlockCache(Device::cuda),
                                         new BlockCache(Device::emulated)};
    return *caches[static_cast<std::size_t>(device)];
}

/// A block of a cache's, for as long as it is held.
class Block final : public Storage {
  public:
    /// `kept`: the cache, where it may be destroyed before the block.
    Block(BlockCache& cache, std::shared_ptr<BlockCache> kept, std::size_t bytes)
        : Storage(cache.take(BlockCache::rounded(bytes), bytes)),
          cache_(cache),
          kept_(std::move(kept)),
          bytes_(BlockCache::rounded(bytes)) {}
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() { cache_.release(data, bytes_); }

  private:
    BlockCache& cache_;
    const std::shared_ptr<BlockCache> kept_;
    const std::size_t bytes_;
};

}  // namespace

std::string_view name_of(Device device) {
    return device == Device::cpu ? "cpu" : device == Device::cuda ? "cuda" : "emulated";
}

Device parse_device(std::string_view name) {
    for (const Device device : {Device::cpu, Device::emulated})
        if (name == name_of(device)) return device;
    if (name != name_of(Device::cuda))
        throw DeviceError("--device: unknown name", "'" + std::string(name) + "'",
                          "cpu, cuda or emulated");
#ifdef HANDGRAD_CUDA
    const cuda::Gpus gpus = cuda::query();
    if (gpus.found.empty())
        throw DeviceError("--device cuda: not available", "no NVIDIA GPU found: " + gpus.reason,
                          "an NVIDIA GPU and its driver",
                          "use --device emulated, which runs the same kernels, or --device cpu");
    const cuda::GpuInfo& first = gpus.found.front();
    if (10 * first.major + first.minor < 75)
        throw DeviceError("--device cuda: not available",
                          "GPU " + first.name + " of compute capability " +
                              std::to_string(first.major) + "." + std::to_string(first.minor),
                          "compute capability 7.5 (Turing) or newer",
                          "use --device emulated, or --device cpu");
    return Device::cuda;
#else
    fail_without_cuda("--device cuda: not available");
#endif
}

cpu::Precision parse_precision(std::string_view name) {
    using cpu::Precision;
    for (const Precision precision : {Precision::float32, Precision::bf16, Precision::bf16x3}) {
        if (name != name_of(precision)) continue;
        if (supported(precision, cpu::chosen_isa())) return precision;
        const bool amx = supported(precision, cpu::Isa::avx512);
        throw DeviceError(
            "--precision " + std::string(name) + ": not available",
            amx ? "HANDGRAD_ISA=" + std::string(name_of(cpu::chosen_isa()))
                : "a processor without AMX, or a system that does not let programs use it",
            "AMX with bf16, as in Intel's Xeons since 2023",
            "use --precision float; HANDGRAD_ISA=portable computes the same in plain C++, slowly");
    }
    throw DeviceError("--precision: unknown name", "'" + std::string(name) + "'",
                      "float, bf16 or bf16x3");
}

template <class T>
const Backend<T>& backend(Device device) {
    static const Backend<T>& chosen = cpu::backend<T>(cpu::chosen_isa());
    if (device == Device::cpu) return chosen;
    if (device == Device::emulated) return emulated::backend<T>();
#ifdef HANDGRAD_CUDA
    return cuda::backend<T>();
#else
    fail_without_cuda("device cuda: not available");
#endif
}

template const Backend<float>& backend<float>(Device);
template const Backend<double>& backend<double>(Device);

std::string describe(Device device) {
    if (device == Device::emulated)
        return emulator::sees_accesses() ? "emulated (CUDA kernels on one CPU thread, checked)"
                                         : "emulated (CUDA kernels on one CPU thread)";
#ifdef HANDGRAD_CUDA
    if (device == Device::cuda) return "cuda (" + cuda::query().found.front().name + ")";
#endif
    const int threads = cpu::max_threads();
    std::string text = std::string(name_of(device)) + " (" +
                       std::string(name_of(cpu::chosen_isa())) + ", " + std::to_string(threads) +
                       (threads == 1 ? " thread" : " threads");
    if (cpu::precision() != cpu::Precision::float32)
        text += ", products in " + std::string(name_of(cpu::precision()));
    return text + ")";
}

std::shared_ptr<Storage> allocate(Device device, std::size_t bytes) {
    const std::shared_ptr<BlockCache>& own = recording_cache_of(device);
    return std::allocate_shared<Block>(CachedAllocator<char>{}, own ? *own : cache_of(device), own,
                                       bytes);
}

void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes) {
    if (bytes == 0) return;
    const bool to_host = to_device == Device::cpu, from_host = from_device == Device::cpu;
    if (to_host != from_host)
        require_not_recording(to_host ? from_device : to_device, "a copy between CPU and device");
    if (to_host && from_host) {
        std::memmove(to, from, bytes);
    } else if (from_host) {
        gpu(to_device).copy_in(to, from, bytes);
    } else if (to_host) {
        gpu(from_device).copy_out(to, from, bytes);
    } else if (to_device == from_device) {
        gpu(to_device).copy(to, from, bytes);
    } else {
        const std::shared_ptr<Storage> between = allocate(Device::cpu, bytes);
        gpu(from_device).copy_out(between->data, from, bytes);
        gpu(to_device).copy_in(to, between->data, bytes);
    }
}

void synchronize(Device device) {
    if (device != Device::cpu) gpu(device).synchronize();
}

Upload::Upload(Device device, std::size_t bytes) : device_(device) {
    if (device == Device::cpu)
        throw DeviceError("Upload: nothing to copy to", "cpu", "cuda or emulated",
                          "use the data where they are");
    buffer_ = gpu(device).allocate_pinned(bytes);
    copied_ = gpu(device).make_event();
}

Upload::Upload(Upload&& other) noexcept
    : device_(other.device_),
      buffer_(std::exchange(other.buffer_, nullptr)),
      copied_(std::exchange(other.copied_, nullptr)) {}

Upload::~Upload() {
    if (copied_ == nullptr) return;
    if_it_works([&] { gpu(device_).wait_on_host(copied_); });
    if_it_works([&] { gpu(device_).destroy_event(copied_); });
    if_it_works([&] { gpu(device_).release_pinned(buffer_); });
}

void* Upload::host() const {
    gpu(device_).wait_on_host(copied_);
    return buffer_;
}

void Upload::start(void* to, std::size_t bytes) const {
    require_not_recording(device_, "Upload.start");
    gpu(device_).copy_in_beside(to, buffer_, bytes, copied_);
}

void Upload::arrive() const {
    require_not_recording(device_, "Upload.arrive");
    gpu(device_).wait_in_order(copied_);
}

bool recording(Device device) {
    return recording_cache_of(device) != nullptr;
}

void require_not_recording(Device device, std::string_view operation) {
    if (recording(device))
        throw Error(std::string(operation) + ": a graph is being recorded",
                    "work that the host has a part in, on " + std::string(name_of(device)),
                    "work of the device alone, the same in each replay",
                    "leave it out of the DeviceGraph");
}

DeviceGraph::DeviceGraph(Device device, const std::function<void()>& work) : device_(device) {
    if (device == Device::cpu)
        throw Error("DeviceGraph: no graphs on this device", "cpu", "cuda or emulated",
                    "call the work itself");
    require_not_recording(device, "DeviceGraph");
    auto memory = std::make_shared<BlockCache>(device, false);
    gpu(device).begin_recording();
    recording_cache_of(device) = memory;
    try {
        work();
    } catch (...) {
        recording_cache_of(device) = nullptr;
        try {
            gpu(device).destroy_graph(gpu(device).end_recording());
        } catch (const std::exception&) {
            // What work() threw says more.
        }
        throw;
    }
    recording_cache_of(device) = nullptr;
    graph_ = gpu(device).end_recording();
    memory_ = std::move(memory);
}

DeviceGraph::~DeviceGraph() {
    if_it_works([&] { gpu(device_).destroy_graph(graph_); });
}

void DeviceGraph::replay() const {
    gpu(device_).replay(graph_);
}

void* take_block(std::size_t bytes) {
    return cache_of(Device::cpu).take(BlockCache::rounded(bytes), bytes);
}

void release_block(void* block, std::size_t bytes) noexcept {
    cache_of(Device::cpu).release(block, BlockCache::rounded(bytes));
}

void empty_cache() {
    for (const Device device : {Device::cpu, Device::cuda, Device::emulated})
        cache_of(device).clear();
}

std::size_t system_allocations() {
    std::size_t all = 0;
    for (const Device device : {Device::cpu, Device::cuda, Device::emulated})
        all += cache_of(device).system_allocations();
    return all;
}

}  // namespace handgrad
