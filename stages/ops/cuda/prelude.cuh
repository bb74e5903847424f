// Code that every kernel may use. The same sources are compiled by NVRTC for a GPU and, in tests, by a C++
// compiler for the emulator, which defines CUDA_EMULATOR and provides the parts that differ.

#define KERNEL extern "C" __global__ void

// First index of a thread in the whole grid, and distance to its next index.
#define FIRST (blockIdx.x * blockDim.x + threadIdx.x)
#define STRIDE_OF_GRID (gridDim.x * blockDim.x)

// Loops over every index below `count` that belongs to the thread, in strides of the whole grid. Counts are below
// 2^31, so an unsigned index cannot wrap.
#define EACH(index, count) \
    unsigned index = FIRST; index < (unsigned)(count); index += STRIDE_OF_GRID

#ifndef CUDA_EMULATOR

// Rounds to TensorFloat-32: 10 bits after the point, to nearest, ties away from zero.
__device__ __forceinline__ unsigned to_tf32(float value) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
    return bits;
}

// Computes d += a * b on a warp's tensor core: a is 16x8 by rows, b is 8x8 by columns, d is 16x8, and each
// thread has its fragments (PTX ISA, "Matrix Fragments for mma.m16n8k8 with .tf32").
__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif

#ifdef ACTIVATION

#define LINEAR 0
#define RELU 1
#define LEAKY_RELU 2
#define ELU 3
#define SIGMOID 4
#define TANH 5
#define RELU6 6
#define HARD_SIGMOID 7
// The functions from here on are not part of a layer: their derivative does not follow from the output.
#define SILU 8
#define GELU 9
#define HARD_SWISH 10

__device__ __forceinline__ float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

__device__ __forceinline__ float relu6(float x) {
    return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x;
}

// The probability that a value of the standard normal distribution is at most x.
__device__ __forceinline__ float normal(float x) {
    return 0.5f * erfcf(-x * 0.70710678f);
}

// Comparisons are chosen such that NaN stays NaN.
__device__ __forceinline__ float activate(float x) {
#if ACTIVATION == RELU
    return x < 0.0f ? 0.0f : x;
#elif ACTIVATION == LEAKY_RELU
    return x < 0.0f ? 0.2f * x : x;
#elif ACTIVATION == ELU
    return x < 0.0f ? expm1f(x) : x;
#elif ACTIVATION == SIGMOID
    return sigmoid(x);
#elif ACTIVATION == TANH
    return tanhf(x);
#elif ACTIVATION == RELU6
    return relu6(x);
#elif ACTIVATION == HARD_SIGMOID
    return relu6(x + 3.0f) / 6.0f;
#elif ACTIVATION == SILU
    return x * sigmoid(x);
#elif ACTIVATION == GELU
    return x * normal(x);
#elif ACTIVATION == HARD_SWISH
    return x * (relu6(x + 3.0f) / 6.0f);
#else
    return x;
#endif
}

// The derivative of the activation, computed from its output, or from its input x if it is not part of a layer.
__device__ __forceinline__ float derivative(float y) {
#if ACTIVATION == RELU
    return y > 0.0f ? 1.0f : 0.0f;
#elif ACTIVATION == LEAKY_RELU
    return y > 0.0f ? 1.0f : 0.2f;
#elif ACTIVATION == ELU
    return y > 0.0f ? 1.0f : y + 1.0f;
#elif ACTIVATION == SIGMOID
    return y * (1.0f - y);
#elif ACTIVATION == TANH
    return 1.0f - y * y;
#elif ACTIVATION == RELU6
    return y > 0.0f && y < 6.0f ? 1.0f : 0.0f;
#elif ACTIVATION == HARD_SIGMOID
    return y > 0.0f && y < 1.0f ? 1.0f / 6.0f : 0.0f;
#elif ACTIVATION == SILU
    float x = y, share = sigmoid(x);
    return share * (1.0f + x * (1.0f - share));
#elif ACTIVATION == GELU
    float x = y;
    return normal(x) + x * (0.39894228f * expf(-0.5f * x * x));
#elif ACTIVATION == HARD_SWISH
    float x = y;
    return x <= -3.0f ? 0.0f : x < 3.0f ? x / 3.0f + 0.5f : 1.0f;
#else
    return 1.0f;
#endif
}

#endif

// Sums `value` over the threads of a block, always in the same order. Every thread gets the sum. The number of
// threads must be a power of two.
template <typename T>
__device__ __forceinline__ T sum_of_block(T value, T *shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            shared[threadIdx.x] += shared[threadIdx.x + half];
        }
        __syncthreads();
    }
    T sum = shared[0];
    __syncthreads();
    return sum;
}

