// Tests the emulator: loads its libraries as a program loads NVIDIA's, and compares results with known ones.
// Run by `tests/emulator/with --check`.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

typedef uintptr_t Pointer;

static void *library(const char *name) {
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return library;
}

// Calls a function of one of the libraries.
template <typename... A> static int call(const char *name, A... arguments) {
    static void *driver = library("libcuda.so.1"), *nvrtc = library("libnvrtc.so.13"),
                *cublas = library("libcublas.so.13");
    void *from = !strncmp(name, "nvrtc", 5) ? nvrtc : !strncmp(name, "cublas", 6) ? cublas : driver;
    auto function = (int (*)(A...))dlsym(from, name);
    if (!function) {
        fprintf(stderr, "%s is missing\n", name);
        exit(2);
    }
    return function(arguments...);
}

static int failures;
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "check.cpp:%d: expected %s\n", __LINE__, #condition);                                       \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

static void open_device() {
    void *context;
    EXPECT(call("cuInit", 0u) == 0);
    EXPECT(call("cuDevicePrimaryCtxRetain", &context, 0) == 0);
    EXPECT(call("cuCtxSetCurrent", context) == 0);
}

// Compiles with NVRTC and loads the module. Returns null if the source does not compile; `log` or stderr gets
// the log.
static void *compile(const char *source, std::string *log = nullptr, std::vector<const char *> options = {}) {
    void *program, *module = nullptr;
    size_t size;
    call("nvrtcCreateProgram", &program, source, "check.cu", 0, (char **)nullptr, (char **)nullptr);
    bool done = call("nvrtcCompileProgram", program, (int)options.size(), options.data()) == 0;
    call("nvrtcGetProgramLogSize", program, &size);
    std::string text(size, 0), code;
    call("nvrtcGetProgramLog", program, &text[0]);
    if (log) {
        *log = text;
    } else if (!done) {
        fprintf(stderr, "%s\n", text.c_str());
    }
    if (done) {
        call("nvrtcGetPTXSize", program, &size);
        code.resize(size);
        call("nvrtcGetPTX", program, &code[0]);
        EXPECT(call("cuModuleLoadData", &module, code.c_str()) == 0);
    }
    call("nvrtcDestroyProgram", &program);
    return module;
}

static int launch(void *function, unsigned blocks, unsigned threads, std::vector<void *> arguments,
                  unsigned shared = 0) {
    return call("cuLaunchKernel", function, blocks, 1u, 1u, threads, 1u, 1u, shared, (void *)nullptr, arguments.data(),
                (void **)nullptr);
}

static void *function(void *module, const char *name) {
    void *function = nullptr;
    EXPECT(call("cuModuleGetFunction", &function, module, name) == 0);
    return function;
}

template <typename T> static Pointer upload(const std::vector<T> &values) {
    Pointer pointer = 0;
    EXPECT(call("cuMemAlloc_v2", &pointer, values.size() * sizeof(T)) == 0);
    EXPECT(call("cuMemcpyHtoD_v2", pointer, values.data(), values.size() * sizeof(T)) == 0);
    return pointer;
}

template <typename T> static std::vector<T> download(Pointer pointer, size_t count) {
    std::vector<T> values(count);
    EXPECT(call("cuMemcpyDtoH_v2", values.data(), pointer, count * sizeof(T)) == 0);
    return values;
}

static std::vector<float> noise(size_t count, uint32_t seed) {
    std::vector<float> values(count);
    for (float &value : values) {
        seed = seed * 1664525 + 1013904223;
        value = (float)(seed >> 8) / (1 << 23) - 1.0f;
    }
    return values;
}

// Runs a function in a process of its own, with an environment variable set, and returns its exit status.
static int apart(const char *variable, const char *value, const std::function<int()> &run) {
    fflush(stderr);
    pid_t child = fork();
    if (child == 0) {
        setenv(variable, value, 1);
        _exit(run());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void block_sums() {
    void *module = compile(R"(
        extern "C" __global__ void __launch_bounds__(256) sums(const float *from, float *to) {
            __shared__ float shared[256];
            shared[threadIdx.x] = from[blockIdx.x * blockDim.x + threadIdx.x];
            __syncthreads();
            for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
                if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
                __syncthreads();
            }
            if (threadIdx.x == 0) to[blockIdx.x] = shared[0];
        }
        extern "C" __global__ void given(const float *from, float *to) {
            extern __shared__ float shared[];
            shared[threadIdx.x] = from[threadIdx.x];
            __syncthreads();
            to[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
        })");
    const unsigned blocks = 40, threads = 256;
    std::vector<float> values(blocks * threads);
    for (size_t i = 0; i < values.size(); i++) {
        values[i] = (float)(i % 7);
    }
    Pointer from = upload(values), to = upload(std::vector<float>(blocks));
    void *sums = function(module, "sums"), *given = function(module, "given");
    // Launch from a thread that then ends. The emulator must not use that thread's memory afterwards.
    std::thread([&] {
        open_device();
        EXPECT(launch(sums, 1, threads, {&from, &to}) == 0);
    }).join();
    EXPECT(launch(sums, blocks, threads, {&from, &to}) == 0);
    std::vector<float> found = download<float>(to, blocks);
    for (unsigned block = 0; block < blocks; block++) {
        float sum = 0;
        for (unsigned i = 0; i < threads; i++) {
            sum += values[block * threads + i];
        }
        EXPECT(found[block] == sum);
    }
    to = upload(std::vector<float>(100));
    EXPECT(launch(given, 1, 100, {&from, &to}, 400) == 0);
    EXPECT(download<float>(to, 100)[0] == values[99]);

    // Calls that CUDA refuses.
    EXPECT(launch(given, 1, 1025, {&from, &to}, 400) == 1);
    EXPECT(launch(given, 0, 32, {&from, &to}, 400) == 1);
    EXPECT(launch(given, 1, 32, {&from, &to}, 50000) == 1);
    EXPECT(call("cuFuncSetAttribute", given, 8, 50000) == 0);
    EXPECT(launch(given, 1, 32, {&from, &to}, 50000) == 0);
    EXPECT(call("cuFuncSetAttribute", given, 8, 300000) == 1);
    EXPECT(launch(sums, 1, 512, {&from, &to}) == 701);
    EXPECT(launch(sums, 1, 32, {&from, &to}, 48 << 10) == 1);
    int shared = 0;
    EXPECT(call("cuFuncGetAttribute", &shared, 1, sums) == 0 && shared == 1024);
}

static void warps() {
    void *module = compile(R"(
        extern "C" __global__ void lanes(int *to) {
            int lane = threadIdx.x % 32;
            int sum = lane;
            for (int by = 16; by > 0; by /= 2) sum += __shfl_xor_sync(0xffffffff, sum, by);
            int next = __shfl_down_sync(0xffffffff, lane, 1), first = __shfl_sync(0xffffffff, lane, 0, 8);
            int before = __shfl_up_sync(0xffffffff, lane, 2);
            unsigned odd = __ballot_sync(0xffffffff, lane % 2);
            int some = 0;
            if (lane < 8) some = __shfl_xor_sync(0xff, lane, 1);
            bool all = __all_sync(0xffffffff, lane < 32), any = __any_sync(0xffffffff, lane > 31);
            bool right = sum == 496 && next == (lane == 31 ? 31 : lane + 1) && first == lane / 8 * 8 &&
                         before == (lane < 2 ? lane : lane - 2) && odd == 0xaaaaaaaa &&
                         some == (lane < 8 ? lane ^ 1 : 0) && all && !any;
            to[blockIdx.x * blockDim.x + threadIdx.x] = right;
        })");
    Pointer to = upload(std::vector<int>(3 * 96));
    EXPECT(launch(function(module, "lanes"), 3, 96, {&to}) == 0);
    for (int right : download<int>(to, 3 * 96)) {
        EXPECT(right == 1);
    }
}

static float tf32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    bits = (bits + 0x1000) & 0xffffe000;
    memcpy(&value, &bits, 4);
    return value;
}

static void tensor_cores() {
    void *module = compile(R"(
        extern "C" __global__ void product(const float *a, const float *b, float *c) {
            unsigned group = threadIdx.x / 4, in_group = threadIdx.x % 4;
            float d[4];
            unsigned left[4], right[2];
            for (int i = 0; i < 4; i++) {
                left[i] = to_tf32(a[(group + i % 2 * 8) * 8 + in_group + i / 2 * 4]);
                d[i] = c[(group + i / 2 * 8) * 8 + in_group * 2 + i % 2];
            }
            for (int i = 0; i < 2; i++) right[i] = to_tf32(b[(in_group + i * 4) * 8 + group]);
            mma_tf32(d, left, right);
            for (int i = 0; i < 4; i++) c[(group + i / 2 * 8) * 8 + in_group * 2 + i % 2] = d[i];
        })");
    std::vector<float> a = noise(128, 1), b = noise(64, 2), c = noise(128, 3);
    Pointer left = upload(a), right = upload(b), to = upload(c);
    EXPECT(launch(function(module, "product"), 1, 32, {&left, &right, &to}) == 0);
    std::vector<float> found = download<float>(to, 128);
    for (int m = 0; m < 16; m++) {
        for (int n = 0; n < 8; n++) {
            double sum = c[m * 8 + n];
            for (int k = 0; k < 8; k++) {
                sum += (double)tf32(a[m * 8 + k]) * tf32(b[k * 8 + n]);
            }
            EXPECT(std::fabs(found[m * 8 + n] - sum) < 1e-6);
        }
    }
}

static void atomics() {
    void *module = compile(R"(
        extern "C" __global__ void count(float *f, double *d, unsigned long long *u, int *most) {
            int i = blockIdx.x * blockDim.x + threadIdx.x;
            atomicAdd(f, 1.0f);
            atomicAdd(d, 0.5);
            atomicAdd(u, (unsigned long long)STEP);
            atomicMax(most, i);
        })",
                           nullptr, {"--gpu-architecture=sm_90", "-DSTEP=2"});
    Pointer f = upload(std::vector<float>(1)), d = upload(std::vector<double>(1)),
            u = upload(std::vector<unsigned long long>(1)), most = upload(std::vector<int>(1));
    EXPECT(launch(function(module, "count"), 1000, 128, {&f, &d, &u, &most}) == 0);
    EXPECT(download<float>(f, 1)[0] == 128000.0f);
    EXPECT(download<double>(d, 1)[0] == 64000.0);
    EXPECT(download<unsigned long long>(u, 1)[0] == 256000);
    EXPECT(download<int>(most, 1)[0] == 127999);
}

static void errors_of_compiling() {
    std::string log;
    EXPECT(!compile("extern \"C\" __global__ void f(float *x) {\n    y[0] = 1.0f;\n}", &log));
    EXPECT(log.find("check.cu:2:") != std::string::npos);
    EXPECT(!compile("extern \"C\" __global__ void f() {}", &log, {"--no-such-option"}));
    EXPECT(log.find("--no-such-option") != std::string::npos);
    EXPECT(!compile("#include <vector>\n", &log));
}

static void memory() {
    size_t free = 0, total = 0;
    EXPECT(call("cuMemGetInfo_v2", &free, &total) == 0);
    Pointer pointer = 0, more = 0;
    EXPECT(call("cuMemAlloc_v2", &pointer, (size_t)16) == 0);
    EXPECT(std::isnan(download<float>(pointer, 4)[3]));
    EXPECT(call("cuMemAlloc_v2", &more, free) == 2);
    EXPECT(call("cuMemsetD8_v2", pointer, (unsigned char)0, (size_t)17) == 1);
    EXPECT(call("cuMemFree_v2", pointer) == 0);
    EXPECT(call("cuMemFree_v2", pointer) == 1);
}

static void products() {
    void *handle;
    EXPECT(call("cublasCreate_v2", &handle) == 0);
    const int m = 5, n = 4, k = 3;
    std::vector<float> a = noise(m * k, 4), b = noise(k * n, 5);
    float alpha = 2.0f, beta = 0.0f;
    for (int mode : {0, 3}) {
        EXPECT(call("cublasSetMathMode", handle, mode) == 0);
        for (int transposed = 0; transposed < 4; transposed++) {
            int left = transposed % 2, right = transposed / 2;
            std::vector<float> c(m * n, NAN);
            EXPECT(call("cublasSgemm_v2", handle, left, right, m, n, k, &alpha, a.data(), left ? k : m, b.data(),
                        right ? n : k, &beta, c.data(), m) == 0);
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    double sum = 0;
                    for (int inner = 0; inner < k; inner++) {
                        float x = left ? a[i * k + inner] : a[inner * m + i];
                        float y = right ? b[inner * n + j] : b[j * k + inner];
                        sum += mode == 3 ? (double)tf32(x) * tf32(y) : (double)x * y;
                    }
                    EXPECT(std::fabs(c[j * m + i] - 2.0 * sum) < 1e-6);
                }
            }
        }
    }
    EXPECT(call("cublasDestroy_v2", handle) == 0);
}

// Whether a kernel fails, and every call after it. Runs in a process of its own.
static bool fails(const char *body, bool from_nvcc = false) {
    return apart("EMULATOR_ORDER", "forward", [&] {
        open_device();
        std::string source = std::string("extern \"C\" __global__ void f(float *x) {") + body + "}";
        void *module = nullptr;
        if (from_nvcc) {
            EXPECT(call("cuModuleLoadData", &module, source.c_str()) == 0);
        } else {
            module = compile(source.c_str());
        }
        Pointer x = upload(std::vector<float>(64));
        int code = launch(function(module, "f"), 2, 64, {&x});
        return failures == 0 && code == 719 && call("cuCtxSynchronize") == 719 ? 1 : 0;
    }) == 1;
}

static void wrong_kernels() {
    EXPECT(!fails("__syncthreads(); x[threadIdx.x] = 1.0f;"));
    EXPECT(fails("if (threadIdx.x < 40) __syncthreads();"));
    EXPECT(fails("if (threadIdx.x < 40) __syncthreads(); else __syncthreads();"));
    EXPECT(fails("if (threadIdx.x == 3) return; __syncthreads();"));
    EXPECT(fails("if (threadIdx.x != 3) x[0] = __shfl_xor_sync(0xffffffff, x[0], 1);"));
    EXPECT(fails("if (threadIdx.x == 3) __syncthreads(); else __syncwarp();"));
    // Like kernels of dfdx.
    EXPECT(!fails("if (threadIdx.x == 3) return; __syncthreads();", true));
    EXPECT(fails("if (threadIdx.x == 0) { float big[20000]; for (int i = 0; i < 20000; i++) big[i] = x[i % 64];"
                 "__syncwarp(1); x[(int)x[0]] = big[(int)x[1]]; }"));
}

// Runs a kernel that lacks a barrier, and returns how many threads see what their neighbour has written.
static int without_barrier(const char *order) {
    return apart("EMULATOR_ORDER", order, [] {
        open_device();
        void *module = compile(R"(
            extern "C" __global__ void f(float *x) {
                __shared__ float shared[64];
                shared[threadIdx.x] = 1.0f;
                x[threadIdx.x] = shared[(threadIdx.x + 1) % 64] == 1.0f;
            })");
        Pointer x = upload(std::vector<float>(64));
        EXPECT(launch(function(module, "f"), 1, 64, {&x}) == 0);
        int right = 0;
        for (float value : download<float>(x, 64)) {
            right += value == 1.0f;
        }
        return failures == 0 ? right : -1;
    });
}

static int devices(const char *variable, const char *value) {
    return apart(variable, value, [] {
        int count = 0, code = call("cuInit", 0u);
        call("cuDeviceGetCount", &count);
        return code == 0 ? count : code;
    });
}

int main() {
    // Before this process opens a device, because forked children do not get its threads.
    wrong_kernels();
    EXPECT(without_barrier("forward") == 1);
    EXPECT(without_barrier("reverse") == 63);
    EXPECT(devices("EMULATOR_DEVICES", "2") == 2);
    EXPECT(devices("EMULATOR_DEVICES", "0") == 100);
    EXPECT(devices("CUDA_VISIBLE_DEVICES", "") == 100);
    EXPECT(devices("CUDA_VISIBLE_DEVICES", "GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e000") == 1);

    open_device();
    block_sums();
    warps();
    tensor_cores();
    atomics();
    errors_of_compiling();
    memory();
    products();
    if (failures == 0) {
        puts("all checks of the emulator passed");
    }
    return failures != 0;
}
