// The host's side of the CUDA runtime: memory, streams, graphs. Work is done when it is asked for,
// but for copies from the host, which stay in their stream until they have to be done; a graph is
// the list of what was asked for.
//
// On a GPU two streams go on side by side. What an event or a wait of the host puts in order is
// known by clocks: each stream counts its operations, and knows how many of each other stream's lie
// before its next one. Each buffer knows who used it last; a use that does not lie after those is a
// mistake, though here everything happens in the order in which it was asked for.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "kernels/emulator/machine.h"
#include "kernels/emulator/symbols.h"

#if defined(__SANITIZE_ADDRESS__)
    #include <sanitizer/asan_interface.h>
#else
    #define __asan_poison_memory_region(address, bytes) static_cast<void>(0)
    #define __asan_unpoison_memory_region(address, bytes) static_cast<void>(0)
#endif

namespace handgrad::emulator {

void run(const Launch& launch);  // machine.cpp

/// How many operations of each stream, by its number.
using Clock = std::vector<std::uint64_t>;

struct Graph {
    std::vector<std::function<void(Stream&)>> steps;
};
struct Stream {
    std::size_t number = 0;
    Clock before = {0};  // what lies before its next operation; of its own, all so far
    Graph* capturing = nullptr;
    std::deque<std::function<void()>> late = {};  // copies that nobody has waited for
    std::size_t done = 0;                         // of its copies from the host
};
struct Event {
    Stream* stream = nullptr;
    std::size_t copies = 0;  // of the stream, when it was recorded
    Clock before = {};       // that of the stream then
};

namespace {

// ---- the order of streams ----------------------------------------------------------------------

Stream null_stream;  // which on a GPU does not wait for the others either: none of them is blocking
std::size_t numbers_given = 1;
Stream* running = &null_stream;  // of the launch that runs
Clock host_before;               // what the host has waited for

Stream& of(cudaStream_t stream) {
    return stream == nullptr ? null_stream : *stream;
}

void join(Clock& clock, const Clock& other) {
    clock.resize(std::max(clock.size(), other.size()));
    for (std::size_t i = 0; i < other.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

std::uint64_t at(const Clock& clock, std::size_t number) {
    return number < clock.size() ? clock[number] : 0;
}

void begin_operation(Stream& stream) {
    join(stream.before, host_before);
    ++stream.before[stream.number];
}

/// The last uses of a buffer by each stream, as the number of the operation.
struct Uses {
    Clock reads, writes;
};

/// Keeps a use by the operation that the stream has begun. What else is being done to the buffer,
/// as far as the two must not meet: "written" or "read"; null if nothing.
const char* add_use(Uses& uses, const Stream& stream, bool write) {
    Clock& own = write ? uses.writes : uses.reads;
    own.resize(std::max(own.size(), stream.number + 1));
    own[stream.number] = stream.before[stream.number];
    const auto unordered = [&](const Clock& others) {
        for (std::size_t i = 0; i < others.size(); ++i)
            if (others[i] > at(stream.before, i)) return true;
        return false;
    };
    if (unordered(uses.writes)) return "written";
    return write && unordered(uses.reads) ? "read" : nullptr;
}

// ---- errors ------------------------------------------------------------------------------------

cudaError_t last_error = cudaSuccess;  // since somebody took it
bool failing = false;

cudaError_t fail(cudaError_t error) {
    return last_error = error;
}
/// What a call returns that finds nothing wrong.
cudaError_t succeed() {
    return failing ? fail(cudaErrorLaunchFailure) : cudaSuccess;
}

// ---- memory ------------------------------------------------------------------------------------

/// Buffers are aligned as cudaMalloc's, and followed by as much that belongs to nobody.
constexpr std::size_t alignment = 256;
constexpr std::size_t most_bytes = std::size_t{1} << 46;  // more ends AddressSanitizer

struct Buffer {
    std::uintptr_t begin, end;
    std::size_t bytes;  // as allocated; end may be less far, by set_bounds
    Uses uses = {};
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

/// The buffer that holds the address, within its bounds; else null.
Buffer* holding(std::uintptr_t address) {
    const auto next = after(address);
    return next == buffers.begin() || address >= (next - 1)->end ? nullptr : &*(next - 1);
}

/// Keeps that the operation of a stream, not a kernel, uses the buffer at p. Throws Mistake.
void use(const Stream& stream, const void* p, bool write) {
    if (!machine().checking) return;
    const std::lock_guard lock(buffers_mutex);
    Buffer* const buffer = holding(reinterpret_cast<std::uintptr_t>(p));
    const char* const done = buffer == nullptr ? nullptr : add_use(buffer->uses, stream, write);
    if (done == nullptr) return;
    throw Mistake(std::string("emulator: a copy or memset ") + (write ? "writes" : "reads") +
                  " a buffer of " + std::to_string(buffer->end - buffer->begin) +
                  " bytes that is being " + done + " in another stream: no event orders the two");
}

std::vector<Stream*> streams;

/// Does the copies of a stream that are late, until `copies` have been done.
void catch_up(Stream* stream, std::size_t copies = SIZE_MAX) {
    while (stream != nullptr && stream->done < copies && !stream->late.empty()) {
        stream->late.front()();
        stream->late.pop_front();
        ++stream->done;
    }
}

/// Does it now, or writes it down where the stream captures a graph.
void perform(Stream& stream, std::function<void(Stream&)> step) {
    if (stream.capturing != nullptr) {
        stream.capturing->steps.push_back(std::move(step));
    } else {
        catch_up(&stream);
        begin_operation(stream);
        step(stream);
    }
}

// The last few buffers that the launch touched, for in_device_memory: most accesses go there.
struct Touched {
    std::uintptr_t begin = 0, end = 0;
    bool written = false;
};
constexpr std::size_t recent_size = 8;
Touched recent[recent_size];
std::size_t next_recent = 0;

void forget_recent() {
    std::fill(std::begin(recent), std::end(recent), Touched{});
}

}  // namespace

Place in_device_memory(std::uintptr_t address, std::size_t bytes, bool write) {
    for (const Touched& t : recent)
        if (address >= t.begin && address + bytes <= t.end && (t.written || !write))
            return Place::fine;
    const std::lock_guard lock(buffers_mutex);
    Buffer* const buffer = holding(address);
    if (buffer == nullptr || address + bytes > buffer->end) return Place::outside;
    recent[next_recent++ % recent_size] = {buffer->begin, buffer->end, write};
    const char* const done = add_use(buffer->uses, *running, write);
    return done == nullptr ? Place::fine : *done == 'w' ? Place::being_written : Place::being_read;
}

std::string where_is(std::uintptr_t address) {
    if (address < alignment) return "a null pointer";
    const std::lock_guard lock(buffers_mutex);
    const auto next = after(address);
    // An access that begins within a buffer goes past its end.
    if (next != buffers.begin()) address = std::max(address, (next - 1)->end);
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

std::string place_of(std::uintptr_t address) {
    const std::lock_guard lock(buffers_mutex);
    const Buffer& b = *holding(address);
    return "byte " + std::to_string(address - b.begin) + " of a buffer of " +
           std::to_string(b.end - b.begin) + " bytes";
}

void submit(const Launch& launch, cudaStream_t stream) {
    if (last_error != cudaSuccess)
        throw Mistake("emulator: launch of kernel " + kernel_name(launch.kernel) +
                      " after an error that nobody has taken: " + cudaGetErrorString(last_error));
    const auto run_in = [](Stream& in, const Launch& one) {
        running = &in;
        forget_recent();
        run(one);
    };
    if (of(stream).capturing == nullptr)
        return perform(of(stream), [&](Stream& in) { run_in(in, launch); });
    // A graph outlives the arguments of the launch.
    const auto* bytes = static_cast<const unsigned char*>(launch.call);
    std::vector<unsigned char> call(bytes, bytes + launch.call_bytes);
    perform(of(stream), [run_in, launch, call](Stream& in) {
        Launch again = launch;
        again.call = call.data();
        run_in(in, again);
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
        case cudaErrorLaunchFailure:
            return "unspecified launch failure";
        case cudaErrorStreamCaptureUnsupported:
            return "operation not permitted when stream is capturing";
        case cudaErrorStreamCaptureIsolation:
            return "dependency created on uncaptured work in another stream";
    }
    return "unknown error";
}
cudaError_t cudaGetLastError() {
    return std::exchange(last_error, failing ? cudaErrorLaunchFailure : cudaSuccess);
}
void set_failing(bool on) {
    failing = on;
    last_error = on ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
    *p = nullptr;
    if (bytes == 0 || failing) return succeed();
    if (bytes > most_bytes) return fail(cudaErrorMemoryAllocation);
    void* memory = std::aligned_alloc(alignment, padded(bytes));
    if (memory == nullptr) return fail(cudaErrorMemoryAllocation);
    __asan_poison_memory_region(static_cast<char*>(memory) + bytes, padded(bytes) - bytes);
    const auto begin = reinterpret_cast<std::uintptr_t>(memory);
    const std::lock_guard lock(buffers_mutex);
    buffers.insert(after(begin), {.begin = begin, .end = begin + bytes, .bytes = bytes});
    *p = memory;
    return cudaSuccess;
}

cudaError_t cudaFree(void* p) {
    if (p == nullptr) return succeed();
    for (Stream* stream : streams) catch_up(stream);
    const auto begin = reinterpret_cast<std::uintptr_t>(p);
    const std::lock_guard lock(buffers_mutex);
    const auto next = after(begin);
    if (next == buffers.begin() || (next - 1)->begin != begin) return fail(cudaErrorInvalidValue);
    __asan_unpoison_memory_region(p, padded((next - 1)->bytes));
    buffers.erase(next - 1);
    forget_recent();
    std::free(p);
    return succeed();
}

void set_bounds(const void* buffer, std::size_t bytes) {
    const auto begin = reinterpret_cast<std::uintptr_t>(buffer);
    const std::lock_guard lock(buffers_mutex);
    const auto next = after(begin);
    if (next == buffers.begin() || (next - 1)->begin != begin) return;
    (next - 1)->end = begin + std::min(bytes, (next - 1)->bytes);
    forget_recent();
}

cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
    *p = nullptr;
    if (failing) return succeed();
    if (bytes <= most_bytes) *p = std::malloc(std::max<std::size_t>(bytes, 1));
    return *p == nullptr ? fail(cudaErrorMemoryAllocation) : cudaSuccess;
}
cudaError_t cudaFreeHost(void* p) {
    for (Stream* stream : streams) catch_up(stream);
    std::free(p);
    return succeed();
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    if (bytes == 0 || failing) return succeed();
    if (kind == cudaMemcpyHostToDevice && stream != nullptr && stream->capturing == nullptr) {
        begin_operation(*stream);
        use(*stream, to, true);
        stream->late.emplace_back([=] { std::memmove(to, from, bytes); });
        return cudaSuccess;
    }
    perform(of(stream), [=](Stream& in) {
        use(in, from, false);
        use(in, to, true);
        std::memmove(to, from, bytes);
    });
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
    if (bytes == 0 || failing) return succeed();
    perform(of(stream), [=](Stream& in) {
        use(in, p, true);
        std::memset(p, value, bytes);
    });
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    *stream = streams.emplace_back(
        new Stream{.number = numbers_given, .before = Clock(numbers_given + 1)});
    ++numbers_given;
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
    if (capturing) return fail(cudaErrorStreamCaptureUnsupported);
    catch_up(stream);
    join(host_before, of(stream).before);
    return succeed();
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    if (of(stream).capturing != nullptr) return fail(cudaErrorStreamCaptureIsolation);
    catch_up(event->stream, event->copies);
    join(of(stream).before, event->before);
    return succeed();
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = new Event;
    return succeed();
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return succeed();
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    Stream& recorded = of(stream);
    *event = {&recorded, recorded.done + recorded.late.size(), recorded.before};
    return succeed();
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    catch_up(event->stream, event->copies);
    join(host_before, event->before);
    return succeed();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    if (stream == nullptr || stream->capturing != nullptr) return fail(cudaErrorInvalidValue);
    if (failing) return succeed();
    stream->capturing = new Graph;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    if (stream == nullptr || stream->capturing == nullptr) return fail(cudaErrorInvalidValue);
    *graph = std::exchange(stream->capturing, nullptr);
    return succeed();
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* runnable, cudaGraph_t graph, unsigned long long) {
    *runnable = new Graph(*graph);
    return succeed();
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t runnable, cudaStream_t stream) {
    if (failing) return succeed();
    for (const auto& step : runnable->steps) perform(of(stream), step);
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return succeed();
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t runnable) {
    delete runnable;
    return succeed();
}

}  // namespace handgrad::emulator
