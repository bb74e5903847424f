// Bias and activation of a layer, and their backward pass. Compiled with:
//     ACTIVATION  index of the function, see prelude.cuh
//     CHANNELS    channels of the layer's output
//     PIXELS      values in a channel

#define THREADS 256

// Turns the gradient of the layer's output into the gradient of the values before its activation, and sums it
// per channel. Block (channel, slice) processes every gridDim.y-th piece of THREADS values of its channel,
// over all images, and writes its sum to partial[channel * slices + slice].
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

// Adds the bias and applies the activation, in place.
KERNEL add_bias(float *values, const float *bias, int count) {
    for (EACH(index, count)) {
        values[index] = activate(values[index] + bias[index / PIXELS % CHANNELS]);
    }
}

// Adds the sums of every channel's slices to the gradient of the bias.
KERNEL add_partial(const float *partial, float *bias, int slices) {
    for (EACH(channel, CHANNELS)) {
        float sum = 0.0f;
        for (int slice = 0; slice < slices; slice++) {
            sum += partial[channel * slices + slice];
        }
        bias[channel] += sum;
    }
}
