// What a kernel sees of the driver that runs it: the running thread's place, and how to wait for others.
// Included by kernels (device.h) and by the driver.
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

// A block that runs, and which of its threads does at the moment.
struct Block {
    uint3 thread, block;
    dim3 threads, blocks;
    // Shared memory whose size the launch gives.
    char *dynamic;
    // Waits until all threads of the block are at this barrier. Sites are numbers of places in the source.
    void (*barrier)(int site);
    // Waits until all lanes of `mask` are here; one of them then calls `all` with what each has brought.
    void (*collective)(unsigned mask, int site, void *brought, void (*all)(void **brought, unsigned mask));
    // The lanes of the running thread's warp that have not ended.
    unsigned (*lanes)();
};

// A compiled kernel.
struct Kernel {
    void (*body)(void **arguments);
    // Tells the module's code which block the calling thread of the host runs.
    void (*bind)(Block *);
    // A letter per argument: p for pointers, v for values.
    const char *arguments;
    // __launch_bounds__, or MOST_THREADS.
    unsigned most_threads;
    // Whether barriers do without threads that have ended, wherever the others are: GPUs do, though the manual
    // has it otherwise, and dfdx's kernels rely on it. Ours must not.
    bool lenient;
};

} // namespace emulator
