// Products of channels with factors. Compiled with:
//     PIXELS  values in a channel

#define THREADS 256

KERNEL add_scaled(const float *from, const float *factors, float *to, int count) {
    for (EACH(index, count)) {
        to[index] += factors[index / PIXELS] * from[index];
    }
}

// One block per channel; adds to the gradient of the channel's factor.
KERNEL factor_gradient(const float *x, const float *incoming, float *to_factors) {
    __shared__ float shared[THREADS];
    float sum = 0.0f;
    for (unsigned pixel = threadIdx.x; pixel < PIXELS; pixel += THREADS) {
        unsigned at = blockIdx.x * PIXELS + pixel;
        sum += incoming[at] * x[at];
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) {
        to_factors[blockIdx.x] += sum;
    }
}
