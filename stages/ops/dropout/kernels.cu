// Dropout; see mod.rs.

// Drops or scales a value of the span at `index`. The random bits of a pair of spans are SplitMix64 of the pair's index
// (Steele, Lea and Flood, 2014): the lower half for the first span, the upper half for the second.
__device__ __forceinline__ float masked(float value, unsigned index, long long key, long long threshold, float scale) {
    unsigned long long bits = (unsigned long long)key + (index / 2 + 1ull) * 0x9e3779b97f4a7c15ull;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ull;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebull;
    bits ^= bits >> 31;
    unsigned half = index % 2 ? (unsigned)(bits >> 32) : (unsigned)bits;
    return half < (unsigned long long)threshold ? 0.0f : value * scale;
}

KERNEL forward(const float *input, float *output, int count, int span, long long key, long long threshold, float scale) {
    for (EACH(index, count)) {
        output[index] = masked(input[index], index / (unsigned)span, key, threshold, scale);
    }
}

// Adds to the gradient of the input.
KERNEL backward(const float *incoming, float *to_input, int count, int span, long long key, long long threshold, float scale) {
    for (EACH(index, count)) {
        to_input[index] += masked(incoming[index], index / (unsigned)span, key, threshold, scale);
    }
}
