// Means of whole channels. Compiled with:
//     PIXELS  values in a channel

#define THREADS 256

// One block per channel; writes the channel's mean.
KERNEL forward(const float *input, float *output) {
    __shared__ float shared[THREADS];
    float sum = 0.0f;
    for (unsigned pixel = threadIdx.x; pixel < PIXELS; pixel += THREADS) {
        sum += input[blockIdx.x * PIXELS + pixel];
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        output[blockIdx.x] = sum / PIXELS;
    }
}

// Adds an equal share of the channel's gradient to the gradient of every input value.
KERNEL backward(const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        to_input[index] += incoming[index / PIXELS] / PIXELS;
    }
}
