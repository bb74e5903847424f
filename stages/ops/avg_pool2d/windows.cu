// Average pooling. Compiled with:
//     HEIGHT, WIDTH  size of a channel
//     ROWS, COLUMNS  numbers of windows
//     SIDE_Y, SIDE_X rows and columns of a window
//     STEP_Y, STEP_X distance between windows, in rows and in columns

#define SHARE (1.0f / (SIDE_Y * SIDE_X))

// Writes the mean of every window.
KERNEL forward(const float *input, float *output, int count) {
    for (EACH(index, count)) {
        unsigned channel = index / (ROWS * COLUMNS), window = index % (ROWS * COLUMNS);
        const float *from = input + channel * (HEIGHT * WIDTH) + window / COLUMNS * STEP_Y * WIDTH + window % COLUMNS * STEP_X;
        float sum = 0.0f;
        for (unsigned y = 0; y < SIDE_Y; y++) {
            for (unsigned x = 0; x < SIDE_X; x++) {
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
        unsigned first_row = y < SIDE_Y ? 0 : (y - SIDE_Y) / STEP_Y + 1;
        unsigned first_column = x < SIDE_X ? 0 : (x - SIDE_X) / STEP_X + 1;
        float sum = 0.0f;
        for (unsigned row = first_row; row < ROWS && row * STEP_Y <= y; row++) {
            for (unsigned column = first_column; column < COLUMNS && column * STEP_X <= x; column++) {
                sum += incoming[(channel * ROWS + row) * COLUMNS + column];
            }
        }
        to_input[index] += sum * SHARE;
    }
}
