// Convolution with groups of channels, with gaps between the pixels of a window, or with different strides in both
// directions, one sum for each thread. Compiled with:
//     GROUPS, CHANNELS, FILTERS  groups, and channels and filters of each
//     HEIGHT, WIDTH              size of an image
//     TAPS_Y, TAPS_X             size of the kernel
//     STEP_Y, STEP_X             distance between windows
//     GAP_Y, GAP_X               distance between the pixels that a window meets
//     TOP, LEFT                  rows and columns of zeros before the image
//     ROWS, COLUMNS              windows of an image

#define THREADS 256
#define PIXELS (HEIGHT * WIDTH)
#define WINDOWS (ROWS * COLUMNS)
#define TAPS (TAPS_Y * TAPS_X)

// Adds the filters' products with every window to the bias, and applies the activation.
KERNEL correlate(const float *images, const float *weight, const float *bias, float *output, int count) {
    for (EACH(index, count)) {
        int window = index % WINDOWS, filter = index / WINDOWS % (GROUPS * FILTERS);
        int image = index / WINDOWS / (GROUPS * FILTERS), group = filter / FILTERS;
        int first_y = window / COLUMNS * STEP_Y - TOP, first_x = window % COLUMNS * STEP_X - LEFT;
        const float *from = images + (image * GROUPS + group) * (CHANNELS * PIXELS);
        const float *taps = weight + filter * (CHANNELS * TAPS);
        float sum = 0.0f;
        for (int channel = 0; channel < CHANNELS; channel++) {
            for (int tap = 0; tap < TAPS; tap++) {
                int y = first_y + tap / TAPS_X * GAP_Y, x = first_x + tap % TAPS_X * GAP_X;
                if ((unsigned)y < HEIGHT && (unsigned)x < WIDTH) {
                    sum += taps[channel * TAPS + tap] * from[channel * PIXELS + y * WIDTH + x];
                }
            }
        }
        output[index] = activate(sum + bias[filter]);
    }
}

// For every pixel, adds the products of the filters and their outputs at the windows that meet the pixel.
KERNEL spread(const float *outputs, const float *weight, float *images, int count) {
    for (EACH(index, count)) {
        int pixel = index % PIXELS, channel = index / PIXELS % CHANNELS;
        int group = index / PIXELS / CHANNELS % GROUPS, image = index / PIXELS / CHANNELS / GROUPS;
        int y = pixel / WIDTH + TOP, x = pixel % WIDTH + LEFT;
        float sum = 0.0f;
        for (int own = 0; own < FILTERS; own++) {
            int filter = group * FILTERS + own;
            const float *from = outputs + (image * GROUPS * FILTERS + filter) * WINDOWS;
            const float *taps = weight + (filter * CHANNELS + channel) * TAPS;
            for (int tap = 0; tap < TAPS; tap++) {
                int row = y - tap / TAPS_X * GAP_Y, column = x - tap % TAPS_X * GAP_X;
                if (row >= 0 && column >= 0 && row % STEP_Y == 0 && column % STEP_X == 0 && row / STEP_Y < ROWS &&
                    column / STEP_X < COLUMNS) {
                    sum += taps[tap] * from[row / STEP_Y * COLUMNS + column / STEP_X];
                }
            }
        }
        images[index] += sum;
    }
}

// Block `weight`: adds the products of the outputs' gradient and the values that one weight meets.
KERNEL weight_gradient(const float *images, const float *outputs, float *gradient, int count) {
    __shared__ double shared[THREADS];
    int tap = blockIdx.x % TAPS, channel = blockIdx.x / TAPS % CHANNELS, filter = blockIdx.x / TAPS / CHANNELS;
    int group = filter / FILTERS;
    int first_y = tap / TAPS_X * GAP_Y - TOP, first_x = tap % TAPS_X * GAP_X - LEFT;
    double sum = 0.0;
    for (int index = threadIdx.x; index < count; index += THREADS) {
        int window = index % WINDOWS, image = index / WINDOWS;
        int y = window / COLUMNS * STEP_Y + first_y, x = window % COLUMNS * STEP_X + first_x;
        if ((unsigned)y < HEIGHT && (unsigned)x < WIDTH) {
            float value = images[((image * GROUPS + group) * CHANNELS + channel) * PIXELS + y * WIDTH + x];
            sum += value * outputs[(image * GROUPS * FILTERS + filter) * WINDOWS + window];
        }
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        gradient[blockIdx.x] += (float)sum;
    }
}
