// Devices, contexts, streams and events of the driver. Every call is complete when it returns.
#include "driver.h"

#include <chrono>
#include <cstdarg>
#include <cstring>

namespace emulator {

thread_local Device *context;

Driver &driver() {
    // Never destroyed, because calls may come until the process ends.
    static Driver &driver = *new Driver;
    return driver;
}

static std::string uuid_text(int index) {
    char text[64];
    snprintf(text, sizeof text, "GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e0%02x", index);
    return text;
}

Driver::Driver() {
    size_t memory = std::stoull(variable("EMULATOR_MEMORY", "4294967296"));
    int count = std::stoi(variable("EMULATOR_DEVICES", "1"));
    const char *wanted = getenv("CUDA_VISIBLE_DEVICES");
    if (!wanted) {
        for (int i = 0; i < count; i++) {
            devices.push_back({i, memory});
        }
        return;
    }
    std::stringstream list(wanted);
    for (std::string name; std::getline(list, name, ',');) {
        int found = -1;
        for (int i = 0; i < count; i++) {
            bool by_uuid = name.size() > 4 && uuid_text(i).rfind(name, 0) == 0;
            found = name == std::to_string(i) || (by_uuid && found < 0) ? i : found;
        }
        // As in the real driver, an unknown name ends the list.
        if (found < 0) {
            break;
        }
        devices.push_back({found, memory});
    }
}

int refuse(Code code, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "emulator: %s\n", text);
    return code;
}

} // namespace emulator

using namespace emulator;

static bool known(int device) { return device >= 0 && device < (int)driver().devices.size(); }

// Every driver function that the emulator has is exported by its name.
extern "C" {

int cuInit(unsigned flags) {
    if (flags != 0) {
        return INVALID_VALUE;
    }
    std::lock_guard<std::recursive_mutex> guard(driver().lock);
    driver().initialized = !driver().devices.empty();
    return driver().initialized ? SUCCESS : NO_DEVICE;
}
int cuDriverGetVersion(int *version) {
    *version = 13000;
    return SUCCESS;
}

int cuDeviceGetCount(int *count) {
    ENTER;
    *count = (int)driver().devices.size();
    return SUCCESS;
}
int cuDeviceGet(int *device, int ordinal) {
    ENTER;
    *device = ordinal;
    return known(ordinal) ? SUCCESS : INVALID_DEVICE;
}
int cuDeviceGetName(char *name, int size, int device) {
    ENTER;
    snprintf(name, (size_t)size, "CUDA emulator");
    return known(device) ? SUCCESS : INVALID_DEVICE;
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    ENTER;
    if (!known(device)) {
        return INVALID_DEVICE;
    }
    memset(uuid, 0xe0, 16);
    uuid[15] = (unsigned char)driver().devices[device].index;
    return SUCCESS;
}
int cuDeviceGetUuid(unsigned char *uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    ENTER;
    if (!known(device)) {
        return INVALID_DEVICE;
    }
    *bytes = driver().devices[device].memory;
    return SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    ENTER;
    static const std::map<int, int> values = {
        {1, 1024},     // threads of a block
        {2, 1024},     // along x
        {3, 1024},     // along y
        {4, 64},       // along z
        {5, 2147483647}, // blocks of a grid along x
        {6, 65535},    // along y
        {7, 65535},    // along z
        {8, 48 << 10}, // shared memory of a block
        {9, 64 << 10}, // constant memory
        {10, 32},      // lanes of a warp
        {12, 65536},   // registers of a block
        {13, 1000000}, // clock, kHz
        {16, 4},       // multiprocessors
        {36, 1000000}, // clock of the memory, kHz
        {37, 4096},    // bits of its bus
        {38, 1 << 20}, // second-level cache
        {39, 2048},    // threads of a multiprocessor
        {40, 1},       // copies while kernels run
        {41, 1},       // one address space
        {75, 9},       // compute capability, major
        {76, 0},       // minor
        {81, 228 << 10}, // shared memory of a multiprocessor
        {82, 65536},   // registers of a multiprocessor
        {97, 227 << 10}, // shared memory of a block after opt-in
        {106, 32},     // blocks of a multiprocessor
        {115, 1},      // memory pools
    };
    auto found = values.find(attribute);
    *value = found == values.end() ? 0 : found->second;
    return known(device) ? SUCCESS : INVALID_DEVICE;
}

int cuDevicePrimaryCtxRetain(Device **to, int device) {
    ENTER;
    if (!known(device)) {
        return INVALID_DEVICE;
    }
    *to = &driver().devices[device];
    return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuDevicePrimaryCtxSetFlags_v2(int, unsigned) { return SUCCESS; }
int cuDevicePrimaryCtxGetState(int, unsigned *flags, int *active) {
    *flags = 0;
    *active = 1;
    return SUCCESS;
}
int cuCtxSetCurrent(Device *device) {
    context = device;
    // Like the real driver, this may return the error of an earlier launch.
    return driver().failed ? LAUNCH_FAILED : SUCCESS;
}
int cuCtxGetCurrent(Device **to) {
    *to = context;
    return SUCCESS;
}
int cuCtxPushCurrent_v2(Device *device) { return cuCtxSetCurrent(device); }
int cuCtxPopCurrent_v2(Device **to) {
    *to = context;
    context = nullptr;
    return SUCCESS;
}
int cuCtxGetDevice(int *device) {
    ENTER_CONTEXT;
    *device = (int)(context - driver().devices.data());
    return SUCCESS;
}
int cuCtxSynchronize() {
    ENTER_CONTEXT;
    return SUCCESS;
}

int cuStreamCreate(void **stream, unsigned) {
    ENTER_CONTEXT;
    *stream = new char;
    return SUCCESS;
}
int cuStreamCreateWithPriority(void **stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }
int cuStreamDestroy_v2(void *stream) {
    ENTER_CONTEXT;
    delete (char *)stream;
    return SUCCESS;
}
int cuStreamSynchronize(void *) {
    ENTER_CONTEXT;
    return SUCCESS;
}
int cuStreamQuery(void *) {
    ENTER_CONTEXT;
    return SUCCESS;
}
int cuStreamWaitEvent(void *, void *, unsigned) {
    ENTER_CONTEXT;
    return SUCCESS;
}

typedef std::chrono::steady_clock::time_point Event;
int cuEventCreate(Event **event, unsigned) {
    ENTER_CONTEXT;
    *event = new Event;
    return SUCCESS;
}
int cuEventDestroy_v2(Event *event) {
    ENTER_CONTEXT;
    delete event;
    return SUCCESS;
}
int cuEventRecord(Event *event, void *) {
    ENTER_CONTEXT;
    *event = std::chrono::steady_clock::now();
    return SUCCESS;
}
int cuEventQuery(Event *) {
    ENTER_CONTEXT;
    return SUCCESS;
}
int cuEventSynchronize(Event *) {
    ENTER_CONTEXT;
    return SUCCESS;
}
int cuEventElapsedTime(float *milliseconds, Event *from, Event *to) {
    ENTER_CONTEXT;
    *milliseconds = std::chrono::duration<float, std::milli>(*to - *from).count();
    return SUCCESS;
}

static const struct {
    Code code;
    const char *name, *text;
} ERRORS[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};
int cuGetErrorName(int code, const char **text) {
    for (auto &error : ERRORS) {
        if (error.code == code) {
            *text = error.name;
            return SUCCESS;
        }
    }
    *text = nullptr;
    return INVALID_VALUE;
}
int cuGetErrorString(int code, const char **text) {
    for (auto &error : ERRORS) {
        if (error.code == code) {
            *text = error.text;
            return SUCCESS;
        }
    }
    *text = nullptr;
    return INVALID_VALUE;
}

// cudarc declares these functions, but nothing calls them.
int cuImportExternalMemory(void **, const void *) { return NOT_SUPPORTED; }
int cuExternalMemoryGetMappedBuffer(uintptr_t *, void *, const void *) { return NOT_SUPPORTED; }
int cuDestroyExternalMemory(void *) { return NOT_SUPPORTED; }
int cuProfilerStart() { return SUCCESS; }
int cuProfilerStop() { return SUCCESS; }
}
