// Nearest-neighbor upsampling. Compiled with:
//     HEIGHT, WIDTH  size of an input channel
//     FACTOR         rows and columns of the square that repeats a value

#define OUT_HEIGHT (HEIGHT * FACTOR)
#define OUT_WIDTH (WIDTH * FACTOR)

KERNEL forward(const float *input, float *output, int count) {
    for (EACH(index, count)) {
        unsigned channel = index / (OUT_HEIGHT * OUT_WIDTH), place = index % (OUT_HEIGHT * OUT_WIDTH);
        output[index] = input[(channel * HEIGHT + place / OUT_WIDTH / FACTOR) * WIDTH + place % OUT_WIDTH / FACTOR];
    }
}

// For every input value, adds the gradients of its square to its gradient.
KERNEL backward(const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        unsigned channel = index / (HEIGHT * WIDTH), place = index % (HEIGHT * WIDTH);
        const float *square =
            incoming + (channel * OUT_HEIGHT + place / WIDTH * FACTOR) * OUT_WIDTH + place % WIDTH * FACTOR;
        float sum = 0.0f;
        for (unsigned y = 0; y < FACTOR; y++) {
            for (unsigned x = 0; x < FACTOR; x++) {
                sum += square[y * OUT_WIDTH + x];
            }
        }
        to_input[index] += sum;
    }
}
