// Common parts of the driver: devices, their memory, and error codes.
#pragma once

#include "module.h"

#include <map>
#include <mutex>
#include <vector>

namespace emulator {

enum Code {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NOT_FOUND = 500,
    LAUNCH_OUT_OF_RESOURCES = 701,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
};

// A device, which is also its context.
struct Device {
    // Index among the machine's devices. CUDA_VISIBLE_DEVICES may hide some of them.
    int index;
    size_t memory, used = 0;
};

// An allocation, found by its address in `Driver::pieces`.
struct Piece {
    size_t bytes;
    // Null for host memory that kernels may use.
    Device *device;
};

struct Driver {
    std::recursive_mutex lock;
    std::vector<Device> devices;
    std::map<uintptr_t, Piece> pieces;
    bool initialized = false;
    // Set when a kernel fails. From then on, every call fails.
    bool failed = false;

    Driver();
    // Whether all of these bytes are in one allocation.
    bool holds(uintptr_t pointer, size_t bytes) const;
};

Driver &driver();
// The context of the calling thread.
extern thread_local Device *context;

// Prints to stderr what a caller did that CUDA refuses or leaves undefined. Returns `code`.
int refuse(Code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

} // namespace emulator

// Enters the driver, one thread at a time.
#define ENTER                                                                                                          \
    std::lock_guard<std::recursive_mutex> guard(emulator::driver().lock);                                              \
    if (!emulator::driver().initialized) return emulator::NOT_INITIALIZED
// The same, for calls that need a working context.
#define ENTER_CONTEXT                                                                                                  \
    ENTER;                                                                                                             \
    if (!emulator::context) return refuse(emulator::INVALID_CONTEXT, "%s was called on a thread without a context", __func__); \
    if (emulator::driver().failed) return emulator::LAUNCH_FAILED
