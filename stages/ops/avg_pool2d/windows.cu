// Average pooling. Compiled with:
//     HEIGHT, WIDTH  size of a channel
//     ROWS, COLUMNS  numbers of windows
//     SIDE           rows and columns of a window
//     STEP           distance between windows, in rows and columns

#define SHARE (1.0f / (SIDE * SIDE))

// Writes the mean of every window.
KERNEL forward(const float *input, float *output, int count) {
    for (EACH(index, count)) {
        unsigned channel = index / (ROWS * COLUMNS), window = index % (ROWS * COLUMNS);
        const float *from = input + channel * (HEIGHT * WIDTH) + window / COLUMNS * STEP * WIDTH + window % COLUMNS * STEP;
        float sum = 0.0f;
        for (unsigned y = 0; y < SIDE; y++) {
            for (unsigned x = 0; x < SIDE; x++) {
                sum += from[y * WIDTH + x];
            }
        }
        output[index] = sum * SHARE;
    }
}

// For every input value, adds its share of the gradients of the windows that contain it to its gradient.
KERNEL backward(const float *incoming, float *to_input, int count) {
    for (EACH(index, count)) {
        unsigned channel = index / (HEIGHT * WIDTH), place = index % (HEIGHT * WIDTH);
        unsigned y = place / WIDTH, x = place % WIDTH;
        unsigned first_row = y < SIDE ? 0 : (y - SIDE) / STEP + 1, first_column = x < SIDE ? 0 : (x - SIDE) / STEP + 1;
        float sum = 0.0f;
        for (unsigned row = first_row; row < ROWS && row * STEP <= y; row++) {
            for (unsigned column = first_column; column < COLUMNS && column * STEP <= x; column++) {
                sum += incoming[(channel * ROWS + row) * COLUMNS + column];
            }
        }
        to_input[index] += sum * SHARE;
    }
}
