// The scheduler: runs the blocks of a launch one after another, and a block's threads as fibers.
#include "kernels/emulator/machine.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "kernels/emulator/symbols.h"

namespace handgrad::emulator {

Machine& machine() {
    static Machine& the_machine = *new Machine;
    return the_machine;
}

namespace {

alignas(128) unsigned char dynamic_memory[most_shared_bytes];

bool failed = false;  // set by stop_launch

std::string triple(unsigned x, unsigned y, unsigned z) {
    return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

std::string file_name(const char* path) {
    const std::string text = path;
    return text.substr(text.rfind('/') + 1);
}
std::string line_of(Where where) {
    return file_name(where.file) + ":" + std::to_string(where.line);
}

std::string hex(unsigned mask) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%08x", mask);
    return digits;
}
std::string mask_str(unsigned mask) {
    return "the mask is " + hex(mask);
}

void to_scheduler(bool last = false) {
    Machine& m = machine();
    switch_context(m.current->context, m.scheduler, last);
}

void thread_main() {
    Machine& m = machine();
    arrived_first(m.scheduler);
    Thread& thread = *m.current;
    thread.in_kernel = true;
    m.launch.run(m.launch.call);
    thread.in_kernel = false;
    thread.state = State::done;
    to_scheduler(true);
    std::abort();  // nobody comes back to a thread that is done
}

/// Runs a thread until it waits or ends.
void resume(Thread& thread) {
    Machine& m = machine();
    if (thread.state == State::fresh) {
        if (m.stacks.empty()) m.stacks.push_back(new_stack());
        thread.stack = m.stacks.back();
        m.stacks.pop_back();
        thread.state = State::ready;
        prepare(thread.context, thread.stack, thread_main);
    }
    m.current = &thread;
    switch_context(m.scheduler, thread.context);
    if (thread.state == State::done) m.stacks.push_back(std::exchange(thread.stack, nullptr));
}

/// Stops the launch with a mistake of a thread that waits.
void stop_waiting(Thread& t, const std::string& what, const std::string& more) {
    machine().current = &t;
    report(what, line_of(t.where), more);
    failed = true;
}

/// Lets go those lanes of a warp that wait with all that their masks name. False if none.
bool release_exchange(Warp& warp, Thread* first, Thread* last) {
    unsigned waiting = 0;
    for (Thread* t = first; t != last; ++t)
        if (t->state == State::at_exchange) waiting |= 1U << (t->id % 32);
    if (waiting == 0) return false;
    bool released = false, synced = false;
    for (Thread* t = first; t != last; ++t)
        if (t->state == State::at_exchange && (waiting & t->mask) == t->mask) {
            const Thread& other = first[std::countr_zero(t->mask)];
            if (other.mask != t->mask || other.name != std::string_view(t->name)) {
                stop_waiting(*t, std::string("lanes wait for different things at ") + t->name,
                             mask_str(t->mask) + ", but " + thread_name(other.id) + " waits at " +
                                 other.name + " at " + line_of(other.where) + ", where " +
                                 mask_str(other.mask));
                return false;
            }
            t->state = State::ready;
            synced = synced || t->name == std::string_view("__syncwarp");
            released = true;
        }
    if (synced) ++warp.syncs;
    if (released) return true;
    Thread& t = first[std::countr_zero(waiting)];
    stop_waiting(t, std::string("lanes are missing at ") + t.name,
                 mask_str(t.mask) + ", but only lanes " + hex(waiting) + " came");
    return false;
}

/// Runs a warp as far as it goes.
void run_warp(std::size_t index) {
    Machine& m = machine();
    Thread* first = m.threads.data() + index * 32;
    Thread* last = m.threads.data() + std::min(m.threads.size(), index * 32 + 32);
    do {
        for (Thread* t = first; t != last && !failed; ++t)
            if (t->state == State::fresh || t->state == State::ready) resume(*t);
    } while (!failed && release_exchange(m.warps[index], first, last));
    if (m.counting) count_warp(index);
}

/// All threads wait at a barrier or are done. True if the block goes on.
bool pass_barrier() {
    Machine& m = machine();
    const auto waits = [](const Thread& t) { return t.state == State::at_barrier; };
    const auto count = std::count_if(m.threads.begin(), m.threads.end(), waits);
    if (count == 0) return false;
    const Thread& first = *std::find_if(m.threads.begin(), m.threads.end(), waits);
    if (count < static_cast<std::ptrdiff_t>(m.threads.size())) {
        m.current = m.threads.data() + first.id;
        report("barrier not reached by all", line_of(first.where),
               std::to_string(count) + " of " + std::to_string(m.threads.size()) +
                   " threads wait, the others have ended");
        failed = true;
        return false;
    }
    m.flags = 0;
    for (Thread& t : m.threads) {
        if (t.where.line != first.where.line && !failed) {
            m.current = &t;
            report("threads wait at different barriers", line_of(t.where),
                   thread_name(first.id) + " waits at " + line_of(first.where));
            failed = true;
        }
        m.flags += t.flag ? 1 : 0;
        t.state = State::ready;
    }
    ++m.epoch;
    return !failed;
}

void run_block() {
    Machine& m = machine();
    const dim3 size = m.launch.block;
    m.block_epoch = ++m.epoch;
    for (unsigned i = 0; i < m.threads.size(); ++i) {
        Thread& t = m.threads[i];
        t.index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
        t.id = i;
        t.state = State::fresh;
        t.parity = t.group = 0;
        t.copies.clear();
        t.records.clear();
    }
    do {
        for (std::size_t w = 0; w < m.warps.size() && !failed; ++w) run_warp(w);
    } while (!failed && pass_barrier());
    for (Thread& t : m.threads)  // those that a mistake has left in the middle
        if (t.stack != nullptr) {
            abandon(t.stack);
            m.stacks.push_back(std::exchange(t.stack, nullptr));
            t.in_kernel = false;
        }
    m.current = nullptr;
}

void require_possible(const Launch& launch) {
    const dim3 g = launch.grid, b = launch.block;
    const std::uint64_t threads = std::uint64_t{b.x} * b.y * b.z;
    const bool grid_fits =
        g.x >= 1 && g.x <= 0x7fffffff && g.y >= 1 && g.y <= 65535 && g.z >= 1 && g.z <= 65535;
    if (grid_fits && threads >= 1 && threads <= 1024 && b.z <= 64 &&
        launch.dynamic_bytes <= most_shared_bytes)
        return;
    throw Mistake("emulator: kernel " + kernel_name(launch.kernel) +
                  " cannot be launched with a grid " + triple(g.x, g.y, g.z) + ", blocks " +
                  triple(b.x, b.y, b.z) + " and " + std::to_string(launch.dynamic_bytes) +
                  " bytes of dynamic shared memory: a grid has 1 to 2147483647, 65535 and 65535 "
                  "blocks, a block 1 to 1024 threads and at most 49152 bytes");
}

}  // namespace

uint3 thread_index() {
    return machine().current->index;
}
uint3 block_index() {
    return machine().block;
}
dim3 block_size() {
    return machine().launch.block;
}
dim3 grid_size() {
    return machine().launch.grid;
}
unsigned lane() {
    return machine().current->id % 32;
}
void* dynamic_shared_memory() {
    return dynamic_memory;
}

int block_barrier(bool flag, const char* name, Where where) {
    Thread& t = *machine().current;
    t.state = State::at_barrier;
    t.flag = flag;
    t.name = name;
    t.where = where;
    to_scheduler();
    return machine().flags;
}

const Slot* exchange(const void* mine, std::size_t bytes, unsigned mask, const char* name,
                     Where where) {
    Machine& m = machine();
    Thread& t = *m.current;
    const std::size_t warp = t.id / 32;
    if ((mask >> t.id % 32 & 1U) == 0) {
        report(std::string(name) + " by a lane that is not in its mask", line_of(where),
               mask_str(mask));
        stop_launch();
    }
    // Two sets of slots take turns: a lane that runs ahead writes the other one.
    t.parity ^= 1;
    Slot* slots = m.warps[warp].slots[t.parity];
    std::memcpy(slots[t.id % 32].bytes, mine, bytes);
    t.state = State::at_exchange;
    t.mask = mask;
    t.name = name;
    t.where = where;
    to_scheduler();
    return slots;
}

void require_lane(unsigned mask, unsigned source, const char* name, Where where) {
    if ((mask >> source & 1U) == 0)
        report(std::string(name) + " takes from a lane that is not in its mask", line_of(where),
               mask_str(mask) + ", the lane " + std::to_string(source));
}

void warp_barrier(unsigned mask, Where where) {
    const char nothing = 0;
    exchange(&nothing, 1, mask, "__syncwarp", where);
}

void copy_later(void* shared, const void* global, const void* pc) {
    Thread& t = *machine().current;
    on_access(global, 16, Access::read, pc, 16);
    t.copies.push_back({shared, global, pc, t.group});
}

void copy_commit() {
    ++machine().current->group;
}

void copy_wait(int groups_left) {
    Thread& t = *machine().current;
    while (!t.copies.empty() && t.copies.front().group < t.group - groups_left) {
        const Copy copy = t.copies.front();
        t.copies.erase(t.copies.begin());
        on_access(copy.shared, 16, Access::write, copy.pc, 16);
        std::memcpy(copy.shared, copy.global, 16);
    }
}

std::string thread_name(unsigned id) {
    const uint3 t = machine().threads[id].index;
    return "thread " + triple(t.x, t.y, t.z);
}

void report(const std::string& what, const std::string& line, const std::string& more) {
    Machine& m = machine();
    if (m.kernel.empty()) m.kernel = kernel_name(m.launch.kernel);
    const std::string key = "emulator: " + what + " in kernel " + m.kernel + " at " + line;
    constexpr std::size_t most = 8;  // more do not help the reader
    for (const std::string& said : m.mistakes)
        if (said.starts_with(key)) return;
    if (m.mistakes.size() < most)
        m.mistakes.push_back(key + ", block " + triple(m.block.x, m.block.y, m.block.z) + ", " +
                             thread_name(m.current->id) + (more.empty() ? "" : ": ") + more);
}

void stop_launch() {
    failed = true;
    to_scheduler(true);
    std::abort();
}

/// Runs a launch, now. Throws Mistake.
void run(const Launch& launch) {
    static std::mutex one_at_a_time;  // shared memory is static
    const std::lock_guard lock(one_at_a_time);
    require_possible(launch);
    Machine& m = machine();
    m.launch = launch;
    m.kernel.clear();
    m.mistakes.clear();
    failed = false;
    m.threads.resize(std::size_t{launch.block.x} * launch.block.y * launch.block.z);
    m.warps.resize((m.threads.size() + 31) / 32);
    m.launch_epoch = m.epoch + 1;
    begin_launch_watch();
    const dim3 grid = launch.grid;
    for (m.block.z = 0; m.block.z < grid.z; ++m.block.z)
        for (m.block.y = 0; m.block.y < grid.y; ++m.block.y)
            for (m.block.x = 0; m.block.x < grid.x && m.mistakes.empty(); ++m.block.x) run_block();
    end_launch_watch();
    if (m.mistakes.empty()) return;
    std::string text;
    for (const std::string& mistake : m.mistakes) text += (text.empty() ? "" : "\n") + mistake;
    throw Mistake(text);
}

}  // namespace handgrad::emulator
