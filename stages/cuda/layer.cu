// A layer's bias and activation, and the way back through them.
//
// ACTIVATION  which function
// CHANNELS    of the layer's output
// PIXELS      values of a channel

#define THREADS 256

// Makes the gradient of the layer's output that of the values before its activation, and sums it per
// channel: block (channel, slice) takes every gridDim.y-th piece of THREADS values of its channel, over
// all images, and leaves its sum in partial[channel * slices + slice].
KERNEL before_activation(const float *output, float *gradient, float *partial, int images) {
    __shared__ float shared[THREADS];
    unsigned channel = blockIdx.x;
    unsigned count = (unsigned)images * PIXELS;
    float sum = 0.0f;
    for (unsigned value = blockIdx.y * THREADS + threadIdx.x; value < count; value += gridDim.y * THREADS) {
        unsigned image = value / PIXELS;
        unsigned at = (image * CHANNELS + channel) * PIXELS + value % PIXELS;
        float g = gradient[at] * derivative(output[at]);
#if ACTIVATION != LINEAR
        gradient[at] = g;
#endif
        sum += g;
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        partial[channel * gridDim.y + blockIdx.y] = sum;
    }
}

// Makes values what a layer gives of them.
KERNEL add_bias(float *values, const float *bias, int count) {
    for (EACH(index, count)) {
        values[index] = activate(values[index] + bias[index / PIXELS % CHANNELS]);
    }
}

// Adds the slices' sums of every channel to the bias' gradient.
KERNEL add_partial(const float *partial, float *bias, int slices) {
    for (EACH(channel, CHANNELS)) {
        float sum = 0.0f;
        for (int slice = 0; slice < slices; slice++) {
            sum += partial[channel * slices + slice];
        }
        bias[channel] += sum;
    }
}
