// Modules, functions and launches of the driver.
#include "driver.h"
#include "pool.h"

#include <dlfcn.h>
#include <elf.h>

using namespace emulator;

struct Module {
    void *library;
    // Bytes of __shared__ variables, by the function that declares them.
    std::map<std::string, size_t> shared;
};

struct Function {
    std::string name;
    const Kernel *kernel;
    size_t shared, most_dynamic;
};

const size_t SHARED_MEMORY = 48 << 10, MOST_SHARED_MEMORY = 227 << 10;

// Returns the sizes of a library's thread-local symbols by the function that declares them: __shared__
// variables, whose names are _ZZ[L](length)(function)…
static std::map<std::string, size_t> shared_of(const std::string &file) {
    std::map<std::string, size_t> shared;
    std::string bytes = read(file);
    auto *header = (const Elf64_Ehdr *)bytes.data();
    auto *sections = (const Elf64_Shdr *)(bytes.data() + header->e_shoff);
    for (int i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB) {
            continue;
        }
        auto *symbols = (const Elf64_Sym *)(bytes.data() + sections[i].sh_offset);
        const char *names = bytes.data() + sections[sections[i].sh_link].sh_offset;
        for (size_t s = 0; s < sections[i].sh_size / sizeof(Elf64_Sym); s++) {
            const char *name = names + symbols[s].st_name;
            if (ELF64_ST_TYPE(symbols[s].st_info) != STT_TLS || std::string(name).rfind("_ZZ", 0) != 0) {
                continue;
            }
            name += name[3] == 'L' ? 4 : 3;
            char *after;
            size_t length = strtoul(name, &after, 10);
            shared[std::string(after).substr(0, length)] += symbols[s].st_size;
        }
    }
    return shared;
}

extern "C" {

int cuModuleLoadData(Module **module, const char *image) {
    ENTER_CONTEXT;
    std::string log, path = object(image, log);
    void *library = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return refuse(INVALID_IMAGE, "failed to load a module: %s", path.empty() ? log.c_str() : dlerror());
    }
    *module = new Module{library, shared_of(path)};
    return SUCCESS;
}
int cuModuleLoadDataEx(Module **module, const char *image, unsigned, int *, void **) {
    return cuModuleLoadData(module, image);
}
int cuModuleLoadFatBinary(Module **module, const char *image) { return cuModuleLoadData(module, image); }
int cuModuleLoad(Module **module, const char *file) { return cuModuleLoadData(module, read(file).c_str()); }
// Libraries stay loaded, because workers remember where their shared memory is.
int cuModuleUnload(Module *) { return SUCCESS; }
int cuModuleGetFunction(Function **function, Module *module, const char *name) {
    ENTER_CONTEXT;
    auto *kernel = (const Kernel *)dlsym(module->library, (std::string("kernel_") + name).c_str());
    if (!kernel) {
        return NOT_FOUND;
    }
    *function = new Function{name, kernel, module->shared[name], SHARED_MEMORY - module->shared[name]};
    return SUCCESS;
}

int cuFuncSetAttribute(Function *function, int attribute, int value) {
    ENTER_CONTEXT;
    const int MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;
    if (attribute == MAX_DYNAMIC_SHARED_SIZE_BYTES) {
        if (value < 0 || function->shared + (size_t)value > MOST_SHARED_MEMORY) {
            return INVALID_VALUE;
        }
        function->most_dynamic = (size_t)value;
    }
    return SUCCESS;
}
int cuFuncGetAttribute(int *value, int attribute, Function *function) {
    ENTER_CONTEXT;
    switch (attribute) {
    case 0: *value = (int)function->kernel->most_threads; break;
    case 1: *value = (int)function->shared; break;
    case 4: *value = 32; break; // registers
    case 5:
    case 6: *value = 90; break; // versions of PTX and machine code
    case 8: *value = (int)function->most_dynamic; break;
    default: *value = 0;
    }
    return SUCCESS;
}
int cuFuncSetCacheConfig(Function *, int) { return SUCCESS; }

int cuLaunchKernel(Function *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned dynamic, void *, void **arguments, void **extra) {
    ENTER_CONTEXT;
    const char *name = function->name.c_str();
    const Kernel *kernel = function->kernel;
    size_t threads = (size_t)block_x * block_y * block_z;
    bool grid = grid_x >= 1 && grid_x <= 0x7fffffff && grid_y >= 1 && grid_y <= 65535 && grid_z >= 1 && grid_z <= 65535;
    bool block = threads >= 1 && threads <= MOST_THREADS && block_x <= 1024 && block_y <= 1024 && block_z <= 64;
    if (!grid || !block || extra) {
        return refuse(INVALID_VALUE, "kernel %s: (%u, %u, %u) blocks of (%u, %u, %u) threads are not allowed", name, grid_x,
                      grid_y, grid_z, block_x, block_y, block_z);
    }
    if (dynamic > function->most_dynamic) {
        return refuse(INVALID_VALUE, "kernel %s: %u bytes of dynamic and %zu of declared shared memory are not allowed",
                      name, dynamic, function->shared);
    }
    if (threads > kernel->most_threads) {
        return refuse(LAUNCH_OUT_OF_RESOURCES, "kernel %s: blocks of %zu threads, but __launch_bounds__(%u)", name, threads,
                      kernel->most_threads);
    }
    for (size_t i = 0; kernel->arguments[i]; i++) {
        uintptr_t pointer = kernel->arguments[i] == 'p' ? *(uintptr_t *)arguments[i] : 0;
        if (pointer && !driver().holds(pointer, 0)) {
            driver().failed = true;
            return refuse(LAUNCH_FAILED, "kernel %s: argument %zu, %p, does not point to device memory", name, i,
                          (void *)pointer);
        }
    }
    static const size_t failing = std::stoull(variable("EMULATOR_FAIL_AT", "0"));
    static size_t launches = 0;
    if (++launches == failing) {
        driver().failed = true;
        return refuse(LAUNCH_FAILED, "kernel %s fails because of EMULATOR_FAIL_AT", name);
    }
    static Pool &pool = *new Pool;
    std::string wrong =
        pool.launch(kernel, arguments, dim3(grid_x, grid_y, grid_z), dim3(block_x, block_y, block_z), dynamic);
    if (!wrong.empty()) {
        driver().failed = true;
        return refuse(LAUNCH_FAILED, "kernel %s, %s", name, wrong.c_str());
    }
    return SUCCESS;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function *function, int threads, size_t dynamic) {
    ENTER_CONTEXT;
    if (threads < 1) {
        return INVALID_VALUE;
    }
    size_t shared = function->shared + dynamic, by_memory = shared ? (228 << 10) / shared : 32;
    *blocks = (int)std::min<size_t>(std::min<size_t>(32, by_memory), 2048 / (size_t)threads);
    return SUCCESS;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, Function *function, int threads, size_t dynamic,
                                                         unsigned) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, dynamic);
}
int cuOccupancyMaxPotentialBlockSize(int *grid, int *threads, Function *function, size_t (*)(int), size_t, int most) {
    ENTER_CONTEXT;
    *threads = (int)function->kernel->most_threads;
    *threads = most > 0 && most < *threads ? most : *threads;
    *grid = 8;
    return SUCCESS;
}
int cuOccupancyMaxPotentialBlockSizeWithFlags(int *grid, int *threads, Function *function, size_t (*dynamic_of)(int),
                                              size_t dynamic, int most, unsigned) {
    return cuOccupancyMaxPotentialBlockSize(grid, threads, function, dynamic_of, dynamic, most);
}
int cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamic, Function *function, int, int) {
    ENTER_CONTEXT;
    *dynamic = function->most_dynamic;
    return SUCCESS;
}
}
