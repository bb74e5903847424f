// NVRTC, whose "machine code" is the preprocessed source. The source is already compiled here, so that errors
// occur where programs expect them. The driver finds the object in the cache.
#include "module.h"

#include <cstring>
#include <vector>

using namespace emulator;

enum Code { SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6 };

struct Program {
    std::string name, source, code, log;
    std::vector<std::pair<std::string, std::string>> headers;
};

// Returns what follows a prefix of the option, or null if the option does not start with it.
static const char *after(const std::string &option, const char *prefix) {
    return option.rfind(prefix, 0) == 0 ? option.c_str() + strlen(prefix) : nullptr;
}

// Translates NVRTC's options to flags of the preprocessor. Returns false if NVRTC does not have an option.
static bool translate(int count, const char *const *options, std::string &flags, std::string &log) {
    std::string architecture = "75";
    for (int i = 0; i < count; i++) {
        std::string option = options[i];
        // Accepts both `-D X` and `-DX`, and both `--name=value` and `--name value`.
        if ((option == "-D" || option == "-I" || option == "--define-macro" || option == "--include-path") &&
            i + 1 < count) {
            option += option[1] == '-' ? std::string("=") + options[++i] : options[++i];
        }
        const char *value;
        if ((value = after(option, "--include-path=")) || (value = after(option, "-I"))) {
            flags += " -I " + quoted(value);
        } else if ((value = after(option, "--define-macro=")) || (value = after(option, "-D"))) {
            flags += " -D " + quoted(value);
        } else if ((value = after(option, "--undefine-macro=")) || (value = after(option, "-U"))) {
            flags += " -U " + quoted(value);
        } else if ((value = after(option, "--gpu-architecture=")) || (value = after(option, "-arch="))) {
            const char *number = strchr(value, '_');
            architecture = number ? std::to_string(atoi(number + 1)) : "";
            if (architecture.empty() || architecture == "0") {
                log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
                return false;
            }
        } else {
            bool known = false;
            for (const char *name : {"--std=", "-std=", "--fmad=", "-fmad=", "--ftz=", "-ftz=", "--prec-sqrt=",
                                     "-prec-sqrt=", "--prec-div=", "-prec-div=", "--use_fast_math", "-use_fast_math",
                                     "--maxrregcount=", "-maxrregcount=", "--restrict", "-restrict", "--device-debug",
                                     "-G", "--generate-line-info", "-lineinfo", "-default-device", "--disable-warnings",
                                     "-w", "--extra-device-vectorization", "--ptxas-options", "-Xptxas", "--minimal",
                                     "--relocatable-device-code=", "-rdc=", "--dopt", "-dopt", "--split-compile="}) {
                known |= after(option, name) != nullptr;
            }
            if (!known) {
                log = "nvrtc: error: unrecognized option " + option + " found\n";
                return false;
            }
        }
    }
    flags += " -D__CUDACC_RTC__ -D__CUDA_ARCH__=" + architecture + "0";
    return true;
}

static int copy(const std::string &text, char *to) {
    memcpy(to, text.c_str(), text.size() + 1);
    return SUCCESS;
}

extern "C" {

int nvrtcVersion(int *major, int *minor) {
    // Not a version of NVIDIA's, so that a cache of compiled kernels cannot confuse them.
    *major = 0;
    *minor = 0;
    return SUCCESS;
}

int nvrtcCreateProgram(Program **program, const char *source, const char *name, int count, const char *const *headers,
                       const char *const *names) {
    if (!source) {
        return INVALID_INPUT;
    }
    *program = new Program{name && *name ? name : "default_program", source, "", "", {}};
    for (int i = 0; i < count; i++) {
        (*program)->headers.emplace_back(names[i], headers[i]);
    }
    return SUCCESS;
}

int nvrtcDestroyProgram(Program **program) {
    delete *program;
    *program = nullptr;
    return SUCCESS;
}

int nvrtcCompileProgram(Program *program, int count, const char *const *options) {
    if (!program) {
        return INVALID_PROGRAM;
    }
    std::string flags;
    if (!translate(count, options, flags, program->log)) {
        return INVALID_OPTION;
    }
    // Input for tests/emulator/compile.
    std::string dump = variable("EMULATOR_DUMP", "");
    if (!dump.empty()) {
        write(dump + "/" + hash(program->source) + ".cu", program->source);
    }
    Scratch scratch;
    // Makes messages name the program.
    write(scratch.path + "/kernels.cu", "#line 1 \"" + program->name + "\"\n" + program->source);
    for (auto &header : program->headers) {
        write(scratch.path + "/" + header.first, header.second);
    }
    std::string command = preprocessor() + flags + " -I " + quoted(scratch.path) + " -I " +
                          quoted(home() + "/toolkit/include") + " - < " + quoted(scratch.path + "/kernels.cu") +
                          " -o " + quoted(scratch.path + "/code");
    if (!scratch.run(command, program->log)) {
        return COMPILATION;
    }
    // Barriers must follow the manual. Only code from nvcc, which is dfdx's, may have threads end before a
    // barrier.
    program->code = read(scratch.path + "/code") + "typedef int emulator_strict;\n";
    return object(program->code, program->log).empty() ? COMPILATION : SUCCESS;
}

int nvrtcGetPTXSize(Program *program, size_t *size) {
    *size = program->code.size() + 1;
    return SUCCESS;
}
int nvrtcGetPTX(Program *program, char *code) { return copy(program->code, code); }
int nvrtcGetCUBINSize(Program *program, size_t *size) { return nvrtcGetPTXSize(program, size); }
int nvrtcGetCUBIN(Program *program, char *code) { return copy(program->code, code); }
int nvrtcGetProgramLogSize(Program *program, size_t *size) {
    *size = program->log.size() + 1;
    return SUCCESS;
}
int nvrtcGetProgramLog(Program *program, char *log) { return copy(program->log, log); }
const char *nvrtcGetErrorString(int code) {
    switch (code) {
    case SUCCESS: return "NVRTC_SUCCESS";
    case INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case COMPILATION: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR unknown";
    }
}
}
