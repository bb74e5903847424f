// Activation functions. Compiled with:
//     ACTIVATION  index of the function, see prelude.cuh

KERNEL forward(const float *input, float *output, int count) {
    for (EACH(index, count)) {
        output[index] = activate(input[index]);
    }
}

// Adds to the gradient of the input. `kept` is that from which `derivative` is computed.
KERNEL backward(const float *kept, const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        to_input[index] += incoming[index] * derivative(kept[index]);
    }
}
