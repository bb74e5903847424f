// Group normalization. A plane is a channel of an image. Compiled with:
//     CHANNELS  channels of an image
//     PIXELS    values in a plane
//     GROUP     planes in a group

#define THREADS 256

// Stores the two sums of the block's plane for the next kernel.
__device__ __forceinline__ void store_partial(double first, double second, double *partial) {
    __shared__ double shared[THREADS];
    first = sum_of_block(first, shared);
    second = sum_of_block(second, shared);
    if (threadIdx.x == 0) {
        partial[2 * blockIdx.x] = first;
        partial[2 * blockIdx.x + 1] = second;
    }
}

// Block `plane`: computes the sums of the values and of their squares in double precision, which can hold the square
// of any float.
KERNEL moments(const float *x, double *partial) {
    double sum = 0.0, squares = 0.0;
    for (unsigned pixel = threadIdx.x; pixel < PIXELS; pixel += THREADS) {
        double v = x[blockIdx.x * PIXELS + pixel];
        sum += v;
        squares += v * v;
    }
    store_partial(sum, squares, partial);
}

// statistics[2 * group] is the mean, statistics[2 * group + 1] is 1 / sqrt(variance + epsilon).
KERNEL finish_moments(const double *partial, float *statistics, int groups, float epsilon) {
    for (EACH(group, groups)) {
        double sum = 0.0, squares = 0.0;
        for (unsigned plane = group * GROUP; plane < (group + 1) * GROUP; plane++) {
            sum += partial[2 * plane];
            squares += partial[2 * plane + 1];
        }
        double count = (double)GROUP * PIXELS, mean = sum / count, variance = squares / count - mean * mean;
        // Rounding may make the variance negative. NaN stays NaN.
        variance = variance < 0.0 ? 0.0 : variance;
        statistics[2 * group] = (float)mean;
        statistics[2 * group + 1] = 1.0f / sqrtf((float)variance + epsilon);
    }
}

KERNEL normalize(const float *x, const float *statistics, const float *scale, const float *shift, float *output,
                 int count) {
    for (EACH(index, count)) {
        unsigned plane = index / PIXELS, group = plane / GROUP, channel = plane % CHANNELS;
        float factor = statistics[2 * group + 1] * scale[channel];
        output[index] = (x[index] - statistics[2 * group]) * factor + shift[channel];
    }
}

// Block `plane`: computes the sums of the gradient, and of the gradient times the normalized input.
KERNEL gradient_moments(const float *x, const float *statistics, const float *incoming, double *partial) {
    unsigned group = blockIdx.x / GROUP;
    float mean = statistics[2 * group], inverse = statistics[2 * group + 1];
    double sum = 0.0, product = 0.0;
    for (unsigned pixel = threadIdx.x; pixel < PIXELS; pixel += THREADS) {
        unsigned at = blockIdx.x * PIXELS + pixel;
        double g = incoming[at];
        sum += g;
        product += g * ((x[at] - mean) * inverse);
    }
    store_partial(sum, product, partial);
}

// Adds the sums of every channel over all images to the gradients of scale and shift.
KERNEL parameter_gradient(const double *partial, float *to_scale, float *to_shift, int images) {
    for (EACH(channel, CHANNELS)) {
        double sum = 0.0, product = 0.0;
        for (int image = 0; image < images; image++) {
            sum += partial[2 * (image * CHANNELS + channel)];
            product += partial[2 * (image * CHANNELS + channel) + 1];
        }
        to_scale[channel] += (float)product;
        to_shift[channel] += (float)sum;
    }
}

// sums[2 * group] and sums[2 * group + 1] are the means of `gradient_moments` over a group, each plane times its scale.
KERNEL finish_gradient(const double *partial, const float *scale, float *sums, int groups) {
    for (EACH(group, groups)) {
        double sum = 0.0, product = 0.0;
        for (unsigned plane = group * GROUP; plane < (group + 1) * GROUP; plane++) {
            sum += (double)scale[plane % CHANNELS] * partial[2 * plane];
            product += (double)scale[plane % CHANNELS] * partial[2 * plane + 1];
        }
        sums[2 * group] = (float)(sum / ((double)GROUP * PIXELS));
        sums[2 * group + 1] = (float)(product / ((double)GROUP * PIXELS));
    }
}

// Adds to the gradient of the input. With n the normalized input:
// dx = (scale * dy - mean(scale * dy) - n * mean(scale * dy * n)) / deviation.
KERNEL input_gradient(const float *x, const float *statistics, const float *scale, const float *sums,
                      const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        unsigned plane = index / PIXELS, group = plane / GROUP;
        float inverse = statistics[2 * group + 1];
        float normalized = (x[index] - statistics[2 * group]) * inverse;
        float change = scale[plane % CHANNELS] * incoming[index] - sums[2 * group] - sums[2 * group + 1] * normalized;
        to_input[index] += inverse * change;
    }
}
