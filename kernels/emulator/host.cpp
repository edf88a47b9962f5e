// The host's side of the CUDA runtime: memory, streams, graphs. Work is done when it is asked for,
// but for copies from pinned memory, which stay in their stream until they have to be done; a graph
// is the list of what was asked for.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

#include "kernels/emulator/machine.h"

#if defined(__SANITIZE_ADDRESS__)
    #include <sanitizer/asan_interface.h>
#else
    #define __asan_poison_memory_region(address, bytes) static_cast<void>(0)
    #define __asan_unpoison_memory_region(address, bytes) static_cast<void>(0)
#endif

namespace handgrad::emulator {

void run(const Launch& launch);  // machine.cpp

struct Graph {
    std::vector<std::function<void()>> steps;
};
struct Stream {
    Graph* capturing = nullptr;
    std::deque<std::function<void()>> late;  // copies that nobody has waited for
    std::size_t done = 0;                    // of its copies from pinned memory
};
struct Event {
    Stream* stream = nullptr;
    std::size_t copies = 0;  // of the stream, when it was recorded
};

namespace {

/// Buffers are aligned as cudaMalloc's, and followed by as much that belongs to nobody.
constexpr std::size_t alignment = 256;

struct Buffer {
    std::uintptr_t begin, end;
    std::size_t bytes;  // as allocated; end may be less far, by set_bounds
};
std::mutex buffers_mutex;
std::vector<Buffer> buffers;  // by address

std::size_t padded(std::size_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment + alignment;
}

/// The first buffer that begins after the address.
std::vector<Buffer>::iterator after(std::uintptr_t address) {
    return std::upper_bound(buffers.begin(), buffers.end(), address,
                            [](std::uintptr_t a, const Buffer& b) { return a < b.begin; });
}

std::vector<Stream*> streams;
std::map<const void*, std::size_t> pinned;  // bytes of each array

/// Does the copies of a stream that are late, until `copies` have been done.
void catch_up(Stream* stream, std::size_t copies = SIZE_MAX) {
    while (stream != nullptr && stream->done < copies && !stream->late.empty()) {
        stream->late.front()();
        stream->late.pop_front();
        ++stream->done;
    }
}

bool is_pinned(const void* p) {
    const auto next = pinned.upper_bound(p);
    return next != pinned.begin() &&
           p < static_cast<const char*>(std::prev(next)->first) + std::prev(next)->second;
}

/// Does it now, or writes it down where the stream captures a graph.
void perform(cudaStream_t stream, std::function<void()> step) {
    if (stream != nullptr && stream->capturing != nullptr) {
        stream->capturing->steps.push_back(std::move(step));
    } else {
        catch_up(stream);
        step();
    }
}

// The last few buffers that a kernel touched, for in_device_memory: most accesses go there.
constexpr std::size_t recent_size = 4;
Buffer recent[recent_size];
std::size_t next_recent = 0;

}  // namespace

bool in_device_memory(std::uintptr_t address, std::size_t bytes) {
    for (const Buffer& b : recent)
        if (address >= b.begin && address + bytes <= b.end) return true;
    const std::lock_guard lock(buffers_mutex);
    const auto next = after(address);
    if (next == buffers.begin() || address + bytes > (next - 1)->end) return false;
    recent[next_recent++ % recent_size] = *(next - 1);
    return true;
}

std::string where_is(std::uintptr_t address) {
    if (address < alignment) return "a null pointer";
    const std::lock_guard lock(buffers_mutex);
    const auto next = after(address);
    // The nearer of two neighbours is the one that was meant.
    constexpr std::uintptr_t far = 1 << 20;
    const auto past = next == buffers.begin() ? far : address - (next - 1)->end;
    const auto before = next == buffers.end() ? far : next->begin - address;
    if (past >= far && before >= far) return "an address that is not in the device's memory";
    const Buffer& b = past <= before ? *(next - 1) : *next;
    return std::to_string(std::min(past, before)) +
           (past <= before ? " bytes past the end of" : " bytes before") + " a buffer of " +
           std::to_string(b.end - b.begin) + " bytes";
}

void submit(const Launch& launch, cudaStream_t stream) {
    if (stream == nullptr || stream->capturing == nullptr) {
        catch_up(stream);
        return run(launch);
    }
    // A graph outlives the arguments of the launch.
    const auto* bytes = static_cast<const unsigned char*>(launch.call);
    std::vector<unsigned char> call(bytes, bytes + launch.call_bytes);
    stream->capturing->steps.emplace_back([launch, call] {
        Launch again = launch;
        again.call = call.data();
        run(again);
    });
}

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return "no error";
        case cudaErrorMemoryAllocation:
            return "out of memory";
        case cudaErrorInvalidValue:
            return "invalid argument";
        case cudaErrorStreamCaptureUnsupported:
            return "operation not permitted when stream is capturing";
    }
    return "unknown error";
}
cudaError_t cudaGetLastError() {
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
    *p = nullptr;
    if (bytes == 0) return cudaSuccess;
    if (bytes > std::size_t{1} << 46) return cudaErrorMemoryAllocation;
    void* memory = std::aligned_alloc(alignment, padded(bytes));
    if (memory == nullptr) return cudaErrorMemoryAllocation;
    __asan_poison_memory_region(static_cast<char*>(memory) + bytes, padded(bytes) - bytes);
    const auto begin = reinterpret_cast<std::uintptr_t>(memory);
    const std::lock_guard lock(buffers_mutex);
    buffers.insert(after(begin), {begin, begin + bytes, bytes});
    *p = memory;
    return cudaSuccess;
}

cudaError_t cudaFree(void* p) {
    if (p == nullptr) return cudaSuccess;
    for (Stream* stream : streams) catch_up(stream);
    const auto begin = reinterpret_cast<std::uintptr_t>(p);
    const std::lock_guard lock(buffers_mutex);
    const auto next = after(begin);
    if (next == buffers.begin() || (next - 1)->begin != begin) return cudaErrorInvalidValue;
    __asan_unpoison_memory_region(p, padded((next - 1)->bytes));
    buffers.erase(next - 1);
    std::fill(std::begin(recent), std::end(recent), Buffer{});
    std::free(p);
    return cudaSuccess;
}

void set_bounds(const void* buffer, std::size_t bytes) {
    const auto begin = reinterpret_cast<std::uintptr_t>(buffer);
    const std::lock_guard lock(buffers_mutex);
    const auto next = after(begin);
    if (next == buffers.begin() || (next - 1)->begin != begin) return;
    (next - 1)->end = begin + std::min(bytes, (next - 1)->bytes);
    std::fill(std::begin(recent), std::end(recent), Buffer{});
}

cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
    *p = std::malloc(std::max<std::size_t>(bytes, 1));
    if (*p == nullptr) return cudaErrorMemoryAllocation;
    pinned[*p] = bytes;
    return cudaSuccess;
}
cudaError_t cudaFreeHost(void* p) {
    for (Stream* stream : streams) catch_up(stream);
    pinned.erase(p);
    std::free(p);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    if (bytes == 0) return cudaSuccess;
    auto copy = [=] { std::memmove(to, from, bytes); };
    if (kind == cudaMemcpyHostToDevice && stream != nullptr && stream->capturing == nullptr &&
        is_pinned(from))
        stream->late.emplace_back(copy);
    else
        perform(stream, copy);
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
    if (bytes > 0) perform(stream, [=] { std::memset(p, value, bytes); });
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    *stream = streams.emplace_back(new Stream);
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    catch_up(stream);
    streams.erase(std::remove(streams.begin(), streams.end(), stream), streams.end());
    delete stream;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    const bool capturing = stream != nullptr && stream->capturing != nullptr;
    if (capturing) return cudaErrorStreamCaptureUnsupported;
    catch_up(stream);
    return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned) {
    return cudaEventSynchronize(event);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = new Event;
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    *event = stream == nullptr ? Event{} : Event{stream, stream->done + stream->late.size()};
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    catch_up(event->stream, event->copies);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    if (stream == nullptr || stream->capturing != nullptr) return cudaErrorInvalidValue;
    stream->capturing = new Graph;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    if (stream == nullptr || stream->capturing == nullptr) return cudaErrorInvalidValue;
    *graph = std::exchange(stream->capturing, nullptr);
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long) {
    *runnable = new Graph(*graph);
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream) {
    for (const std::function<void()>& step : runnable->steps) perform(stream, step);
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) {
    delete runnable;
    return cudaSuccess;
}

}  // namespace handgrad::emulator
