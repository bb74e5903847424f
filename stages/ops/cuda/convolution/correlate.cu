// Convolution as a product of two matrices. The right matrix is never written to memory: each of its columns
// contains the source values in one window, which are gathered when a tile is copied to shared memory.
//
// Output channel m at a position (y, x) of the grid is the sum over taps (i, j) and source channels c of
// packed[(i, j), c][m] * source[c][y * STEP + i + first_y][x * STEP + j + first_x], where values outside of
// the source are zero. Filters over images and output gradients back to images both have this form.
//
// Compiled with:
//     CHANNELS, HEIGHT, WIDTH              size of a source image
//     TAPS_Y, TAPS_X                       size of a window
//     STEP                                 distance between positions in the source, in rows and columns
//     ROWS, COLUMNS                        positions per image
//     OUT_CHANNELS, OUT_HEIGHT, OUT_WIDTH  size of an output image
//     OUT_STEP                             distance between positions in the output, in rows and columns
//     BM                                   output channels per block: 16, 32, 64 or 128
//     POOLED_SOURCE                        1: the source is the gradient of 2x2 maxima, (HEIGHT / 2) x
//                                          (WIDTH / 2), and `source_places` has the index of each maximum
//                                          in its window: 2 * row + column
//     FINISH                               what to do with the sums: one of the constants below
//     SPLITS                               blocks that share a sum

// output = activate(sum + bias)
#define STORE 0
// output += sum
#define ADD 1
// Like STORE, for the largest of 2x2 positions; `places` gets its index, 2 * row + column.
#define POOL 2

#define BK 16
#define A_ROW (BM + 8)
#define B_ROW (BN + 8)

// Channels are padded to whole tiles, so that every tile has only one tap. If there are fewer channels than a tile
// has, they are not padded.
#if CHANNELS >= BK
#define PADDED_CHANNELS ((CHANNELS + BK - 1) / BK * BK)
#else
#define PADDED_CHANNELS CHANNELS
#endif
#define DEPTH_USED (TAPS_Y * TAPS_X * PADDED_CHANNELS)
#define TILES ((DEPTH_USED + BK - 1) / BK)
#define PADDED_OUT ((OUT_CHANNELS + BM - 1) / BM * BM)

#define PIXELS (HEIGHT * WIDTH)
#define SOURCE_COLUMNS (POOLED_SOURCE ? WIDTH / 2 : WIDTH)
#define SOURCE_ROWS (POOLED_SOURCE ? HEIGHT / 2 : HEIGHT)
#define SOURCE_PIXELS (SOURCE_ROWS * SOURCE_COLUMNS)
#define OUT_PIXELS (OUT_HEIGHT * OUT_WIDTH)

#if FINISH == POOL
#define CELL_ROWS (ROWS / 2)
#define CELL_COLUMNS (COLUMNS / 2)
#define COLUMNS_PER_CELL 4
#else
#define CELL_ROWS ROWS
#define CELL_COLUMNS COLUMNS
#define COLUMNS_PER_CELL 1
#endif
#define CELLS (CELL_ROWS * CELL_COLUMNS)

// Copies the weight to the layout that the product reads: packed[k][m], with zeros as padding. Tap (i, j) is
// row first_y + i * step_y and column first_x + j * step_x of the kernel. In the weight, output channels are
// per_out values apart and source channels per_channel values.
KERNEL pack(const float *weight, float *packed, int per_out, int per_channel, int kernel_width, int first_y,
            int step_y, int first_x, int step_x) {
    for (EACH(index, TILES * BK * PADDED_OUT)) {
        int m = index % PADDED_OUT, k = index / PADDED_OUT;
        float value = 0.0f;
#if TILES > 0
        int tap = k / PADDED_CHANNELS, channel = k % PADDED_CHANNELS;
        if (k < DEPTH_USED && channel < CHANNELS && m < OUT_CHANNELS) {
            int y = first_y + tap / TAPS_X * step_y, x = first_x + tap % TAPS_X * step_x;
            value = weight[m * per_out + channel * per_channel + y * kernel_width + x];
        }
#endif
        packed[index] = operand(value);
    }
}

// The window that a thread gathers for its column of B.
struct Window {
    bool inside;
    int y, x;
    // Index of the image's first value.
    int image;

    // `column` is a column of the block. It stands for a position or, with pooling, for one of a cell's four
    // positions. 16 columns hold four cells, arranged so that a thread's four results in two neighboring pieces
    // belong to one cell.
    __device__ __forceinline__ Window(int column, int images, int first_y, int first_x) {
#if FINISH == POOL
        int cell = blockIdx.x * (BN / 4) + column / 16 * 4 + column % 8 / 2;
        int dy = column % 16 / 8, dx = column % 2;
#else
        int cell = blockIdx.x * BN + column;
        int dy = 0, dx = 0;
#endif
        int at = cell % CELLS;
        inside = cell < images * CELLS;
#if FINISH == POOL
        y = (at / CELL_COLUMNS * 2 + dy) * STEP + first_y;
        x = (at % CELL_COLUMNS * 2 + dx) * STEP + first_x;
#else
        y = (at / CELL_COLUMNS + dy) * STEP + first_y;
        x = (at % CELL_COLUMNS + dx) * STEP + first_x;
#endif
        image = cell / CELLS * (CHANNELS * SOURCE_PIXELS);
    }

    // Returns the source's value at tap (i, j) and a channel, or 0 outside of the source.
    __device__ __forceinline__ float read(const float *source, const unsigned char *places, int i, int j,
                                          int channel, bool wanted) const {
        int row = y + i, column = x + j;
        wanted = wanted && inside && (unsigned)row < HEIGHT && (unsigned)column < WIDTH;
#if POOLED_SOURCE
        int at = image + channel * SOURCE_PIXELS + row / 2 * SOURCE_COLUMNS + column / 2;
        wanted = wanted && row / 2 < SOURCE_ROWS && column / 2 < SOURCE_COLUMNS;
        return wanted && places[at] == row % 2 * 2 + column % 2 ? source[at] : 0.0f;
#else
        return wanted ? source[image + channel * PIXELS + row * WIDTH + column] : 0.0f;
#endif
    }
};

// Returns the index of a cell in the output's first channel, or -1 if there is no such cell.
__device__ __forceinline__ int out_of_cell(int cell, int images, int out_y, int out_x) {
    if (cell >= images * CELLS) {
        return -1;
    }
    int at = cell % CELLS;
    int y = at / CELL_COLUMNS * OUT_STEP + out_y, x = at % CELL_COLUMNS * OUT_STEP + out_x;
    return cell / CELLS * (OUT_CHANNELS * OUT_PIXELS) + y * OUT_WIDTH + x;
}

__device__ __forceinline__ void finish(float sum, int m, int at, const float *bias, float *output) {
#if FINISH == ADD
    output[at] += sum;
#else
    output[at] = activate(sum + bias[m]);
#endif
}

// Block (columns, output channels, part of the depth) computes one tile of the output. With SPLITS > 1, the sums
// are written to `partial`[part][output channel][column].
extern "C" __global__ void __launch_bounds__(THREADS, BM >= 128 ? 1 : 2)
    correlate(const float *source, const unsigned char *source_places, const float *packed, const float *bias,
              float *output, unsigned char *places, float *partial, int images, int first_y, int first_x, int out_y,
              int out_x) {
    __shared__ __align__(16) float a[2][BK * A_ROW];
    __shared__ float b[2][BK * B_ROW];
    __shared__ int out_at[BN / COLUMNS_PER_CELL];

    int column = threadIdx.x % BN, first_row = threadIdx.x / BN;
    Window window(column, images, first_y, first_x);
    if (threadIdx.x < BN / COLUMNS_PER_CELL) {
        int cell = blockIdx.x * (BN / COLUMNS_PER_CELL) + threadIdx.x;
        out_at[threadIdx.x] = out_of_cell(cell, images, out_y, out_x);
    }
    Place place;
    Results results;
    clear(results);

    const int tiles = (TILES + SPLITS - 1) / SPLITS;
    int tile = blockIdx.z * tiles, end = min(tile + tiles, TILES);

    // Registers for the next tile, between global and shared memory.
    const int A_VECTORS = BK * BM / 4;
    const int A_EACH = (A_VECTORS + THREADS - 1) / THREADS;
    const int B_EACH = BK * BN / THREADS;
    float4 from_a[A_EACH];
    float from_b[B_EACH];

    const float *packed_block = packed + blockIdx.y * BM;
    auto fetch = [&](int tile) {
#pragma unroll
        for (int i = 0; i < A_EACH; i++) {
            int vector = threadIdx.x + i * THREADS;
            if (A_VECTORS % THREADS == 0 || vector < A_VECTORS) {
                int k = vector / (BM / 4), m = vector % (BM / 4) * 4;
                from_a[i] = *(const float4 *)(packed_block + (tile * BK + k) * PADDED_OUT + m);
            }
        }
#if CHANNELS >= BK
        int tap = tile * BK / PADDED_CHANNELS, channel = tile * BK % PADDED_CHANNELS + first_row;
#pragma unroll
        for (int i = 0; i < B_EACH; i++) {
            int c = channel + i * (THREADS / BN);
            from_b[i] = window.read(source, source_places, tap / TAPS_X, tap % TAPS_X, c,
                                    PADDED_CHANNELS == CHANNELS || c < CHANNELS);
        }
#elif TILES > 0
#pragma unroll
        for (int i = 0; i < B_EACH; i++) {
            int k = tile * BK + first_row + i * (THREADS / BN);
            int tap = k / CHANNELS;
            from_b[i] =
                window.read(source, source_places, tap / TAPS_X, tap % TAPS_X, k % CHANNELS, k < DEPTH_USED);
        }
#endif
    };
    auto put = [&](int buffer) {
#pragma unroll
        for (int i = 0; i < A_EACH; i++) {
            int vector = threadIdx.x + i * THREADS;
            if (A_VECTORS % THREADS == 0 || vector < A_VECTORS) {
                int k = vector / (BM / 4), m = vector % (BM / 4) * 4;
                *(float4 *)(&a[buffer][k * A_ROW + m]) = from_a[i];
            }
        }
#pragma unroll
        for (int i = 0; i < B_EACH; i++) {
            b[buffer][(first_row + i * (THREADS / BN)) * B_ROW + column] = operand(from_b[i]);
        }
    };

    if (tile < end) {
        fetch(tile);
        put(0);
    }
    __syncthreads();
    for (int buffer = 0; tile < end; tile++, buffer ^= 1) {
        if (tile + 1 < end) {
            fetch(tile + 1);
        }
        multiply<1, A_ROW, B_ROW, 1, BK>(a[buffer], b[buffer], place, results);
        if (tile + 1 < end) {
            put(buffer ^ 1);
        }
        __syncthreads();
    }

#if FINISH == POOL
#pragma unroll
    for (int i = 0; i < PIECES_M; i++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int m = blockIdx.y * BM + row_of(place, i, 2 * half);
#pragma unroll
            for (int j = 0; j < PIECES_N; j += 2) {
                int at = out_at[(place.column + j * 8) / 4 + place.lane4];
                if (m >= OUT_CHANNELS || at < 0) {
                    continue;
                }
                at += m * OUT_PIXELS;
                float best = results[i][j][2 * half];
                int which = 0;
#pragma unroll
                for (int e = 1; e < 4; e++) {
                    float value = results[i][j + e / 2][2 * half + e % 2];
                    // NaN wins.
                    if (value > best || value != value) {
                        best = value;
                        which = e;
                    }
                }
                finish(best, m, at, bias, output);
                places[at] = which;
            }
        }
    }
#else
#pragma unroll
    for (int i = 0; i < PIECES_M; i++) {
#pragma unroll
        for (int j = 0; j < PIECES_N; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int m = blockIdx.y * BM + row_of(place, i, e), column = column_of(place, j, e);
                if (m >= OUT_CHANNELS || out_at[column] < 0) {
                    continue;
                }
#if SPLITS > 1
                int columns = images * CELLS;
                partial[(blockIdx.z * OUT_CHANNELS + m) * columns + blockIdx.x * BN + column] = results[i][j][e];
#else
                finish(results[i][j][e], m, out_at[column] + m * OUT_PIXELS, bias, output);
#endif
            }
        }
    }
#endif
}

#if SPLITS > 1
// Adds up the sums of all parts of the depth.
KERNEL add_parts(const float *partial, const float *bias, float *output, int images, int out_y, int out_x) {
    int columns = images * CELLS;
    for (EACH(index, OUT_CHANNELS * columns)) {
        int m = index / columns, cell = index % columns;
        float sum = 0.0f;
        for (int part = 0; part < SPLITS; part++) {
            sum += partial[(part * OUT_CHANNELS + m) * columns + cell];
        }
        finish(sum, m, out_of_cell(cell, images, out_y, out_x) + m * OUT_PIXELS, bias, output);
    }
}
#endif
