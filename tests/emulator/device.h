// The parts of CUDA C++ that C++ lacks. Included before every kernel.
#pragma once

#include <assert.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"

#define CUDA_EMULATOR 1
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __inline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __constant__ static
// Blocks that run at the same time are on different threads of the host.
#define __shared__ static thread_local
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
// module.h replaces __global__ and __launch_bounds__ with these two.
#define __emulator_kernel__ static
#define __emulator_bounds__(...)

#define threadIdx (emulator::now->thread)
#define blockIdx (emulator::now->block)
#define blockDim (emulator::now->threads)
#define gridDim (emulator::now->blocks)
static const int warpSize = 32;

#define __syncthreads() emulator::now->barrier(__COUNTER__)
#define __threadfence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define __threadfence_block() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define __threadfence_system() __threadfence()

namespace emulator {

static thread_local Block *now;
static void bind(Block *block) { now = block; }

// Calls a kernel with its arguments in the form that the driver receives them.
template <typename T> struct Letter { static const char value = 'v'; };
template <typename T> struct Letter<T *> { static const char value = 'p'; };

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
template <typename... A> static const char *letters(void (*)(A...)) {
    static const char text[] = {Letter<A>::value..., 0};
    return text;
}
static inline constexpr unsigned first(unsigned bound, ...) { return bound; }

} // namespace emulator

// Vectors, aligned as on a GPU.
#define EMULATOR_VECTORS(type, name)                                                                                   \
    struct alignas(2 * sizeof(type)) name##2 {                                                                         \
        type x, y;                                                                                                     \
    };                                                                                                                 \
    struct alignas(sizeof(type) < 8 ? 4 * sizeof(type) : 16) name##4 {                                                 \
        type x, y, z, w;                                                                                               \
    };                                                                                                                 \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                            \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
EMULATOR_VECTORS(float, float)
EMULATOR_VECTORS(double, double)
EMULATOR_VECTORS(int, int)
EMULATOR_VECTORS(unsigned, uint)
EMULATOR_VECTORS(unsigned char, uchar)
struct float3 {
    float x, y, z;
};
struct int3 {
    int x, y, z;
};
static inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
static inline int3 make_int3(int x, int y, int z) { return {x, y, z}; }
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }

#include "arithmetic.h"
#include "warp.h"
