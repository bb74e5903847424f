// The driver: memory is the host's, every call is done when it returns, kernels run on the CPU.
#include "module.h"

#include <cstring>
#include <dlfcn.h>
#include <map>
#include <mutex>

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
};

struct Dim {
    unsigned x, y, z;
};
typedef const char *(*Launch)(void **, Dim, Dim);

struct Function {
    std::string name;
    Launch launch;
};

struct Device {
    std::vector<int> visible;
    size_t memory, used = 0;
    std::map<uintptr_t, size_t> sizes;

    Device() {
        memory = std::stoull(emulator::variable("EMULATOR_MEMORY", "4294967296"));
        int count = std::stoi(emulator::variable("EMULATOR_DEVICES", "1"));
        const char *wanted = getenv("CUDA_VISIBLE_DEVICES");
        if (!wanted) {
            for (int i = 0; i < count; i++) {
                visible.push_back(i);
            }
            return;
        }
        std::stringstream list(wanted);
        for (std::string name; std::getline(list, name, ',');) {
            int found = -1;
            for (int i = 0; i < count; i++) {
                if (name == std::to_string(i) || name == uuid_text(i)) {
                    found = i;
                }
            }
            if (found < 0) {
                break;
            }
            visible.push_back(found);
        }
    }

    static std::string uuid_text(int device) {
        char text[64];
        snprintf(text, sizeof text, "GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e0%02x", device);
        return text;
    }
};

static std::recursive_mutex lock;
static bool failed;

static Device &device() {
    static Device device;
    return device;
}

#define LOCKED std::lock_guard<std::recursive_mutex> guard(lock)
// After a kernel has failed, so does everything.
#define ALIVE                                                                                                          \
    LOCKED;                                                                                                            \
    if (failed) return LAUNCH_FAILED

static int allocate(uintptr_t *pointer, size_t bytes) {
    ALIVE;
    if (bytes > device().memory - device().used) {
        return OUT_OF_MEMORY;
    }
    void *memory = malloc(bytes ? bytes : 1);
    // Not a number, for whoever reads what nothing has written.
    memset(memory, 0xff, bytes);
    device().sizes[(uintptr_t)memory] = bytes;
    device().used += bytes;
    *pointer = (uintptr_t)memory;
    return SUCCESS;
}

static int release(uintptr_t pointer) {
    ALIVE;
    auto found = device().sizes.find(pointer);
    if (found == device().sizes.end()) {
        return INVALID_VALUE;
    }
    device().used -= found->second;
    device().sizes.erase(found);
    free((void *)pointer);
    return SUCCESS;
}

static int copy(void *to, const void *from, size_t bytes) {
    ALIVE;
    memmove(to, from, bytes);
    return SUCCESS;
}

extern "C" {

int cuInit(unsigned) { return device().visible.empty() ? NO_DEVICE : SUCCESS; }
int cuDriverGetVersion(int *version) {
    *version = 13000;
    return SUCCESS;
}
int cuDeviceGetCount(int *count) {
    *count = (int)device().visible.size();
    return SUCCESS;
}
int cuDeviceGet(int *to, int ordinal) {
    *to = ordinal;
    return ordinal >= 0 && ordinal < (int)device().visible.size() ? SUCCESS : INVALID_DEVICE;
}
int cuDeviceGetName(char *name, int size, int) {
    snprintf(name, size, "CUDA emulator");
    return SUCCESS;
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int ordinal) {
    memset(uuid, 0xe0, 16);
    uuid[15] = (unsigned char)device().visible[ordinal];
    return SUCCESS;
}
int cuDeviceTotalMem_v2(size_t *bytes, int) {
    *bytes = device().memory;
    return SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int) {
    switch (attribute) {
    case 16: *value = 4; break;    // multiprocessors
    case 75: *value = 9; break;    // compute capability, major
    case 115: *value = 1; break;   // memory pools
    default: *value = 0;
    }
    return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void **context, int) {
    *context = &device();
    return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuCtxSetCurrent(void *) { return SUCCESS; }
int cuCtxGetCurrent(void **context) {
    *context = &device();
    return SUCCESS;
}
int cuCtxSynchronize() { ALIVE; return SUCCESS; }

int cuGetErrorName(int code, const char **text) {
    *text = code == SUCCESS ? "CUDA_SUCCESS" : "CUDA_ERROR";
    return SUCCESS;
}
int cuGetErrorString(int code, const char **text) {
    switch (code) {
    case SUCCESS: *text = "no error"; break;
    case OUT_OF_MEMORY: *text = "out of memory"; break;
    case NO_DEVICE: *text = "no CUDA-capable device is detected"; break;
    case LAUNCH_FAILED: *text = "unspecified launch failure"; break;
    default: *text = "an error of the emulator";
    }
    return SUCCESS;
}

int cuMemGetInfo_v2(size_t *free, size_t *total) {
    LOCKED;
    *total = device().memory;
    *free = device().memory - device().used;
    return SUCCESS;
}
int cuMemAlloc_v2(uintptr_t *pointer, size_t bytes) { return allocate(pointer, bytes); }
int cuMemAllocAsync(uintptr_t *pointer, size_t bytes, void *) { return allocate(pointer, bytes); }
int cuMemFree_v2(uintptr_t pointer) { return release(pointer); }
int cuMemFreeAsync(uintptr_t pointer, void *) { return release(pointer); }
int cuMemHostAlloc(void **pointer, size_t bytes, unsigned) {
    *pointer = malloc(bytes ? bytes : 1);
    memset(*pointer, 0xff, bytes);
    return SUCCESS;
}
int cuMemFreeHost(void *pointer) {
    free(pointer);
    return SUCCESS;
}
int cuMemcpyHtoD_v2(void *to, const void *from, size_t bytes) { return copy(to, from, bytes); }
int cuMemcpyDtoH_v2(void *to, const void *from, size_t bytes) { return copy(to, from, bytes); }
int cuMemcpyDtoD_v2(void *to, const void *from, size_t bytes) { return copy(to, from, bytes); }
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *) { return copy(to, from, bytes); }
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *) { return copy(to, from, bytes); }
int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, void *) { return copy(to, from, bytes); }
int cuMemsetD8_v2(void *to, unsigned char value, size_t count) {
    ALIVE;
    memset(to, value, count);
    return SUCCESS;
}
int cuMemsetD8Async(void *to, unsigned char value, size_t count, void *) { return cuMemsetD8_v2(to, value, count); }

int cuStreamCreate(void **stream, unsigned) {
    *stream = new char;
    return SUCCESS;
}
int cuStreamDestroy_v2(void *stream) {
    delete (char *)stream;
    return SUCCESS;
}
int cuStreamSynchronize(void *) { ALIVE; return SUCCESS; }
int cuStreamWaitEvent(void *, void *, unsigned) { ALIVE; return SUCCESS; }
int cuEventCreate(void **event, unsigned) {
    *event = new char;
    return SUCCESS;
}
int cuEventDestroy_v2(void *event) {
    delete (char *)event;
    return SUCCESS;
}
int cuEventRecord(void *, void *) { ALIVE; return SUCCESS; }
int cuEventQuery(void *) { ALIVE; return SUCCESS; }
int cuEventSynchronize(void *) { ALIVE; return SUCCESS; }
int cuEventElapsedTime(float *milliseconds, void *, void *) {
    *milliseconds = 0.0f;
    return SUCCESS;
}

int cuModuleLoadData(void **module, const void *image) {
    ALIVE;
    std::string log, path = emulator::object((const char *)image, log);
    *module = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!*module) {
        fprintf(stderr, "emulator: a module cannot be loaded: %s\n", path.empty() ? log.c_str() : dlerror());
        return INVALID_IMAGE;
    }
    return SUCCESS;
}
int cuModuleLoad(void **module, const char *file) { return cuModuleLoadData(module, emulator::read(file).c_str()); }
int cuModuleUnload(void *) { return SUCCESS; }
int cuModuleGetFunction(Function **function, void *module, const char *name) {
    LOCKED;
    Launch launch = (Launch)dlsym(module, (std::string("launch_") + name).c_str());
    if (!launch) {
        return NOT_FOUND;
    }
    *function = new Function{name, launch};
    return SUCCESS;
}

int cuLaunchKernel(Function *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared, void *, void **parameters, void **) {
    ALIVE;
    unsigned threads = block_x * block_y * block_z;
    bool allowed = threads >= 1 && threads <= 1024 && grid_x >= 1 && grid_x <= 0x7fffffff && grid_y >= 1 &&
                   grid_y <= 65535 && grid_z >= 1 && grid_z <= 65535 && shared == 0;
    if (!allowed) {
        fprintf(stderr, "emulator: a launch of %s that CUDA refuses: (%u, %u, %u) blocks of %u threads\n",
                function->name.c_str(), grid_x, grid_y, grid_z, threads);
        return INVALID_VALUE;
    }
    const char *wrong =
        function->launch(parameters, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z});
    if (wrong) {
        fprintf(stderr, "emulator: kernel %s: %s\n", function->name.c_str(), wrong);
        failed = true;
        return LAUNCH_FAILED;
    }
    return SUCCESS;
}
}
