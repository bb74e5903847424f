// What CUDA C++ has and C++ has not, and the run of a block: included before every kernel.
//
// The threads of a block are fibers of one thread of the host: each runs until it waits for others, at a
// barrier of the block or a collective of its warp. In which order they run, EMULATOR_ORDER says; a kernel
// whose barriers are complete does not care.
#pragma once

#include <assert.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef __x86_64__
#include <ucontext.h>
#endif

#define CUDA_EMULATOR 1
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __inline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __constant__ static
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))

struct dim3 {
    unsigned x, y, z;
};
typedef dim3 uint3;

template <typename T> struct alignas(2 * sizeof(T)) emulator_pair { T x, y; };
template <typename T> struct alignas(4 * sizeof(T)) emulator_quad { T x, y, z, w; };
typedef emulator_pair<float> float2;
typedef emulator_quad<float> float4;
typedef emulator_pair<int> int2;
typedef emulator_quad<int> int4;
typedef emulator_pair<unsigned> uint2;
typedef emulator_quad<unsigned> uint4;
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

namespace emulator {

const unsigned WARP = 32;
const unsigned MOST_THREADS = 1024;
const size_t STACK = 64 << 10;

enum State { READY, AT_BARRIER, AT_COLLECTIVE, DONE };

// A collective of a warp: what each lane brought, and which one it is.
struct Collective {
    const void *kind;
    unsigned arrived;
    void *brought[WARP];
};

struct Block {
    dim3 thread, block, blocks, threads;
    unsigned count, current;
    State state[MOST_THREADS];
    Collective warp[MOST_THREADS / WARP];
    const char *wrong;
#ifdef __x86_64__
    void *scheduler, *fiber[MOST_THREADS];
#else
    ucontext_t scheduler, fiber[MOST_THREADS];
#endif
    char *stacks;
    void (*body)(void **);
    void **arguments;
};

static Block now;

#ifdef __x86_64__
// Keeps what a call must keep on the stack, and goes on with another stack.
__attribute__((naked, noinline)) static void change(void **, void *) {
    asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15;"
        "mov %rsp, (%rdi); mov %rsi, %rsp;"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret");
}
#endif

// Back to the scheduler; returns when it is this thread's turn again.
static void wait(State state) {
    unsigned me = now.current;
    now.state[me] = state;
#ifdef __x86_64__
    change(&now.fiber[me], now.scheduler);
#else
    swapcontext(&now.fiber[me], &now.scheduler);
#endif
}

static void begin() {
    now.body(now.arguments);
    wait(DONE);
}

static void place(unsigned thread) {
    now.current = thread;
    now.thread = {thread % now.threads.x, thread / now.threads.x % now.threads.y,
                  thread / (now.threads.x * now.threads.y)};
}

static void resume(unsigned thread) {
    place(thread);
#ifdef __x86_64__
    change(&now.scheduler, now.fiber[thread]);
#else
    swapcontext(&now.scheduler, &now.fiber[thread]);
#endif
}

static void prepare(unsigned thread) {
    now.state[thread] = READY;
    char *top = now.stacks + (thread + 1) * STACK;
#ifdef __x86_64__
    void **stack = (void **)top;
    // Calls leave the stack 8 bytes off a multiple of 16; nothing returns from `begin`.
    *--stack = nullptr;
    *--stack = (void *)begin;
    for (int saved = 0; saved < 6; saved++) {
        *--stack = nullptr;
    }
    now.fiber[thread] = stack;
#else
    ucontext_t &fiber = now.fiber[thread];
    getcontext(&fiber);
    fiber.uc_stack.ss_sp = top - STACK;
    fiber.uc_stack.ss_size = STACK;
    fiber.uc_link = nullptr;
    makecontext(&fiber, begin, 0);
#endif
}

// The order in which threads run between two barriers; another for every turn where it is random.
struct Order {
    int kind;
    uint64_t random;
    unsigned order[MOST_THREADS];

    Order() : random(1) {
        const char *name = getenv("EMULATOR_ORDER");
        kind = !name || !strcmp(name, "forward") ? 0 : !strcmp(name, "reverse") ? 1 : 2;
    }

    void next(unsigned count) {
        for (unsigned i = 0; i < count; i++) {
            order[i] = kind == 1 ? count - 1 - i : i;
        }
        for (unsigned i = count; kind == 2 && i > 1; i--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned j = (random >> 33) % i, kept = order[i - 1];
            order[i - 1] = order[j];
            order[j] = kept;
        }
    }
};

static Order order;

static bool run_block() {
    for (unsigned i = 0; i < now.count; i++) {
        prepare(i);
    }
    memset(now.warp, 0, sizeof now.warp);
    for (;;) {
        order.next(now.count);
        bool moved = false;
        unsigned waiting = 0, done = 0;
        for (unsigned i = 0; i < now.count; i++) {
            if (now.state[order.order[i]] == READY) {
                resume(order.order[i]);
                moved = true;
            }
        }
        if (now.wrong) {
            return false;
        }
        for (unsigned i = 0; i < now.count; i++) {
            waiting += now.state[i] == AT_BARRIER;
            done += now.state[i] == DONE;
        }
        if (done == now.count) {
            return true;
        }
        if (waiting > 0 && waiting + done == now.count) {
            // GPUs do not wait for threads that have ended.
            for (unsigned i = 0; i < now.count; i++) {
                if (now.state[i] == AT_BARRIER) {
                    now.state[i] = READY;
                }
            }
        } else if (!moved) {
            now.wrong = "threads wait for others that do not come";
            return false;
        }
    }
}

// Waits until all lanes of the warp are here; the last one calls `all`, with what each has brought.
template <typename F> static void collective(const void *kind, void *brought, F all) {
    unsigned me = now.current, lanes = now.count - me / WARP * WARP;
    lanes = lanes < WARP ? lanes : WARP;
    Collective &warp = now.warp[me / WARP];
    if (warp.arrived == 0) {
        warp.kind = kind;
    } else if (warp.kind != kind) {
        now.wrong = "lanes of a warp are at different collectives";
        return wait(DONE);
    }
    warp.brought[me % WARP] = brought;
    if (++warp.arrived < lanes) {
        return wait(AT_COLLECTIVE);
    }
    warp.arrived = 0;
    all(warp.brought, lanes);
    for (unsigned lane = 0; lane < lanes; lane++) {
        now.state[me / WARP * WARP + lane] = READY;
    }
}

template <typename T> static T from_lane(T value, unsigned (*source)(unsigned, int), int by) {
    struct Brought {
        T value, result;
    } mine = {value, value};
    collective((const void *)source, &mine, [&](void **brought, unsigned lanes) {
        for (unsigned lane = 0; lane < lanes; lane++) {
            unsigned from = source(lane, by);
            Brought *to = (Brought *)brought[lane];
            to->result = from < lanes ? ((Brought *)brought[from])->value : to->value;
        }
    });
    return mine.result;
}

template <int... I> struct Indices {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> {
    typedef Indices<I...> type;
};

template <typename... A, int... I>
static inline void call_with(void (*kernel)(A...), void **arguments, Indices<I...>) {
    kernel(*(A *)arguments[I]...);
}

template <typename... A> static inline void call(void (*kernel)(A...), void **arguments) {
    call_with(kernel, arguments, typename Count<sizeof...(A)>::type());
}

// Runs a whole grid; gives nothing, or what went wrong.
static const char *run(void (*body)(void **), void **arguments, dim3 blocks, dim3 threads, bool alone) {
    now.blocks = blocks;
    now.threads = threads;
    now.count = threads.x * threads.y * threads.z;
    now.body = body;
    now.arguments = arguments;
    now.wrong = nullptr;
    if (!now.stacks && !alone) {
        void *stacks = mmap(nullptr, MOST_THREADS * STACK, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stacks == MAP_FAILED) {
            return "no memory for stacks";
        }
        now.stacks = (char *)stacks;
    }
    for (unsigned z = 0; z < blocks.z; z++) {
        for (unsigned y = 0; y < blocks.y; y++) {
            for (unsigned x = 0; x < blocks.x; x++) {
                now.block = {x, y, z};
                if (alone) {
                    order.next(now.count);
                    for (unsigned i = 0; i < now.count; i++) {
                        place(order.order[i]);
                        body(arguments);
                    }
                } else if (!run_block()) {
                    static char message[256];
                    snprintf(message, sizeof message, "%s, in block (%u, %u, %u)", now.wrong, x, y, z);
                    return message;
                }
            }
        }
    }
    return nullptr;
}

} // namespace emulator

#define threadIdx (emulator::now.thread)
#define blockIdx (emulator::now.block)
#define gridDim (emulator::now.blocks)
#define blockDim (emulator::now.threads)
#define warpSize 32

static inline void __syncthreads() { emulator::wait(emulator::AT_BARRIER); }
static inline void __syncwarp(unsigned = ~0u) {
    static const char kind = 0;
    emulator::collective(&kind, nullptr, [](void **, unsigned) {});
}
static inline void __threadfence() {}
static inline void __threadfence_block() {}

template <typename T> static inline T __shfl_sync(unsigned, T value, int lane) {
    // Every lane may ask for another one.
    struct Brought {
        T value, result;
        int from;
    } mine = {value, value, lane & 31};
    static const char kind = 0;
    emulator::collective(&kind, &mine, [](void **brought, unsigned lanes) {
        for (unsigned i = 0; i < lanes; i++) {
            Brought *to = (Brought *)brought[i];
            to->result = ((Brought *)brought[(unsigned)to->from % lanes])->value;
        }
    });
    return mine.result;
}
static unsigned emulator_down(unsigned lane, int by) { return lane + by; }
static unsigned emulator_up(unsigned lane, int by) { return lane - by; }
static unsigned emulator_xor(unsigned lane, int by) { return lane ^ by; }
template <typename T> static inline T __shfl_down_sync(unsigned, T value, int by) {
    return emulator::from_lane(value, emulator_down, by);
}
template <typename T> static inline T __shfl_up_sync(unsigned, T value, int by) {
    return emulator::from_lane(value, emulator_up, by);
}
template <typename T> static inline T __shfl_xor_sync(unsigned, T value, int by) {
    return emulator::from_lane(value, emulator_xor, by);
}

// One thread runs at a time, so nothing need be atomic.
template <typename T, typename V> static inline T atomicAdd(T *at, V given) {
    T old = *at, value = (T)given;
    *at = old + value;
    return old;
}
template <typename T, typename V> static inline T atomicMax(T *at, V given) {
    T old = *at, value = (T)given;
    *at = value > old ? value : old;
    return old;
}
template <typename T, typename V> static inline T atomicMin(T *at, V given) {
    T old = *at, value = (T)given;
    *at = value < old ? value : old;
    return old;
}
template <typename T, typename V> static inline T atomicExch(T *at, V given) {
    T old = *at, value = (T)given;
    *at = value;
    return old;
}
template <typename T, typename E, typename V> static inline T atomicCAS(T *at, E expected, V value) {
    T old = *at;
    if (old == (T)expected) {
        *at = (T)value;
    }
    return old;
}

template <typename T> static inline T __ldg(const T *at) { return *at; }
static inline unsigned __float_as_uint(float value) {
    unsigned bits;
    memcpy(&bits, &value, 4);
    return bits;
}
static inline float __uint_as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
static inline int __float_as_int(float value) { return (int)__float_as_uint(value); }
static inline float __int_as_float(int bits) { return __uint_as_float((unsigned)bits); }
static inline long long __double_as_longlong(double value) {
    long long bits;
    memcpy(&bits, &value, 8);
    return bits;
}
static inline double __longlong_as_double(long long bits) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
}
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
#define __expf expf
static inline float __fdividef(float a, float b) { return a / b; }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }

template <typename A, typename B> static inline auto min(A a, B b) -> decltype(a + b) {
    typedef decltype(a + b) T;
    return (T)a < (T)b ? (T)a : (T)b;
}
template <typename A, typename B> static inline auto max(A a, B b) -> decltype(a + b) {
    typedef decltype(a + b) T;
    return (T)a > (T)b ? (T)a : (T)b;
}

// Tensor cores: see the prelude of the kernels.
static inline unsigned to_tf32(float value) {
    unsigned bits = __float_as_uint(value);
    // What is not finite stays; else the point that ties go away from zero at.
    if ((bits & 0x7f800000) != 0x7f800000) {
        bits += 0x1000;
    }
    return bits & 0xffffe000;
}

static inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    struct Brought {
        float *d;
        const unsigned *a, *b;
    } mine = {d, a, b};
    static const char kind = 0;
    emulator::collective(&kind, &mine, [](void **brought, unsigned lanes) {
        float left[16][8], right[8][8];
        auto value = [](unsigned bits) { return __uint_as_float(bits & 0xffffe000); };
        for (unsigned lane = 0; lane < lanes; lane++) {
            Brought *from = (Brought *)brought[lane];
            unsigned group = lane / 4, four = lane % 4;
            for (int e = 0; e < 4; e++) {
                left[group + e % 2 * 8][four + e / 2 * 4] = value(from->a[e]);
            }
            right[four][group] = value(from->b[0]);
            right[four + 4][group] = value(from->b[1]);
        }
        float product[16][8] = {};
        for (int m = 0; m < 16; m++) {
            for (int k = 0; k < 8; k++) {
                for (int n = 0; n < 8; n++) {
                    product[m][n] += left[m][k] * right[k][n];
                }
            }
        }
        for (unsigned lane = 0; lane < lanes; lane++) {
            Brought *to = (Brought *)brought[lane];
            for (int e = 0; e < 4; e++) {
                to->d[e] += product[lane / 4 + e / 2 * 8][lane % 4 * 2 + e % 2];
            }
        }
    });
}
