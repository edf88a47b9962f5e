// The inside of the emulator: the state that machine.cpp (the scheduler), access.cpp (the watch
// over memory) and host.cpp (the host's side) share.
#pragma once

#include <string>
#include <vector>

#include "kernels/emulator/emulator.h"
#include "kernels/emulator/fiber.h"
#include "kernels/emulator/watch.h"

namespace handgrad::emulator {

/// One access of one lane, kept until the warp stops, to be counted with its neighbours'.
struct Record {
    const void* pc;
    std::uintptr_t address;
    std::uint32_t bytes;
    bool shared;
};

/// A copy to shared memory that has been asked for and not yet waited for.
struct Copy {
    void* shared;
    const void* global;
    const void* pc;
    int group;
};

enum class State : std::uint8_t { fresh, ready, at_barrier, at_exchange, done };

struct Thread {
    uint3 index = {};
    unsigned id = 0;
    State state = State::fresh;
    bool in_kernel = false;
    Context context = {};
    char* stack = nullptr;
    // Where it waits: the name and line of the barrier or exchange.
    const char* name = "";
    Where where = {};
    bool flag = false;
    unsigned mask = 0;
    int parity = 0;  // of its exchanges: which of the two sets of slots it uses
    int group = 0;   // of its copies
    std::vector<Copy> copies = {};
    std::vector<Record> records = {};
};

struct Warp {
    Slot slots[2][32];
    std::uint64_t syncs = 0;  // __syncwarps passed: they order memory, other exchanges do not
};

struct Machine {
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    std::vector<char*> stacks;  // free ones
    Thread* current = nullptr;
    Context scheduler;

    Launch launch = {};
    std::string kernel;  // its name, once somebody asked for it
    uint3 block = {};
    int flags = 0;  // threads that came to the last barrier with a flag
    // Counts blocks and barriers: what happens in one epoch is not ordered between warps.
    std::uint64_t epoch = 0, block_epoch = 0, launch_epoch = 0;
    std::vector<std::string> mistakes;  // of this launch

    bool checking = true, counting = false;
};
Machine& machine();

/// The dynamic shared memory, of the most that every GPU grants without being asked.
inline constexpr std::size_t most_shared_bytes = 48 << 10;

/// "block (0, 0, 0), thread (3, 0, 0)" of a thread of the block that runs.
std::string thread_name(unsigned id);
/// Keeps a mistake of the thread that runs, unless the launch has made the same one before.
void report(const std::string& what, const std::string& line, const std::string& more);
/// Leaves the thread that runs for good: for mistakes after which it must not go on.
[[noreturn]] void stop_launch();

// access.cpp
void begin_launch_watch();
void end_launch_watch();
/// Counts what the lanes of a warp asked for since it last stopped.
void count_warp(std::size_t warp);

// host.cpp
enum class Place : std::uint8_t { outside, fine, being_written, being_read };
/// Does an allocation hold all these bytes, and if so, does another stream use it at a time that no
/// event orders? To be called for each access of the launch that runs.
Place in_device_memory(std::uintptr_t address, std::size_t bytes, bool write);
/// "4 bytes past the end of a buffer of 400 bytes": where an address lies that is in no allocation.
std::string where_is(std::uintptr_t address);
/// "byte 8 of a buffer of 400 bytes": where one lies that is.
std::string place_of(std::uintptr_t address);

}  // namespace handgrad::emulator
