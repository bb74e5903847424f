// Sum of two tensors.

KERNEL forward(const float *left, const float *right, float *output, int count) {
    for (EACH(index, count)) {
        output[index] = left[index] + right[index];
    }
}

// Adds to the gradient of a term.
KERNEL backward(const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        to_input[index] += incoming[index];
    }
}
