// Concatenation of channels, one input at a time. Compiled with:
//     SIZE    values of an image of the input
//     OFFSET  index of the input's first value in an image of the output
//     TOTAL   values of an image of the output

__device__ __forceinline__ unsigned place(unsigned index) {
    return index / SIZE * TOTAL + OFFSET + index % SIZE;
}

KERNEL forward(const float *input, float *output, int count) {
    for (EACH(index, count)) {
        output[place(index)] = input[index];
    }
}

// Adds to the gradient of the input.
KERNEL backward(const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        to_input[index] += incoming[place(index)];
    }
}
