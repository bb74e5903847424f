// The gradient of a convolution's weight: for every filter f, channel c and tap (i, j), the sum over images
// and positions (y, x) of outputs[f][y][x] * source[c][y * STEP + i + first_y][x * STEP + j + first_x]. This
// is a product of matrices with a very long common dimension, which is divided into pieces; `add_parts` adds
// up their sums.
//
// Compiled with:
//     CHANNELS, HEIGHT, WIDTH  size of a source image
//     TAPS_Y, TAPS_X           size of a window
//     STEP                     distance between positions in the source, in rows and columns
//     ROWS, COLUMNS            positions per image
//     FILTERS                  channels of the outputs
//     BM                       filters per block: 16, 32 or 64
//     POOLED                   1: the outputs were pooled to (ROWS / 2) x (COLUMNS / 2) maxima of 2x2, and
//                              `places` has the index of each maximum in its window: 2 * row + column

#define BK 32
// Length of a row in shared memory, such that the threads of a warp read their operands from different banks.
#define ROW (BK + 4)

#define TAPS (TAPS_Y * TAPS_X)
#define WEIGHTS (CHANNELS * TAPS)
#define PIXELS (HEIGHT * WIDTH)
#define POSITIONS (ROWS * COLUMNS)
#if POOLED
#define OUT_COLUMNS (COLUMNS / 2)
#define OUT_ROWS (ROWS / 2)
#else
#define OUT_COLUMNS COLUMNS
#define OUT_ROWS ROWS
#endif
#define OUT_PIXELS (OUT_ROWS * OUT_COLUMNS)

// Block (weights of a filter, filters, piece of the positions) writes partial[piece][filter][weight]. A piece has
// `piece` positions, a multiple of BK.
extern "C" __global__ void __launch_bounds__(THREADS, BM >= 128 ? 1 : 2)
    weight_gradient(const float *source, const float *outputs, const unsigned char *places, float *partial, int images,
                    int piece, int first_y, int first_x) {
    __shared__ float a[BM * ROW];
    __shared__ float b[BN * ROW];
    // For every column of the block: the distance of its channel and tap from a window's first value in the
    // source, and its tap. Columns beyond the last weight get a row index beyond any image.
    __shared__ int offset[BN], tap_y[BN], tap_x[BN];

    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    if (threadIdx.x < BN) {
        int weight = blockIdx.x * BN + threadIdx.x;
        int channel = weight / TAPS, i = weight % TAPS / TAPS_X, j = weight % TAPS_X;
        offset[threadIdx.x] = channel * PIXELS + i * WIDTH + j;
        tap_y[threadIdx.x] = weight < WEIGHTS ? i : 1 << 30;
        tap_x[threadIdx.x] = j;
    }
    Place place;
    Results results;
    clear(results);

    int begin = blockIdx.z * piece, end = min(begin + piece, images * POSITIONS);
    const int A_EACH = BM / 8, B_EACH = BN / 8;
    float from_a[A_EACH], from_b[B_EACH];

    // A warp reads 32 positions of a row of A and of a row of B.
    auto fetch = [&](int first) {
        int position = first + lane;
        bool inside = position < end;
        int image = position / POSITIONS, at = position % POSITIONS;
        int y = at / COLUMNS, x = at % COLUMNS;
#pragma unroll
        for (int i = 0; i < A_EACH; i++) {
            int filter = blockIdx.y * BM + warp + i * 8;
            bool wanted = inside && filter < FILTERS;
#if POOLED
            wanted = wanted && y / 2 < OUT_ROWS && x / 2 < OUT_COLUMNS;
            int value = (image * FILTERS + filter) * OUT_PIXELS + y / 2 * OUT_COLUMNS + x / 2;
            from_a[i] = wanted && places[value] == y % 2 * 2 + x % 2 ? outputs[value] : 0.0f;
#else
            from_a[i] = wanted ? outputs[(image * FILTERS + filter) * OUT_PIXELS + at] : 0.0f;
#endif
        }
        int row = y * STEP + first_y, column = x * STEP + first_x;
        int start = image * (CHANNELS * PIXELS) + row * WIDTH + column;
#pragma unroll
        for (int i = 0; i < B_EACH; i++) {
            int n = warp + i * 8;
            bool wanted =
                inside && (unsigned)(row + tap_y[n]) < HEIGHT && (unsigned)(column + tap_x[n]) < WIDTH;
            from_b[i] = wanted ? source[start + offset[n]] : 0.0f;
        }
    };

    __syncthreads();
    if (begin < end) {
        fetch(begin);
    }
    for (int first = begin; first < end; first += BK) {
#pragma unroll
        for (int i = 0; i < A_EACH; i++) {
            a[(warp + i * 8) * ROW + lane] = operand(from_a[i]);
        }
#pragma unroll
        for (int i = 0; i < B_EACH; i++) {
            b[(warp + i * 8) * ROW + lane] = operand(from_b[i]);
        }
        __syncthreads();
        if (first + BK < end) {
            fetch(first + BK);
        }
        multiply<ROW, 1, 1, ROW, BK>(a, b, place, results);
        __syncthreads();
    }

#pragma unroll
    for (int i = 0; i < PIECES_M; i++) {
#pragma unroll
        for (int j = 0; j < PIECES_N; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int filter = blockIdx.y * BM + row_of(place, i, e);
                int weight = blockIdx.x * BN + column_of(place, j, e);
                if (filter < FILTERS && weight < WEIGHTS) {
                    partial[(blockIdx.z * FILTERS + filter) * WEIGHTS + weight] = results[i][j][e];
                }
            }
        }
    }
}

// Adds the sums of all pieces to the weight's gradient.
KERNEL add_parts(const float *partial, float *gradient, int parts) {
    for (EACH(index, FILTERS * WEIGHTS)) {
        float sum = 0.0f;
        for (int part = 0; part < parts; part++) {
            sum += partial[part * (FILTERS * WEIGHTS) + index];
        }
        gradient[index] += sum;
    }
}
