// cuBLAS: products of matrices by columns, in float32 or with factors rounded to TF32.
#include <cstdint>
#include <cstring>
#include <vector>

enum { SUCCESS = 0, INVALID_VALUE = 7, TRANSPOSED = 1, TF32 = 3 };

struct Handle {
    int mode = 0;
};

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

// The matrix by rows, rows x columns.
static std::vector<float> factor(const float *from, int stride, bool transposed, int rows, int columns, bool tf32) {
    std::vector<float> to((size_t)rows * columns);
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
            float value = transposed ? from[(size_t)i * stride + j] : from[(size_t)j * stride + i];
            to[(size_t)i * columns + j] = tf32 ? rounded(value) : value;
        }
    }
    return to;
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
int cublasSetStream_v2(Handle *, void *) { return SUCCESS; }
int cublasSetMathMode(Handle *handle, int mode) {
    handle->mode = mode;
    return SUCCESS;
}
int cublasGetProperty(int property, int *value) {
    *value = property == 0 ? 13 : 0;
    return SUCCESS;
}

int cublasSgemm_v2(Handle *handle, int a_operation, int b_operation, int m, int n, int k, const float *alpha,
                   const float *a, int a_stride, const float *b, int b_stride, const float *beta, float *c,
                   int c_stride) {
    if (m < 0 || n < 0 || k < 0 || a_stride < (a_operation == TRANSPOSED ? k : m) ||
        b_stride < (b_operation == TRANSPOSED ? n : k) || c_stride < m) {
        return INVALID_VALUE;
    }
    bool tf32 = handle->mode == TF32;
    std::vector<float> left = factor(a, a_stride, a_operation == TRANSPOSED, m, k, tf32);
    std::vector<float> right = factor(b, b_stride, b_operation == TRANSPOSED, k, n, tf32), row(n);
    for (int i = 0; i < m; i++) {
        row.assign(n, 0.0f);
        for (int inner = 0; inner < k; inner++) {
            for (int j = 0; j < n; j++) {
                row[j] += left[(size_t)i * k + inner] * right[(size_t)inner * n + j];
            }
        }
        for (int j = 0; j < n; j++) {
            float &to = c[(size_t)j * c_stride + i];
            to = *alpha * row[j] + (*beta == 0.0f ? 0.0f : *beta * to);
        }
    }
    return SUCCESS;
}

int cublasSgemmStridedBatched(Handle *handle, int a_operation, int b_operation, int m, int n, int k,
                              const float *alpha, const float *a, int a_stride, long long a_next, const float *b,
                              int b_stride, long long b_next, const float *beta, float *c, int c_stride,
                              long long c_next, int batches) {
    for (int i = 0; i < batches; i++) {
        int code = cublasSgemm_v2(handle, a_operation, b_operation, m, n, k, alpha, a + i * a_next, a_stride,
                                  b + i * b_next, b_stride, beta, c + i * c_next, c_stride);
        if (code != SUCCESS) {
            return code;
        }
    }
    return SUCCESS;
}
}
