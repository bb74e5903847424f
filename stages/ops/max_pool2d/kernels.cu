// Max pooling. Compiled with:
//     HEIGHT, WIDTH  size of a channel
//     ROWS, COLUMNS  numbers of windows
//     SIDE_Y, SIDE_X rows and columns of a window
//     STEP_Y, STEP_X distance between windows, in rows and in columns

// Writes the maximum of every window, and its index in the channel.
KERNEL forward(const float *input, float *output, unsigned *places, int count) {
    for (EACH(index, count)) {
        unsigned channel = index / (ROWS * COLUMNS), window = index % (ROWS * COLUMNS);
        const float *from = input + channel * (HEIGHT * WIDTH);
        unsigned first = window / COLUMNS * STEP_Y * WIDTH + window % COLUMNS * STEP_X, place = first;
        float best = from[first];
        for (unsigned y = 0; y < SIDE_Y; y++) {
            for (unsigned x = 0; x < SIDE_X; x++) {
                float value = from[first + y * WIDTH + x];
                // NaN wins.
                if (value > best || value != value) {
                    best = value;
                    place = first + y * WIDTH + x;
                }
            }
        }
        output[index] = best;
        places[index] = place;
    }
}

// For every input value, adds the gradients of the windows in which it is the maximum to its gradient, row by row.
KERNEL backward(const float *incoming, const unsigned *places, float *to_input, int count) {
    for (EACH(index, count)) {
        unsigned channel = index / (HEIGHT * WIDTH), place = index % (HEIGHT * WIDTH);
        unsigned y = place / WIDTH, x = place % WIDTH;
        // Windows that contain the value: from the first that reaches it to the last that starts at or before
        // it.
        unsigned first_row = y < SIDE_Y ? 0 : (y - SIDE_Y) / STEP_Y + 1;
        unsigned first_column = x < SIDE_X ? 0 : (x - SIDE_X) / STEP_X + 1;
        float sum = 0.0f;
        for (unsigned row = first_row; row < ROWS && row * STEP_Y <= y; row++) {
            for (unsigned column = first_column; column < COLUMNS && column * STEP_X <= x; column++) {
                unsigned window = (channel * ROWS + row) * COLUMNS + column;
                sum += places[window] == place ? incoming[window] : 0.0f;
            }
        }
        to_input[index] += sum;
    }
}
