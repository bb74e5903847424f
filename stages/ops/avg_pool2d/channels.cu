// PIXELS  values of a channel

#define THREADS 256

// Block (channel): its mean.
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

// Adds to every input value its share of its channel's gradient.
KERNEL backward(const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        to_input[index] += incoming[index / PIXELS] / PIXELS;
    }
}
