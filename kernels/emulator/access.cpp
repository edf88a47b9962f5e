// The watch over memory. The compiler calls a function at every load and store of a kernel
// (-fsanitize=thread makes it do so; the functions that ThreadSanitizer would bring stand below
// instead). The address tells what is meant: the thread's own stack, an array in shared memory,
// device memory, or nothing that a kernel may touch.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "kernels/emulator/machine.h"
#include "kernels/emulator/symbols.h"

namespace handgrad::emulator {
namespace {

bool instrumented = false;  // has a kernel file been compiled with those calls?

/// What happened to one word (4 bytes) of memory. The order in which fibers run does not matter:
/// two accesses by different threads in one epoch, one of them a write, are a race, unless they are
/// of one warp with a __syncwarp between them, or both atomic.
struct Word {
    std::uint64_t write_epoch = 0, read_epoch = 0,
                  first_read_epoch = 0;  // the first of this launch
    std::uint64_t write_syncs = 0, read_syncs = 0, other_read_syncs = 0;
    const void *write_pc = nullptr, *read_pc = nullptr;
    std::uint32_t writer = 0, reader = 0, other_reader = 0;  // readers of this epoch
    // Which of its bytes, as bits, the last write and the last read met. Of those before only
    // accesses to the same bytes are remembered: numbers of fewer bytes share a word without a
    // race.
    std::uint8_t write_bytes = 0, read_bytes = 0;
    bool atomic = false;
};

/// The bytes that an access meets of the word where it begins.
std::uint8_t bytes_of_word(std::uintptr_t address, std::size_t bytes) {
    return bytes >= 4 ? 0xf : static_cast<std::uint8_t>(((1U << bytes) - 1) << address % 4);
}

std::vector<Word> static_words, dynamic_words;
std::uintptr_t static_begin = 0, static_end = 0;
std::vector<std::uint32_t> array_of_word;  // of static_words: 1 + its index in shared_arrays()

void find_static_memory() {
    const std::vector<SharedArray>& arrays = shared_arrays();
    if (arrays.empty() || !static_words.empty()) return;
    static_begin = arrays.front().address / 64 * 64;
    static_end = arrays.back().address + arrays.back().bytes;
    static_words.resize((static_end - static_begin) / 4 + 1);
    array_of_word.resize(static_words.size());
    for (std::size_t k = 0; k < arrays.size(); ++k)
        for (std::size_t i = 0; i < arrays[k].bytes; i += 4)
            array_of_word[(arrays[k].address - static_begin + i) / 4] =
                static_cast<std::uint32_t>(k + 1);
    dynamic_words.resize(most_shared_bytes / 4);
}

const char* verb(Access access) {
    return access == Access::read ? "read" : "write";
}

/// Looks at one word. place() says which it is.
template <class Place>
void check_word(Word& word, Access access, std::uint8_t bytes, const void* pc, Place place) {
    const Machine& m = machine();
    const std::uint32_t me = m.current->id;
    const std::uint64_t syncs = m.warps[me / 32].syncs;
    const auto ordered = [&](std::uint32_t other, std::uint64_t then) {
        return other == me || (other / 32 == me / 32 && then != syncs);
    };
    const bool write = access != Access::read;
    if (word.write_epoch == m.epoch && (word.write_bytes & bytes) != 0 &&
        !ordered(word.writer, word.write_syncs) && !(access == Access::atomic && word.atomic))
        report(write ? "race of two writes" : "race of a write and a read", line_of(pc),
               place() + " was written by " + thread_name(word.writer) + " at " +
                   line_of(word.write_pc) + ", with no barrier between");
    if (write) {
        if (word.read_epoch == m.epoch && (word.read_bytes & bytes) != 0) {
            const bool other = ordered(word.reader, word.read_syncs);
            const std::uint32_t reader = other ? word.other_reader : word.reader;
            if (!ordered(reader, other ? word.other_read_syncs : word.read_syncs))
                report("race of a read and a write", line_of(pc),
                       place() + " was read by " + thread_name(reader) + " at " +
                           line_of(word.read_pc) + ", with no barrier between");
        }
        word.write_epoch = m.epoch;
        word.write_syncs = syncs;
        word.write_pc = pc;
        word.writer = me;
        word.write_bytes = bytes;
        word.atomic = access == Access::atomic;
    } else {
        if (word.read_epoch < m.launch_epoch) word.first_read_epoch = m.epoch;
        const bool first = word.read_epoch != m.epoch || word.read_bytes != bytes;
        if (first || word.reader == me) {
            word.reader = me;
            word.read_syncs = syncs;
        }
        if (first || word.reader != me) {
            word.other_reader = me;
            word.other_read_syncs = syncs;
        }
        word.read_epoch = m.epoch;
        word.read_pc = pc;
        word.read_bytes = bytes;
    }
}

/// Looks at a word of an array in shared memory. name() gives the array's.
template <class Name>
void check_shared_word(Word& word, Access access, std::uint8_t bytes, const void* pc,
                       std::size_t index, Name name) {
    const auto place = [&] { return std::string(name()) + ", word " + std::to_string(index); };
    // Something written in this block?
    if (access != Access::write && word.write_epoch < machine().block_epoch)
        report("read of shared memory that was never written", line_of(pc), place());
    check_word(word, access, bytes, pc, place);
}

void check_dynamic(std::uintptr_t offset, std::size_t bytes, Access access, const void* pc) {
    const std::size_t size = machine().launch.dynamic_bytes;
    if (offset + bytes > size) {
        report(std::string(verb(access)) + " out of bounds", line_of(pc),
               "byte " + std::to_string(offset) +
                   " of dynamic shared memory, of which the launch "
                   "gave " +
                   std::to_string(size));
        stop_launch();
    }
    for (std::size_t i = 0; i < bytes; i += 4)
        check_shared_word(dynamic_words[(offset + i) / 4], access, bytes_of_word(offset, bytes), pc,
                          (offset + i) / 4, [] { return "dynamic shared memory"; });
}

void check_static(std::uintptr_t address, std::size_t bytes, Access access, const void* pc) {
    const std::uint32_t k = array_of_word[(address - static_begin) / 4];
    const SharedArray* array = k == 0 ? nullptr : &shared_arrays()[k - 1];
    if (array == nullptr || array->guard || address + bytes > array->address + array->bytes) {
        // An index just past an array lands in a guard or in a gap.
        report(std::string(verb(access)) + " out of bounds", line_of(pc),
               "shared memory outside every array");
        stop_launch();
    }
    for (std::size_t i = 0; i < bytes; i += 4)
        check_shared_word(static_words[(address - static_begin + i) / 4], access,
                          bytes_of_word(address, bytes), pc, (address - array->address + i) / 4,
                          [&] { return array->name.c_str(); });
}

/// The words of global memory that the launch has touched, in pages.
class GlobalWords {
  public:
    Word& at(std::uintptr_t address) {
        const std::uintptr_t number = address / 4 / page_words;
        Recent& recent = recent_[number % recent_size];
        if (recent.page == nullptr || recent.number != number)
            recent = {number, &pages_.try_emplace(number).first->second};
        if (recent.page->empty()) recent.page->resize(page_words);
        return (*recent.page)[address / 4 % page_words];
    }
    void forget() {
        pages_.clear();
        std::fill(std::begin(recent_), std::end(recent_), Recent{});
    }

  private:
    using Page = std::vector<Word>;
    struct Recent {
        std::uintptr_t number = 0;
        Page* page = nullptr;
    };
    static constexpr std::size_t page_words = 256, recent_size = 16;
    std::unordered_map<std::uintptr_t, Page> pages_;
    Recent recent_[recent_size];
};
GlobalWords global_words;

/// Looks at a word of global memory. Blocks come in any order, or at once, so what another block of
/// the launch did lies neither before nor after.
void check_global_word(Word& word, std::uintptr_t address, Access access, const void* pc) {
    const Machine& m = machine();
    const auto place = [&] { return place_of(address); };
    const auto by_another_block = [&](std::uint64_t epoch) {
        return epoch >= m.launch_epoch && epoch < m.block_epoch;
    };
    const bool write = access != Access::read;
    if (by_another_block(word.write_epoch) && !(access == Access::atomic && word.atomic))
        report(write ? "race of blocks, two writes" : "race of blocks, a write and a read",
               line_of(pc), place() + " was written by another block at " + line_of(word.write_pc));
    if (write && by_another_block(word.first_read_epoch))
        report("race of blocks, a read and a write", line_of(pc),
               place() + " was read by another block at " + line_of(word.read_pc));
    check_word(word, access, 0xf, pc, place);
}

void check_global(std::uintptr_t address, std::size_t bytes, Access access, const void* pc) {
    const Place place = in_device_memory(address, bytes, access != Access::read);
    if (place == Place::fine) {
        // Of whole words alone: what other blocks do to the rest of a word is not told apart.
        if (address % 4 == 0)
            for (std::size_t i = 0; i + 4 <= bytes; i += 4)
                check_global_word(global_words.at(address + i), address + i, access, pc);
        return;
    }
    if (place == Place::outside) {
        report(std::string(verb(access)) + " out of bounds", line_of(pc), where_is(address));
        stop_launch();
    }
    report(std::string("race of streams, ") + verb(access), line_of(pc),
           std::string("the buffer is being ") +
               (place == Place::being_written ? "written" : "read") +
               " in another stream, with no event between");
}

// ---- counting ----------------------------------------------------------------------------------

std::vector<Traffic> traffic;
std::unordered_map<const void*, std::size_t> traffic_of;  // a kernel's index
Traffic* counted = nullptr;                               // the kernel that runs

/// One request for global memory: the distinct sectors that its lanes touch.
void count_global(const std::vector<const Record*>& lanes) {
    constexpr std::uintptr_t sector = 32;
    static std::vector<std::uintptr_t> sectors;
    sectors.clear();
    for (const Record* r : lanes) {
        counted->global_bytes += r->bytes;
        for (std::uintptr_t s = r->address / sector; s <= (r->address + r->bytes - 1) / sector; ++s)
            sectors.push_back(s);
    }
    std::sort(sectors.begin(), sectors.end());
    counted->global_sectors += std::unique(sectors.begin(), sectors.end()) - sectors.begin();
    ++counted->global_requests;
}

/// One request for shared memory: how many different words the busiest bank is asked for. Lanes
/// that ask for 8 or 16 bytes each are served in halves or quarters of the warp.
void count_shared(const std::vector<const Record*>& lanes) {
    constexpr std::size_t banks = 32, word = 4;
    const std::size_t words = std::max<std::size_t>(1, lanes.front()->bytes / word);
    const std::size_t together = std::max<std::size_t>(1, banks / words);
    ++counted->shared_requests;
    for (std::size_t begin = 0; begin < lanes.size(); begin += together) {
        std::vector<std::uintptr_t> asked[banks];
        std::size_t busiest = 1;
        for (std::size_t i = begin; i < std::min(lanes.size(), begin + together); ++i)
            for (std::size_t k = 0; k < words; ++k) {
                const std::uintptr_t w = lanes[i]->address / word + k;
                std::vector<std::uintptr_t>& bank = asked[w % banks];
                if (std::find(bank.begin(), bank.end(), w) == bank.end()) bank.push_back(w);
                busiest = std::max(busiest, bank.size());
            }
        counted->shared_wavefronts += static_cast<std::int64_t>(busiest);
        ++counted->shared_ideal;
    }
}

void count_request(const std::vector<const Record*>& lanes) {
    if (lanes.front()->shared)
        count_shared(lanes);
    else
        count_global(lanes);
}

}  // namespace

void on_access(const void* pointer, std::size_t bytes, Access access, const void* pc,
               std::size_t alignment) {
    Machine& m = machine();
    Thread* t = m.current;
    if (t == nullptr || !t->in_kernel || !instrumented || !(m.checking || m.counting)) return;
    const auto address = reinterpret_cast<std::uintptr_t>(pointer);
    if (address - reinterpret_cast<std::uintptr_t>(t->stack) < stack_bytes) return;
    const std::uintptr_t dynamic =
        address - reinterpret_cast<std::uintptr_t>(dynamic_shared_memory());
    const bool is_dynamic = dynamic < most_shared_bytes;
    const bool is_static = address >= static_begin && address < static_end;
    if (m.checking) {
        if (address % alignment != 0) {
            report(std::string(verb(access)) + " not aligned", line_of(pc),
                   std::to_string(bytes) + " bytes at an address that is " +
                       std::to_string(address % alignment) + " past a multiple of " +
                       std::to_string(alignment));
            stop_launch();
        }
        if (is_dynamic) {
            check_dynamic(dynamic, bytes, access, pc);
        } else if (is_static) {
            check_static(address, bytes, access, pc);
        } else {
            check_global(address, bytes, access, pc);
        }
    }
    if (m.counting)
        t->records.push_back(
            {pc, address, static_cast<std::uint32_t>(bytes), is_dynamic || is_static});
}

void begin_launch_watch() {
    Machine& m = machine();
    if (instrumented) find_static_memory();
    if (!m.counting) return;
    const auto [entry, is_new] = traffic_of.try_emplace(m.launch.kernel, traffic.size());
    if (is_new) traffic.push_back({.kernel = kernel_name(m.launch.kernel)});
    counted = &traffic[entry->second];
    ++counted->launches;
}

void end_launch_watch() {
    counted = nullptr;
    global_words.forget();
}

void count_warp(std::size_t warp) {
    Machine& m = machine();
    Thread* first = m.threads.data() + warp * 32;
    Thread* last = m.threads.data() + std::min(m.threads.size(), warp * 32 + 32);
    const auto same_code = [&](const Thread& t) {
        return std::equal(t.records.begin(), t.records.end(), first->records.begin(),
                          first->records.end(),
                          [](const Record& a, const Record& b) { return a.pc == b.pc; });
    };
    static std::vector<const Record*> lanes;
    if (std::all_of(first, last, same_code)) {
        for (std::size_t k = 0; k < first->records.size(); ++k) {
            lanes.clear();
            for (Thread* t = first; t != last; ++t) lanes.push_back(&t->records[k]);
            count_request(lanes);
        }
    } else {
        // Lanes went different ways: one request is what they did at the same place of the code
        // for the same time.
        std::map<std::pair<const void*, int>, std::vector<const Record*>> requests;
        for (Thread* t = first; t != last; ++t) {
            std::unordered_map<const void*, int> times;
            for (const Record& r : t->records) requests[{r.pc, times[r.pc]++}].push_back(&r);
        }
        for (const auto& [place, request] : requests) count_request(request);
    }
    for (Thread* t = first; t != last; ++t) t->records.clear();
}

bool sees_accesses() {
    return instrumented && !shared_arrays().empty();
}
void set_checking(bool on) {
    machine().checking = on;
}
void set_counting(bool on) {
    machine().counting = on;
}
std::vector<Traffic> take_traffic() {
    traffic_of.clear();
    return std::exchange(traffic, {});
}

}  // namespace handgrad::emulator

#if !defined(__SANITIZE_THREAD__) && !defined(HANDGRAD_NO_WATCH)
// The functions that GCC calls under -fsanitize=thread. Outside of a kernel they do nothing.
using handgrad::emulator::Access;
using handgrad::emulator::on_access;

    #define HANDGRAD_CALLBACKS(n)                                           \
        void __tsan_read##n(void* p) {                                      \
            on_access(p, n, Access::read, __builtin_return_address(0), n);  \
        }                                                                   \
        void __tsan_write##n(void* p) {                                     \
            on_access(p, n, Access::write, __builtin_return_address(0), n); \
        }                                                                   \
        void __tsan_unaligned_read##n(void* p) {                            \
            on_access(p, n, Access::read, __builtin_return_address(0));     \
        }                                                                   \
        void __tsan_unaligned_write##n(void* p) {                           \
            on_access(p, n, Access::write, __builtin_return_address(0));    \
        }                                                                   \
        void __tsan_read_write##n(void* p) {                                \
            on_access(p, n, Access::read, __builtin_return_address(0), n);  \
            on_access(p, n, Access::write, __builtin_return_address(0), n); \
        }

// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
void __tsan_init() {
    handgrad::emulator::instrumented = true;
}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
HANDGRAD_CALLBACKS(1)
HANDGRAD_CALLBACKS(2)
HANDGRAD_CALLBACKS(4)
HANDGRAD_CALLBACKS(8)
HANDGRAD_CALLBACKS(16)
void __tsan_read_range(void* p, unsigned long n) {
    on_access(p, n, Access::read, __builtin_return_address(0));
}
void __tsan_write_range(void* p, unsigned long n) {
    on_access(p, n, Access::write, __builtin_return_address(0));
}
// Whether a static variable of a host function has been made yet.
unsigned char __tsan_atomic8_load(const volatile unsigned char* p, int) {
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}
}
// NOLINTEND(bugprone-reserved-identifier)
#endif
