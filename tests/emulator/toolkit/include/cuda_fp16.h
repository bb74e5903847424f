// Half precision, as far as dfdx's sources need it to compile. Nothing computes with it, so a half is a
// float.
#pragma once

struct __half {
    float value;
    __half() = default;
    template <typename T> __half(T value) : value((float)value) {}
    operator float() const { return value; }
    __half &operator+=(__half other) { return value += other.value, *this; }
    __half &operator-=(__half other) { return value -= other.value, *this; }
    __half &operator*=(__half other) { return value *= other.value, *this; }
    __half &operator/=(__half other) { return value /= other.value, *this; }
};
typedef __half half;

#define EMULATOR_HALF(operator_)                                                                                       \
    static inline __half operator operator_(__half a, __half b) { return a.value operator_ b.value; }                 \
    template <typename T> static inline __half operator operator_(__half a, T b) { return a.value operator_(float) b; } \
    template <typename T> static inline __half operator operator_(T a, __half b) { return (float)a operator_ b.value; }
EMULATOR_HALF(+)
EMULATOR_HALF(-)
EMULATOR_HALF(*)
EMULATOR_HALF(/)
static inline __half operator-(__half a) { return -a.value; }
static inline float __half2float(__half x) { return x.value; }
static inline __half __float2half(float x) { return x; }
static inline bool __hisnan(__half x) { return x.value != x.value; }
static inline __half __hmax(__half a, __half b) { return fmaxf(a, b); }
static inline __half __hmin(__half a, __half b) { return fminf(a, b); }
static inline __half __hmax_nan(__half a, __half b) { return __hisnan(a) ? a : __hisnan(b) ? b : __hmax(a, b); }
static inline __half __hmin_nan(__half a, __half b) { return __hisnan(a) ? a : __hisnan(b) ? b : __hmin(a, b); }
static inline __half __habs(__half x) { return fabsf(x); }
static inline __half hsqrt(__half x) { return sqrtf(x); }
static inline __half hexp(__half x) { return expf(x); }
static inline __half hlog(__half x) { return logf(x); }
static inline __half hsin(__half x) { return sinf(x); }
static inline __half hcos(__half x) { return cosf(x); }
static inline __half hrsqrt(__half x) { return 1.0f / sqrtf(x); }
static inline __half hrcp(__half x) { return 1.0f / x.value; }
static inline unsigned short __half_as_ushort(__half) { abort(); }
static inline __half __ushort_as_half(unsigned short) { abort(); }
