#include "kernels/emulator/fiber.h"

#include <sys/mman.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
    #include <sanitizer/asan_interface.h>
    #include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// handgrad_switch_stack(save, load): keeps the registers that a function must preserve on the stack
// that is left, and takes them from the one that is entered.
extern "C" void handgrad_switch_stack(void** save, void* load);
asm(R"(
.text
.type handgrad_switch_stack,@function
.globl handgrad_switch_stack
.hidden handgrad_switch_stack
handgrad_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size handgrad_switch_stack,.-handgrad_switch_stack
)");
#endif

namespace handgrad::emulator {

char* new_stack() {
    void* stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) throw std::bad_alloc();
    return static_cast<char*>(stack);
}

void prepare(Context& fiber, char* stack, void (*entry)()) {
    fiber.stack = stack;
    fiber.stack_size = stack_bytes;
    fiber.fake_stack = nullptr;
#if defined(__x86_64__)
    // As handgrad_switch_stack leaves it: six registers below the address to return to. A function
    // is entered with the stack 8 bytes off a multiple of 16.
    void** top = reinterpret_cast<void**>(stack + stack_bytes) - 1;
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    fiber.stack_pointer = top;
#else
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack;
    fiber.context.uc_stack.ss_size = stack_bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, entry, 0);
#endif
}

void switch_context(Context& from, Context& to, [[maybe_unused]] bool last) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(last ? nullptr : &from.fake_stack, to.stack, to.stack_size);
#endif
#if defined(__x86_64__)
    handgrad_switch_stack(&from.stack_pointer, to.stack_pointer);
#else
    swapcontext(&from.context, &to.context);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void arrived_first([[maybe_unused]] Context& from) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &from.stack, &from.stack_size);
#endif
}

void abandon([[maybe_unused]] char* stack) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack, stack_bytes);
#endif
}

}  // namespace handgrad::emulator
