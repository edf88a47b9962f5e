// Fibers: functions that can be left in the middle and entered again, each on a stack of its own.
// A switch costs some 10 ns on x86-64, where it is written by hand; elsewhere ucontext does it in
// some 300, since that asks the kernel to keep the signal mask.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
    #include <ucontext.h>
#endif

namespace handgrad::emulator {

/// Half a thread's budget of stack on most systems would be 4 MiB; kernels need a few hundred
/// bytes.
inline constexpr std::size_t stack_bytes = 64 << 10;

/// Where a fiber, or the scheduler, was left.
struct Context {
#if defined(__x86_64__)
    void* stack_pointer = nullptr;
#else
    ucontext_t context = {};
#endif
    // For AddressSanitizer, which has to know on which stack the program is.
    const void* stack = nullptr;
    std::size_t stack_size = 0;
    void* fake_stack = nullptr;
};

/// A stack for a fiber. Kept until the program ends. Throws std::bad_alloc.
char* new_stack();

/// The next switch to `fiber` calls entry() on `stack`. entry begins with arrived_first and must
/// never return.
void prepare(Context& fiber, char* stack, void (*entry)());

/// Leaves `from` and goes on where `to` was left; returns when someone switches back. `last` says
/// that nobody will.
void switch_context(Context& from, Context& to, bool last = false);

/// The first statement of a fiber that was entered from `from`.
void arrived_first(Context& from);

/// Forgets what AddressSanitizer knows of a fiber that was left for good.
void abandon(char* stack);

}  // namespace handgrad::emulator
