// Max pooling over whole channels. Compiled with:
//     PIXELS  values in a channel

#define THREADS 256

// Whether the value at `place` wins against the best one so far. NaN wins against numbers, and the first of equal
// values wins.
__device__ __forceinline__ bool wins(float value, unsigned place, float best, unsigned best_place) {
    bool nan = value != value, best_nan = best != best;
    if (nan || best_nan) {
        return nan && (!best_nan || place < best_place);
    }
    return value > best || (value == best && place < best_place);
}

// One block per channel; writes the channel's maximum, and its index in the channel.
KERNEL forward(const float *input, float *output, unsigned *places) {
    __shared__ float values[THREADS];
    __shared__ unsigned at[THREADS];
    const float *channel = input + blockIdx.x * PIXELS;
    // Threads beyond the channel repeat its first value.
    unsigned place = threadIdx.x < PIXELS ? threadIdx.x : 0;
    float best = channel[place];
    for (unsigned pixel = place + THREADS; pixel < PIXELS; pixel += THREADS) {
        if (wins(channel[pixel], pixel, best, place)) {
            best = channel[pixel];
            place = pixel;
        }
    }
    values[threadIdx.x] = best;
    at[threadIdx.x] = place;
    __syncthreads();
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        unsigned other = threadIdx.x + half;
        if (threadIdx.x < half && wins(values[other], at[other], values[threadIdx.x], at[threadIdx.x])) {
            values[threadIdx.x] = values[other];
            at[threadIdx.x] = at[other];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        output[blockIdx.x] = values[0];
        places[blockIdx.x] = at[0];
    }
}

// Adds the gradient of every channel's maximum to that of the input value that it is.
KERNEL backward(const float *incoming, const unsigned *places, float *to_input, int channels) {
    for (EACH(channel, channels)) {
        to_input[channel * PIXELS + places[channel]] += incoming[channel];
    }
}
