// ACTIVATION  which function

KERNEL forward(const float *input, float *output, int count) {
    for (EACH(index, count)) {
        output[index] = activate(input[index]);
    }
}

// Adds to the input's gradient.
KERNEL backward(const float *output, const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        to_input[index] += incoming[index] * derivative(output[index]);
    }
}
