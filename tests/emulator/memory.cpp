// The driver's memory, which is memory of the host. Bytes that are copied or set must be in one allocation.
#include "driver.h"

#include <cstring>

using namespace emulator;

bool Driver::holds(uintptr_t pointer, size_t bytes) const {
    auto after = pieces.upper_bound(pointer);
    if (after == pieces.begin()) {
        return false;
    }
    auto piece = std::prev(after);
    return bytes <= piece->second.bytes && pointer - piece->first <= piece->second.bytes - bytes;
}

// Allocates memory that kernels may use. It is filled with NaN, to reveal reads of values that were never
// written.
static int allocate(uintptr_t *pointer, size_t bytes, Device *device) {
    void *memory = nullptr;
    if (bytes == 0) {
        return refuse(INVALID_VALUE, "allocation of zero bytes");
    }
    if (device && bytes > device->memory - device->used) {
        return OUT_OF_MEMORY;
    }
    if (posix_memalign(&memory, 256, bytes) != 0) {
        return OUT_OF_MEMORY;
    }
    memset(memory, 0xff, bytes);
    *pointer = (uintptr_t)memory;
    driver().pieces[*pointer] = {bytes, device};
    if (device) {
        device->used += bytes;
    }
    return SUCCESS;
}

static int release(uintptr_t pointer, bool of_device) {
    auto found = driver().pieces.find(pointer);
    if (found == driver().pieces.end() || (found->second.device != nullptr) != of_device) {
        return refuse(INVALID_VALUE, "%p is freed, but is not allocated", (void *)pointer);
    }
    if (of_device) {
        found->second.device->used -= found->second.bytes;
    }
    driver().pieces.erase(found);
    free((void *)pointer);
    return SUCCESS;
}

// Copies bytes. Those in device memory must all be in one allocation.
static int copy(const char *call, uintptr_t to, bool to_device, uintptr_t from, bool from_device, size_t bytes) {
    if (bytes == 0) {
        return SUCCESS;
    }
    if ((to_device && !driver().holds(to, bytes)) || (from_device && !driver().holds(from, bytes))) {
        return refuse(INVALID_VALUE, "%s: %zu bytes that are not all in one allocation", call, bytes);
    }
    memmove((void *)to, (const void *)from, bytes);
    return SUCCESS;
}

template <typename T> static int fill(const char *call, uintptr_t to, T value, size_t count) {
    if (count > 0 && !driver().holds(to, count * sizeof(T))) {
        return refuse(INVALID_VALUE, "%s: %zu bytes that are not all in one allocation", call,
                      count * sizeof(T));
    }
    for (size_t i = 0; i < count; i++) {
        ((T *)to)[i] = value;
    }
    return SUCCESS;
}

extern "C" {

int cuMemGetInfo_v2(size_t *free, size_t *total) {
    ENTER_CONTEXT;
    *total = context->memory;
    *free = context->memory - context->used;
    return SUCCESS;
}
int cuMemAlloc_v2(uintptr_t *pointer, size_t bytes) {
    ENTER_CONTEXT;
    return allocate(pointer, bytes, context);
}
int cuMemAllocAsync(uintptr_t *pointer, size_t bytes, void *) { return cuMemAlloc_v2(pointer, bytes); }
int cuMemAllocManaged(uintptr_t *pointer, size_t bytes, unsigned) { return cuMemAlloc_v2(pointer, bytes); }
int cuMemFree_v2(uintptr_t pointer) {
    ENTER_CONTEXT;
    return release(pointer, true);
}
int cuMemFreeAsync(uintptr_t pointer, void *) { return cuMemFree_v2(pointer); }
int cuMemGetAddressRange_v2(uintptr_t *start, size_t *bytes, uintptr_t pointer) {
    ENTER_CONTEXT;
    if (!driver().holds(pointer, 1)) {
        return NOT_FOUND;
    }
    auto piece = std::prev(driver().pieces.upper_bound(pointer));
    *start = piece->first;
    *bytes = piece->second.bytes;
    return SUCCESS;
}

int cuMemHostAlloc(uintptr_t *pointer, size_t bytes, unsigned) {
    ENTER_CONTEXT;
    return allocate(pointer, bytes, nullptr);
}
int cuMemAllocHost_v2(uintptr_t *pointer, size_t bytes) { return cuMemHostAlloc(pointer, bytes, 0); }
int cuMemFreeHost(uintptr_t pointer) {
    ENTER_CONTEXT;
    return release(pointer, false);
}
int cuMemHostGetDevicePointer_v2(uintptr_t *device, uintptr_t pointer, unsigned) {
    ENTER_CONTEXT;
    *device = pointer;
    return driver().holds(pointer, 1) ? SUCCESS : INVALID_VALUE;
}

int cuMemcpyHtoD_v2(uintptr_t to, uintptr_t from, size_t bytes) {
    ENTER_CONTEXT;
    return copy(__func__, to, true, from, false, bytes);
}
int cuMemcpyDtoH_v2(uintptr_t to, uintptr_t from, size_t bytes) {
    ENTER_CONTEXT;
    return copy(__func__, to, false, from, true, bytes);
}
int cuMemcpyDtoD_v2(uintptr_t to, uintptr_t from, size_t bytes) {
    ENTER_CONTEXT;
    return copy(__func__, to, true, from, true, bytes);
}
int cuMemcpy(uintptr_t to, uintptr_t from, size_t bytes) {
    ENTER_CONTEXT;
    return copy(__func__, to, false, from, false, bytes);
}
int cuMemcpyHtoDAsync_v2(uintptr_t to, uintptr_t from, size_t bytes, void *) {
    return cuMemcpyHtoD_v2(to, from, bytes);
}
int cuMemcpyDtoHAsync_v2(uintptr_t to, uintptr_t from, size_t bytes, void *) {
    return cuMemcpyDtoH_v2(to, from, bytes);
}
int cuMemcpyDtoDAsync_v2(uintptr_t to, uintptr_t from, size_t bytes, void *) {
    return cuMemcpyDtoD_v2(to, from, bytes);
}
int cuMemcpyAsync(uintptr_t to, uintptr_t from, size_t bytes, void *) { return cuMemcpy(to, from, bytes); }

int cuMemsetD8_v2(uintptr_t to, unsigned char value, size_t count) {
    ENTER_CONTEXT;
    return fill(__func__, to, value, count);
}
int cuMemsetD16_v2(uintptr_t to, unsigned short value, size_t count) {
    ENTER_CONTEXT;
    return fill(__func__, to, value, count);
}
int cuMemsetD32_v2(uintptr_t to, unsigned value, size_t count) {
    ENTER_CONTEXT;
    return fill(__func__, to, value, count);
}
int cuMemsetD8Async(uintptr_t to, unsigned char value, size_t count, void *) {
    return cuMemsetD8_v2(to, value, count);
}
int cuMemsetD16Async(uintptr_t to, unsigned short value, size_t count, void *) {
    return cuMemsetD16_v2(to, value, count);
}
int cuMemsetD32Async(uintptr_t to, unsigned value, size_t count, void *) { return cuMemsetD32_v2(to, value, count); }
}
