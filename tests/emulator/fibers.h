// Fibers: several calls in progress on one thread of the host, each with a stack of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/mman.h>
#include <vector>

// Other processors use the system's implementation. EMULATOR_UCONTEXT selects it for tests.
#if !defined(__x86_64__) || defined(EMULATOR_UCONTEXT)
#include <ucontext.h>
#else
#define OWN_FIBERS
#endif

namespace emulator {

const size_t STACK = 64 << 10;

#ifdef OWN_FIBERS

// The stack pointer of a suspended call. Its registers are on its stack.
typedef void *Fiber;

// Saves the registers that a call must preserve, and continues on another stack.
__attribute__((naked, noinline)) inline void change(Fiber * /* from */, Fiber * /* to */) {
    asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15;"
        "mov %rsp, (%rdi); mov (%rsi), %rsp;"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret");
}

// Prepares a fiber that calls `begin`, which must not return.
inline void prepare(Fiber *fiber, char *stack, void (*begin)()) {
    void **top = (void **)(stack + STACK);
    // At the start of a function, the stack pointer is 8 bytes off a multiple of 16.
    *--top = nullptr;
    *--top = (void *)begin;
    for (int saved = 0; saved < 6; saved++) {
        *--top = nullptr;
    }
    *fiber = top;
}

#else

typedef ucontext_t Fiber;

inline void change(Fiber *from, Fiber *to) { swapcontext(from, to); }

inline void prepare(Fiber *fiber, char *stack, void (*begin)()) {
    getcontext(fiber);
    fiber->uc_stack.ss_sp = stack;
    fiber->uc_stack.ss_size = STACK;
    fiber->uc_link = nullptr;
    makecontext(fiber, begin, 0);
}

#endif

// Stacks, each with a mark at its end that shows whether it was large enough.
class Stacks {
    static const uint64_t MARK = 0x57ac4057ac4057ac;
    char *memory;
    unsigned count;
    std::vector<char *> free;

  public:
    explicit Stacks(unsigned count) : count(count) {
        // Untouched pages cost nothing. The space below the first stack is unused, so an overflow of it hits
        // nothing.
        memory = (char *)mmap(nullptr, (count + 1) * STACK, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) + STACK;
        reset();
    }
    void reset() {
        free.clear();
        for (unsigned i = count; i-- > 0;) {
            free.push_back(memory + i * STACK);
        }
    }
    char *take() {
        char *stack = free.back();
        free.pop_back();
        *(uint64_t *)stack = MARK;
        return stack;
    }
    // Takes back the stack that contains `address`. Returns whether it was large enough.
    bool give(const char *address) {
        char *stack = memory + (size_t)(address - memory) / STACK * STACK;
        free.push_back(stack);
        return *(uint64_t *)stack == MARK;
    }
};

} // namespace emulator
