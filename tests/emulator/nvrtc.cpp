// NVRTC: "machine code" is the preprocessed source.
#include "module.h"

#include <cstring>

struct Program {
    std::string source, code, log;
};

enum { SUCCESS = 0, INVALID_INPUT = 3, COMPILATION = 6 };

static int copy(const std::string &text, char *to) {
    memcpy(to, text.c_str(), text.size() + 1);
    return SUCCESS;
}

extern "C" {

int nvrtcVersion(int *major, int *minor) {
    // No version of NVIDIA's, so that a cache of compiled kernels cannot mix them up.
    *major = 0;
    *minor = 0;
    return SUCCESS;
}

int nvrtcCreateProgram(Program **program, const char *source, const char *, int, const char *const *,
                       const char *const *) {
    *program = new Program{source, "", ""};
    return SUCCESS;
}

int nvrtcDestroyProgram(Program **program) {
    delete *program;
    *program = nullptr;
    return SUCCESS;
}

int nvrtcCompileProgram(Program *program, int count, const char *const *options) {
    std::string flags;
    for (int i = 0; i < count; i++) {
        std::string option = options[i];
        for (const char *prefix : {"--include-path=", "-I"}) {
            if (option.rfind(prefix, 0) == 0) {
                flags += " -I '" + option.substr(std::string(prefix).size()) + "'";
            }
        }
        for (const char *prefix : {"--define-macro=", "-D"}) {
            if (option.rfind(prefix, 0) == 0) {
                flags += " -D '" + option.substr(std::string(prefix).size()) + "'";
            }
        }
    }
    // For tests/emulator/compile.
    std::string dump = emulator::variable("EMULATOR_DUMP", "");
    if (!dump.empty()) {
        char name[64];
        snprintf(name, sizeof name, "/%016lx.cu", (unsigned long)emulator::hash(program->source));
        emulator::write(dump + name, program->source);
    }
    char folder[] = "/tmp/cuda-emulator-XXXXXX";
    if (!mkdtemp(folder)) {
        return INVALID_INPUT;
    }
    std::string path = folder;
    emulator::write(path + "/kernels.cu", program->source);
    std::string command = "g++ -E -P -nostdinc -x c++ -DCUDA_EMULATOR -D__CUDA_ARCH__=900 '-D__launch_bounds__(...)=' -D__global__=__emulator_kernel__ -I '" + emulator::home() +
                          "/toolkit/include'" + flags + " '" + path + "/kernels.cu' > '" + path + "/code' 2> '" + path +
                          "/log'";
    bool done = system(command.c_str()) == 0;
    program->code = emulator::read(path + "/code");
    program->log = emulator::read(path + "/log");
    for (const char *file : {"/kernels.cu", "/code", "/log"}) {
        unlink((path + file).c_str());
    }
    rmdir(folder);
    // Compiled now, so that errors come where they are expected; the driver finds it in the cache.
    return done && !emulator::object(program->code, program->log).empty() ? SUCCESS : COMPILATION;
}

int nvrtcGetCUBINSize(Program *program, size_t *size) {
    *size = program->code.size() + 1;
    return SUCCESS;
}
int nvrtcGetCUBIN(Program *program, char *code) { return copy(program->code, code); }
int nvrtcGetPTXSize(Program *program, size_t *size) { return nvrtcGetCUBINSize(program, size); }
int nvrtcGetPTX(Program *program, char *code) { return copy(program->code, code); }
int nvrtcGetProgramLogSize(Program *program, size_t *size) {
    *size = program->log.size() + 1;
    return SUCCESS;
}
int nvrtcGetProgramLog(Program *program, char *log) { return copy(program->log, log); }
const char *nvrtcGetErrorString(int code) { return code == SUCCESS ? "NVRTC_SUCCESS" : "NVRTC_ERROR"; }
}
