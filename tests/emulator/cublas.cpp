// cuBLAS: products of matrices, stored by columns as in the original. In TF32 mode, factors are rounded
// first.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

enum Code { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum Operation { PLAIN, TRANSPOSED, CONJUGATE_TRANSPOSED };
enum Mode { DEFAULT = 0, TF32 = 3 };
enum Type { R_32F = 0, R_64F = 1 };
enum Compute { C_32F = 68, C_32F_PEDANTIC = 69, C_64F = 70, C_64F_PEDANTIC = 71, C_32F_FAST_TF32 = 77 };

struct Handle {
    int mode = DEFAULT, pointers = 0;
    void *stream = nullptr;
};

static double rounded(double value) { return value; }
static float rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7f800000) != 0x7f800000) {
        bits += 0x1000;
    }
    bits &= 0xffffe000;
    memcpy(&value, &bits, 4);
    return value;
}

// The part that takes time. It is compiled for several processors and selected at run time.
#if defined(__x86_64__) && !defined(__clang__)
#define FOR_EVERY_PROCESSOR __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define FOR_EVERY_PROCESSOR
#endif
FOR_EVERY_PROCESSOR static void add(float *to, const float *from, float factor, int count) {
    for (int i = 0; i < count; i++) {
        to[i] += from[i] * factor;
    }
}
static void add(double *to, const double *from, double factor, int count) {
    for (int i = 0; i < count; i++) {
        to[i] += from[i] * factor;
    }
}

// Copies a factor to a matrix stored by rows.
template <typename T>
static std::vector<T> factor(const T *from, int stride, int operation, int rows, int columns, bool tf32) {
    std::vector<T> to((size_t)rows * columns);
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
            T value = operation == PLAIN ? from[(size_t)j * stride + i] : from[(size_t)i * stride + j];
            to[(size_t)i * columns + j] = tf32 ? rounded(value) : value;
        }
    }
    return to;
}

// Calls `call` for pieces of 0..count, on all cores if that is worth it. The results do not depend on where
// the pieces are cut.
template <typename F> static void pieces(int count, double work, F call) {
    int most = (int)std::min<double>(std::min(std::thread::hardware_concurrency(), 16u), work / 1e6);
    int threads = std::max(1, std::min(most, count));
    std::vector<std::thread> helpers;
    for (int i = 1; i < threads; i++) {
        helpers.emplace_back([=] { call((int)((int64_t)count * i / threads), (int)((int64_t)count * (i + 1) / threads)); });
    }
    call(0, (int)((int64_t)count / threads));
    for (auto &helper : helpers) {
        helper.join();
    }
}

template <typename T>
static int gemm(Handle *handle, bool tf32, int a_operation, int b_operation, int m, int n, int k, const T *alpha,
                const T *a, int a_stride, const T *b, int b_stride, const T *beta, T *c, int c_stride) {
    if (!handle) {
        return NOT_INITIALIZED;
    }
    bool operations = a_operation >= 0 && a_operation <= 2 && b_operation >= 0 && b_operation <= 2;
    if (!operations || m < 0 || n < 0 || k < 0 || a_stride < std::max(1, a_operation == PLAIN ? m : k) ||
        b_stride < std::max(1, b_operation == PLAIN ? k : n) || c_stride < std::max(1, m)) {
        fprintf(stderr, "emulator: cuBLAS refuses a product with m %d, n %d, k %d, strides %d, %d, %d\n", m, n, k,
                a_stride, b_stride, c_stride);
        return INVALID_VALUE;
    }
    // Rows of the left factor times columns of the right one, one column of the result at a time.
    std::vector<T> left = factor(a, a_stride, a_operation == PLAIN ? TRANSPOSED : PLAIN, k, m, tf32);
    std::vector<T> right = factor(b, b_stride, b_operation == PLAIN ? TRANSPOSED : PLAIN, n, k, tf32);
    pieces(n, (double)m * n * k, [&, m, k](int first, int end) {
        std::vector<T> column(m);
        for (int j = first; j < end; j++) {
            std::fill(column.begin(), column.end(), T(0));
            for (int inner = 0; inner < k; inner++) {
                add(column.data(), left.data() + (size_t)inner * m, right[(size_t)j * k + inner], m);
            }
            for (int i = 0; i < m; i++) {
                T &to = c[(size_t)j * c_stride + i];
                // If beta is 0, the previous value is not read, as in BLAS.
                to = *alpha * column[i] + (*beta == T(0) ? T(0) : *beta * to);
            }
        }
    });
    return SUCCESS;
}

template <typename T>
static int batches(Handle *handle, bool tf32, int a_operation, int b_operation, int m, int n, int k, const T *alpha,
                   const T *a, int a_stride, int64_t a_next, const T *b, int b_stride, int64_t b_next, const T *beta,
                   T *c, int c_stride, int64_t c_next, int count) {
    for (int i = 0; i < count; i++) {
        int code = gemm(handle, tf32, a_operation, b_operation, m, n, k, alpha, a + i * a_next, a_stride,
                        b + i * b_next, b_stride, beta, c + i * c_next, c_stride);
        if (code != SUCCESS) {
            return code;
        }
    }
    return count < 0 ? INVALID_VALUE : SUCCESS;
}

// A matrix times a vector. The values of the vectors are x_step and y_step apart.
template <typename T>
static int gemv(Handle *handle, int operation, int m, int n, const T *alpha, const T *a, int a_stride, const T *x,
                int x_step, const T *beta, T *y, int y_step) {
    if (!handle) {
        return NOT_INITIALIZED;
    }
    if (m < 0 || n < 0 || a_stride < std::max(1, m) || x_step < 1 || y_step < 1) {
        return INVALID_VALUE;
    }
    int rows = operation == PLAIN ? m : n, columns = operation == PLAIN ? n : m;
    for (int i = 0; i < rows; i++) {
        T sum = 0;
        for (int j = 0; j < columns; j++) {
            sum += (operation == PLAIN ? a[(size_t)j * a_stride + i] : a[(size_t)i * a_stride + j]) *
                   x[(size_t)j * x_step];
        }
        T &to = y[(size_t)i * y_step];
        to = *alpha * sum + (*beta == T(0) ? T(0) : *beta * to);
    }
    return SUCCESS;
}

extern "C" {

int cublasCreate_v2(Handle **handle) {
    *handle = new Handle;
    return SUCCESS;
}
int cublasDestroy_v2(Handle *handle) {
    delete handle;
    return SUCCESS;
}
int cublasGetVersion_v2(Handle *, int *version) {
    *version = 130000;
    return SUCCESS;
}
int cublasGetProperty(int property, int *value) {
    *value = property == 0 ? 13 : 0;
    return SUCCESS;
}
int cublasSetStream_v2(Handle *handle, void *stream) {
    handle->stream = stream;
    return SUCCESS;
}
int cublasGetStream_v2(Handle *handle, void **stream) {
    *stream = handle->stream;
    return SUCCESS;
}
int cublasSetMathMode(Handle *handle, int mode) {
    handle->mode = mode;
    return SUCCESS;
}
int cublasGetMathMode(Handle *handle, int *mode) {
    *mode = handle->mode;
    return SUCCESS;
}
// Pointers to memory of the host and of the device are the same here.
int cublasSetPointerMode_v2(Handle *handle, int mode) {
    handle->pointers = mode;
    return SUCCESS;
}
int cublasGetPointerMode_v2(Handle *handle, int *mode) {
    *mode = handle->pointers;
    return SUCCESS;
}
int cublasSetWorkspace_v2(Handle *, void *, size_t) { return SUCCESS; }

int cublasSgemm_v2(Handle *handle, int a_operation, int b_operation, int m, int n, int k, const float *alpha,
                   const float *a, int a_stride, const float *b, int b_stride, const float *beta, float *c,
                   int c_stride) {
    return gemm(handle, handle && handle->mode == TF32, a_operation, b_operation, m, n, k, alpha, a, a_stride, b,
                b_stride, beta, c, c_stride);
}
int cublasDgemm_v2(Handle *handle, int a_operation, int b_operation, int m, int n, int k, const double *alpha,
                   const double *a, int a_stride, const double *b, int b_stride, const double *beta, double *c,
                   int c_stride) {
    return gemm(handle, false, a_operation, b_operation, m, n, k, alpha, a, a_stride, b, b_stride, beta, c, c_stride);
}
int cublasSgemmStridedBatched(Handle *handle, int a_operation, int b_operation, int m, int n, int k,
                              const float *alpha, const float *a, int a_stride, long long a_next, const float *b,
                              int b_stride, long long b_next, const float *beta, float *c, int c_stride,
                              long long c_next, int count) {
    return batches(handle, handle && handle->mode == TF32, a_operation, b_operation, m, n, k, alpha, a, a_stride,
                   a_next, b, b_stride, b_next, beta, c, c_stride, c_next, count);
}
int cublasDgemmStridedBatched(Handle *handle, int a_operation, int b_operation, int m, int n, int k,
                              const double *alpha, const double *a, int a_stride, long long a_next, const double *b,
                              int b_stride, long long b_next, const double *beta, double *c, int c_stride,
                              long long c_next, int count) {
    return batches(handle, false, a_operation, b_operation, m, n, k, alpha, a, a_stride, a_next, b, b_stride, b_next,
                   beta, c, c_stride, c_next, count);
}
int cublasGemmStridedBatchedEx(Handle *handle, int a_operation, int b_operation, int m, int n, int k,
                               const void *alpha, const void *a, int a_type, int a_stride, long long a_next,
                               const void *b, int b_type, int b_stride, long long b_next, const void *beta, void *c,
                               int c_type, int c_stride, long long c_next, int count, int compute, int) {
    if (a_type == R_32F && b_type == R_32F && c_type == R_32F &&
        (compute == C_32F || compute == C_32F_PEDANTIC || compute == C_32F_FAST_TF32)) {
        bool tf32 = compute == C_32F_FAST_TF32 || (compute == C_32F && handle && handle->mode == TF32);
        return batches(handle, tf32, a_operation, b_operation, m, n, k, (const float *)alpha, (const float *)a,
                       a_stride, a_next, (const float *)b, b_stride, b_next, (const float *)beta, (float *)c, c_stride,
                       c_next, count);
    }
    if (a_type == R_64F && b_type == R_64F && c_type == R_64F && (compute == C_64F || compute == C_64F_PEDANTIC)) {
        return batches(handle, false, a_operation, b_operation, m, n, k, (const double *)alpha, (const double *)a,
                       a_stride, a_next, (const double *)b, b_stride, b_next, (const double *)beta, (double *)c,
                       c_stride, c_next, count);
    }
    // Half precision is not supported.
    return NOT_SUPPORTED;
}
int cublasGemmEx(Handle *handle, int a_operation, int b_operation, int m, int n, int k, const void *alpha,
                 const void *a, int a_type, int a_stride, const void *b, int b_type, int b_stride, const void *beta,
                 void *c, int c_type, int c_stride, int compute, int algorithm) {
    return cublasGemmStridedBatchedEx(handle, a_operation, b_operation, m, n, k, alpha, a, a_type, a_stride, 0, b,
                                      b_type, b_stride, 0, beta, c, c_type, c_stride, 0, 1, compute, algorithm);
}
int cublasSgemv_v2(Handle *handle, int operation, int m, int n, const float *alpha, const float *a, int a_stride,
                   const float *x, int x_step, const float *beta, float *y, int y_step) {
    return gemv(handle, operation, m, n, alpha, a, a_stride, x, x_step, beta, y, y_step);
}
int cublasDgemv_v2(Handle *handle, int operation, int m, int n, const double *alpha, const double *a, int a_stride,
                   const double *x, int x_step, const double *beta, double *y, int y_step) {
    return gemv(handle, operation, m, n, alpha, a, a_stride, x, x_step, beta, y, y_step);
}
}
