// Batch normalization. Compiled with:
//     CHANNELS  channels of an image
//     PIXELS    values in a channel of an image

#define THREADS 256

// Loop over the values of a channel in all images: `value` is the index in the channel, `at` the index in the
// tensor.
#define EACH_OF_CHANNEL(channel, images)                                                                         \
    unsigned value = blockIdx.y * THREADS + threadIdx.x, at = place(value, channel);                             \
    value < (unsigned)(images) * PIXELS;                                                                         \
    value += gridDim.y * THREADS, at = place(value, channel)

__device__ __forceinline__ unsigned place(unsigned value, unsigned channel) {
    return (value / PIXELS * CHANNELS + channel) * PIXELS + value % PIXELS;
}

// Stores the two sums of block (channel, slice) for the next kernel.
__device__ __forceinline__ void store_partial(double first, double second, double *partial) {
    __shared__ double shared[THREADS];
    first = sum_of_block(first, shared);
    second = sum_of_block(second, shared);
    if (threadIdx.x == 0) {
        unsigned block = blockIdx.x * gridDim.y + blockIdx.y;
        partial[2 * block] = first;
        partial[2 * block + 1] = second;
    }
}

// Adds up the two sums of a channel over its slices.
__device__ __forceinline__ void sum_partials(const double *partial, unsigned channel, int slices, double &first,
                                             double &second) {
    first = 0.0;
    second = 0.0;
    for (int slice = 0; slice < slices; slice++) {
        first += partial[2 * (channel * slices + slice)];
        second += partial[2 * (channel * slices + slice) + 1];
    }
}

// Block (channel, slice): computes the sums of the values and of their squares in double precision, which can
// hold the square of any float.
KERNEL moments(const float *x, double *partial, int images) {
    double sum = 0.0, squares = 0.0;
    for (EACH_OF_CHANNEL(blockIdx.x, images)) {
        double v = x[at];
        sum += v;
        squares += v * v;
    }
    store_partial(sum, squares, partial);
}

// statistics[0][channel] is the mean, statistics[1][channel] is 1 / sqrt(variance + epsilon).
KERNEL finish_moments(const double *partial, float *statistics, float *running_mean, float *running_variance,
                      int slices, int images, float momentum, float epsilon) {
    for (EACH(channel, CHANNELS)) {
        double sum, squares;
        sum_partials(partial, channel, slices, sum, squares);
        double count = (double)images * PIXELS, mean = sum / count, variance = squares / count - mean * mean;
        // Rounding may make the variance negative. NaN stays NaN.
        variance = variance < 0.0 ? 0.0 : variance;
        statistics[channel] = (float)mean;
        statistics[CHANNELS + channel] = 1.0f / sqrtf((float)variance + epsilon);
        running_mean[channel] = momentum * running_mean[channel] + (1.0f - momentum) * (float)mean;
        running_variance[channel] = momentum * running_variance[channel] + (1.0f - momentum) * (float)variance;
    }
}

KERNEL running_statistics(const float *mean, const float *variance, float *statistics, float epsilon) {
    for (EACH(channel, CHANNELS)) {
        statistics[channel] = mean[channel];
        statistics[CHANNELS + channel] = 1.0f / sqrtf(variance[channel] + epsilon);
    }
}

KERNEL normalize(const float *x, const float *statistics, const float *scale, const float *shift, float *output,
                 int count) {
    for (EACH(index, count)) {
        unsigned channel = index / PIXELS % CHANNELS;
        float factor = statistics[CHANNELS + channel] * scale[channel];
        output[index] = (x[index] - statistics[channel]) * factor + shift[channel];
    }
}

// Block (channel, slice): computes the sums of the gradient, and of the gradient times the normalized input.
KERNEL gradient_moments(const float *x, const float *statistics, const float *incoming, double *partial, int images) {
    float mean = statistics[blockIdx.x], inverse = statistics[CHANNELS + blockIdx.x];
    double sum = 0.0, product = 0.0;
    for (EACH_OF_CHANNEL(blockIdx.x, images)) {
        double g = incoming[at];
        sum += g;
        product += g * ((x[at] - mean) * inverse);
    }
    store_partial(sum, product, partial);
}

// sums[0][channel] and sums[1][channel] are the sums of `gradient_moments` over all slices. They are also
// added to the gradients of shift and scale, unless those pointers are null.
KERNEL finish_gradient(const double *partial, float *sums, float *to_scale, float *to_shift, int slices) {
    for (EACH(channel, CHANNELS)) {
        double sum, product;
        sum_partials(partial, channel, slices, sum, product);
        sums[channel] = (float)sum;
        sums[CHANNELS + channel] = (float)product;
        if (to_scale) {
            to_scale[channel] += (float)product;
            to_shift[channel] += (float)sum;
        }
    }
}

// Adds to the gradient of the input. With n the normalized input and m the number of values in a channel:
// dx = scale / deviation * (dy - (sum dy + n * sum (dy * n)) / m).
KERNEL input_gradient(const float *x, const float *statistics, const float *scale, const float *sums,
                      const float *incoming, float *to_input, int count, float per_channel) {
    for (EACH(index, count)) {
        unsigned channel = index / PIXELS % CHANNELS;
        float inverse = statistics[CHANNELS + channel];
        float normalized = (x[index] - statistics[channel]) * inverse;
        float constant = sums[channel] / per_channel, slope = sums[CHANNELS + channel] / per_channel;
        to_input[index] += scale[channel] * inverse * (incoming[index] - constant - slope * normalized);
    }
}

KERNEL running_gradient(const float *statistics, const float *scale, const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        unsigned channel = index / PIXELS % CHANNELS;
        to_input[index] += scale[channel] * statistics[CHANNELS + channel] * incoming[index];
    }
}
