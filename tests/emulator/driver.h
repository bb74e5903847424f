// What the parts of the driver share: devices, their memory, codes of errors.
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

// A device is its own context.
struct Device {
    // Among those of the machine, of which CUDA_VISIBLE_DEVICES may hide some.
    int index;
    size_t memory, used = 0;
};

// Where a piece of device memory starts: its size and whose it is.
struct Piece {
    size_t bytes;
    // None: memory of the host that kernels may use.
    Device *device;
};

struct Driver {
    std::recursive_mutex lock;
    std::vector<Device> devices;
    std::map<uintptr_t, Piece> pieces;
    bool initialized = false;
    // A kernel has failed: so does everything from then on.
    bool failed = false;

    Driver();
    // Whether all of these bytes are in one piece.
    bool holds(uintptr_t pointer, size_t bytes) const;
};

Driver &driver();
// The calling thread's.
extern thread_local Device *context;

// Says on stderr what a caller did that CUDA refuses or leaves undefined.
int refuse(Code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

} // namespace emulator

// Enters the driver, one thread at a time.
#define ENTER                                                                                                          \
    std::lock_guard<std::recursive_mutex> guard(emulator::driver().lock);                                              \
    if (!emulator::driver().initialized) return emulator::NOT_INITIALIZED
// The same for what needs a context that works.
#define ENTER_CONTEXT                                                                                                  \
    ENTER;                                                                                                             \
    if (!emulator::context) return refuse(emulator::INVALID_CONTEXT, "%s without a context on this thread", __func__); \
    if (emulator::driver().failed) return emulator::LAUNCH_FAILED
