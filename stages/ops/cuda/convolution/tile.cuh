// The product of a tile of A (BK x BM, or BM x BK) and a tile of B, by a block of 8 warps, from shared memory
// into registers. Each warp computes WM rows and WN columns of the BM x BN results, in pieces of 16x8. In each
// piece, a thread holds four results, as tensor cores assign them: (group, 2 * lane4), (group, 2 * lane4 + 1),
// and the two that are 8 rows below these.
//
// Compiled with:
//     BM    rows of results: 16, 32, 64 or 128
//     TF32  1: tensor cores; operands are rounded when they are written to shared memory. 0: float32

#define BN 128
#define THREADS 256
#define WARPS_M (BM >= 64 ? 2 : 1)
#define WARPS_N (8 / WARPS_M)
#define WM (BM / WARPS_M)
#define WN (BN / WARPS_N)
#define PIECES_M (WM / 16)
#define PIECES_N (WN / 8)

struct Place {
    int group, lane4, row, column;

    __device__ __forceinline__ Place() {
        int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        group = lane / 4;
        lane4 = lane % 4;
        row = warp / WARPS_N * WM;
        column = warp % WARPS_N * WN;
    }
};

typedef float Results[PIECES_M][PIECES_N][4];

__device__ __forceinline__ void clear(Results &results) {
#pragma unroll
    for (int i = 0; i < PIECES_M; i++) {
#pragma unroll
        for (int j = 0; j < PIECES_N; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                results[i][j][e] = 0.0f;
            }
        }
    }
}

// Returns an operand as it is stored in shared memory.
__device__ __forceinline__ float operand(float value) {
#if TF32
    return __uint_as_float(to_tf32(value));
#else
    return value;
#endif
}

// Adds the product of two tiles to the results. Element (m, k) of A is at a[m * A_M + k * A_K], and element
// (k, n) of B is at b[k * B_K + n * B_N]. DEPTH is the range of k, a multiple of 8.
template <int A_M, int A_K, int B_K, int B_N, int DEPTH>
__device__ __forceinline__ void multiply(const float *a, const float *b, const Place &place, Results &results) {
#if TF32
#pragma unroll
    for (int k = 0; k < DEPTH; k += 8) {
        unsigned left[PIECES_M][4], right[PIECES_N][2];
#pragma unroll
        for (int i = 0; i < PIECES_M; i++) {
            const float *at = a + (place.row + i * 16 + place.group) * A_M + (k + place.lane4) * A_K;
            left[i][0] = __float_as_uint(at[0]);
            left[i][1] = __float_as_uint(at[8 * A_M]);
            left[i][2] = __float_as_uint(at[4 * A_K]);
            left[i][3] = __float_as_uint(at[8 * A_M + 4 * A_K]);
        }
#pragma unroll
        for (int j = 0; j < PIECES_N; j++) {
            const float *at = b + (k + place.lane4) * B_K + (place.column + j * 8 + place.group) * B_N;
            right[j][0] = __float_as_uint(at[0]);
            right[j][1] = __float_as_uint(at[4 * B_K]);
        }
#pragma unroll
        for (int i = 0; i < PIECES_M; i++) {
#pragma unroll
            for (int j = 0; j < PIECES_N; j++) {
                mma_tf32(results[i][j], left[i], right[j]);
            }
        }
    }
#else
#pragma unroll 4
    for (int k = 0; k < DEPTH; k++) {
        float left[PIECES_M][2], right[PIECES_N][2];
#pragma unroll
        for (int i = 0; i < PIECES_M; i++) {
            const float *at = a + (place.row + i * 16 + place.group) * A_M + k * A_K;
            left[i][0] = at[0];
            left[i][1] = at[8 * A_M];
        }
#pragma unroll
        for (int j = 0; j < PIECES_N; j++) {
            const float *at = b + k * B_K + (place.column + j * 8 + 2 * place.lane4) * B_N;
            right[j][0] = at[0];
            right[j][1] = at[B_N];
        }
#pragma unroll
        for (int i = 0; i < PIECES_M; i++) {
#pragma unroll
            for (int j = 0; j < PIECES_N; j++) {
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    results[i][j][e] = fmaf(left[i][e / 2], right[j][e % 2], results[i][j][e]);
                }
            }
        }
    }
#endif
}

// Row and column of a thread's result `e` of piece (i, j) in the block's tile.
__device__ __forceinline__ int row_of(const Place &place, int i, int e) {
    return place.row + i * 16 + place.group + e / 2 * 8;
}

__device__ __forceinline__ int column_of(const Place &place, int j, int e) {
    return place.column + j * 8 + 2 * place.lane4 + e % 2;
}

