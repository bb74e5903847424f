// Built-in functions of CUDA C++: atomics, bit operations, arithmetic.
#pragma once

// Other blocks run at the same time on other threads of the host, so atomics must be atomic here, too.
namespace emulator {
template <typename T, typename F> static inline T atomically(T *at, F change) {
    T old, value;
    __atomic_load(at, &old, __ATOMIC_RELAXED);
    do {
        value = change(old);
    } while (!__atomic_compare_exchange(at, &old, &value, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return old;
}
} // namespace emulator

#define EMULATOR_ATOMIC(name, type, expression)                                                                        \
    static inline type name(type *at, type given) {                                                                    \
        return emulator::atomically(at, [=](type old) -> type { return expression; });                                 \
    }
#define EMULATOR_ATOMICS(type)                                                                                         \
    EMULATOR_ATOMIC(atomicAdd, type, old + given)                                                                      \
    EMULATOR_ATOMIC(atomicExch, type, given)
#define EMULATOR_ATOMICS_OF_INTEGERS(type)                                                                             \
    EMULATOR_ATOMICS(type)                                                                                             \
    EMULATOR_ATOMIC(atomicMin, type, given < old ? given : old)                                                        \
    EMULATOR_ATOMIC(atomicMax, type, given > old ? given : old)                                                        \
    EMULATOR_ATOMIC(atomicAnd, type, old &given)                                                                       \
    EMULATOR_ATOMIC(atomicOr, type, old | given)                                                                       \
    EMULATOR_ATOMIC(atomicXor, type, old ^ given)
EMULATOR_ATOMICS(float)
EMULATOR_ATOMICS(double)
EMULATOR_ATOMICS_OF_INTEGERS(int)
EMULATOR_ATOMICS_OF_INTEGERS(unsigned)
EMULATOR_ATOMICS_OF_INTEGERS(unsigned long long)
// CUDA has no atomicAdd for `long long`.
EMULATOR_ATOMIC(atomicMin, long long, given < old ? given : old)
EMULATOR_ATOMIC(atomicMax, long long, given > old ? given : old)
EMULATOR_ATOMIC(atomicSub, int, old - given)
EMULATOR_ATOMIC(atomicSub, unsigned, old - given)
EMULATOR_ATOMIC(atomicInc, unsigned, old >= given ? 0 : old + 1)

// Half precision, which is a struct defined by the toolkit's header.
template <typename T, typename V> static inline T atomicAdd(T *at, V given) {
    static_assert(__is_class(T), "CUDA has no such atomicAdd");
    return emulator::atomically(at, [=](T old) -> T { return old + given; });
}

#define EMULATOR_CAS(type)                                                                                             \
    static inline type atomicCAS(type *at, type expected, type value) {                                                \
        __atomic_compare_exchange(at, &expected, &value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                   \
        return expected;                                                                                               \
    }
EMULATOR_CAS(int)
EMULATOR_CAS(unsigned)
EMULATOR_CAS(unsigned short)
EMULATOR_CAS(unsigned long long)

template <typename T> static inline T __ldg(const T *at) { return *at; }
template <typename T> static inline T __ldcs(const T *at) { return *at; }
template <typename T> static inline void __stcs(T *at, T value) { *at = value; }

namespace emulator {
template <typename To, typename From> static inline To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
} // namespace emulator

static inline unsigned __float_as_uint(float x) { return emulator::bits<unsigned>(x); }
static inline int __float_as_int(float x) { return emulator::bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return emulator::bits<float>(x); }
static inline float __int_as_float(int x) { return emulator::bits<float>(x); }
static inline long long __double_as_longlong(double x) { return emulator::bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return emulator::bits<double>(x); }

static inline int __mulhi(int a, int b) { return (long long)a * b >> 32; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; bit++) {
        reversed |= (x >> bit & 1) << (31 - bit);
    }
    return reversed;
}

// Functions that are fast but inexact on a GPU are exact here.
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
// Never fused with a neighbouring sum.
static inline float __fmul_rn(float a, float b) {
    float product = a * b;
    asm("" : "+m"(product));
    return product;
}
static inline float __fadd_rn(float a, float b) {
    asm("" : "+m"(a));
    return a + b;
}
static inline float __fsub_rn(float a, float b) {
    asm("" : "+m"(a));
    return a - b;
}
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fdividef(float a, float b) { return a / b; }
#define __expf expf
#define __exp10f(x) exp10f(x)
#define __logf logf
#define __log2f log2f
#define __powf powf
#define __sinf sinf
#define __cosf cosf
static inline float __saturatef(float x) { return x > 0.0f ? x < 1.0f ? x : 1.0f : 0.0f; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float rcbrtf(float x) { return 1.0f / cbrtf(x); }
static inline int __float2int_rn(float x) { return (int)rintf(x); }
static inline int __float2int_rz(float x) { return (int)x; }
static inline int __float2int_rd(float x) { return (int)floorf(x); }
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }

// As in CUDA, NaN loses against numbers, and mixed types are compared in their common type.
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
template <typename A, typename B> static inline auto min(A a, B b) -> decltype(a + b) {
    typedef decltype(a + b) T;
    return (T)b < (T)a ? (T)b : (T)a;
}
template <typename A, typename B> static inline auto max(A a, B b) -> decltype(a + b) {
    typedef decltype(a + b) T;
    return (T)a < (T)b ? (T)b : (T)a;
}

// Rounds to TensorFloat-32 (cvt.rna.tf32.f32): 10 bits after the binary point, ties away from zero.
static inline unsigned to_tf32(float value) {
    unsigned bits = __float_as_uint(value);
    // Infinity and NaN are not rounded up.
    if ((bits & 0x7f800000) != 0x7f800000) {
        bits += 0x1000;
    }
    return bits & 0xffffe000;
}
