// The part of the driver that kernels use: the position of the running thread, and functions that wait for
// other threads. Included by kernels (device.h) and by the driver.
#pragma once

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
    operator uint3() const { return {x, y, z}; }
};

namespace emulator {

const unsigned WARP = 32;
const unsigned MOST_THREADS = 1024;

// A running block, and which of its threads is running.
struct Block {
    uint3 thread, block;
    dim3 threads, blocks;
    // Shared memory whose size is given at the launch.
    char *dynamic;
    // Waits until all threads of the block are at this barrier. A site is the number of a place in the
    // source.
    void (*barrier)(int site);
    // Waits until all lanes of `mask` are here. One of them then calls `all` with what each of them passed as
    // `brought`.
    void (*collective)(unsigned mask, int site, void *brought, void (*all)(void **brought, unsigned mask));
    // The lanes of the running thread's warp that have not ended.
    unsigned (*lanes)();
};

// A compiled kernel.
struct Kernel {
    void (*body)(void **arguments);
    // Tells the module's code which block the calling host thread runs.
    void (*bind)(Block *);
    // One letter per argument: p for pointers, v for values.
    const char *arguments;
    // __launch_bounds__, or MOST_THREADS.
    unsigned most_threads;
    // Whether barriers ignore threads that have ended, and may be at different places for different threads.
    // This is how GPUs behave, although the manual forbids it, and dfdx's kernels rely on it. Ours must not.
    bool lenient;
};

} // namespace emulator
