// Compiles the source of kernels to functions that can be called. Adds an entry for every kernel, and
// compiles the result to a shared object in a cache folder.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace emulator {

inline std::string variable(const char *name, const std::string &otherwise) {
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

// The folder of the emulator's sources, set by tests/emulator/with.
inline std::string home() { return variable("EMULATOR_HOME", "tests/emulator"); }

inline bool sanitized() { return variable("EMULATOR_SANITIZE", "0") == "1"; }

inline std::string read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

inline bool write(const std::string &path, const std::string &text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    return bool(file.flush());
}

inline std::string quoted(const std::string &text) {
    return "'" + std::regex_replace(text, std::regex("'"), "'\\''") + "'";
}

// A new folder for intermediate files, removed at the end of its scope.
struct Scratch {
    std::string path;

    Scratch() {
        path = variable("TMPDIR", "/tmp") + "/cuda-emulator-XXXXXX";
        if (!mkdtemp(&path[0])) {
            path.clear();
        }
    }
    ~Scratch() {
        if (!path.empty() && system(("rm -rf " + quoted(path)).c_str()) != 0) {
            fprintf(stderr, "emulator: failed to remove %s\n", path.c_str());
        }
    }
    // Runs a command and stores its messages in `log`. LD_PRELOAD is cleared, as it may contain a sanitizer.
    bool run(const std::string &command, std::string &log) const {
        int status = system(("LD_PRELOAD= " + command + " 2> " + quoted(path + "/log")).c_str());
        log = read(path + "/log");
        return status == 0;
    }
};

// The command that prepares a source for `object`: includes and conditions are resolved, kernels are marked.
inline std::string preprocessor() {
    return "g++ -E -nostdinc -x c++ -std=gnu++17 -DCUDA_EMULATOR -D__CUDACC__ -D__WORDSIZE=64 "
           "-D__global__=__emulator_kernel__ "
           "'-D__launch_bounds__(...)=__emulator_bounds__(__VA_ARGS__)'";
}

// The command that compiles kernels. Products and sums are fused, as on the GPU.
inline std::string compiler() {
    std::string kind = sanitized() ? "-O1 -g -fsanitize=address --param asan-stack=0 --param asan-globals=0" : "-O2";
    return "g++ " + kind + " -std=gnu++17 -fPIC -w -fvisibility=hidden -fno-gnu-unique -fno-strict-aliasing "
                           "-ffp-contract=fast -march=native";
}

inline std::string hash(const std::string &text) {
    uint64_t hash = 1469598103934665603u;
    for (unsigned char byte : text) {
        hash = (hash ^ byte) * 1099511628211u;
    }
    char name[32];
    snprintf(name, sizeof name, "%016llx", (unsigned long long)hash);
    return name;
}

// The folder for compiled files.
inline std::string cache() {
    std::string folder = variable("EMULATOR_CACHE", variable("TMPDIR", "/tmp") + "/cuda-emulator");
    mkdir(folder.c_str(), 0777);
    return folder;
}

// Compiles to a temporary file and renames it, because several processes may compile the same source.
inline bool compile(const Scratch &scratch, const std::string &flags, const std::string &file, std::string &log) {
    std::string own = file + "." + scratch.path.substr(scratch.path.size() - 6);
    return scratch.run(compiler() + " " + flags + " -o " + quoted(own), log) &&
           rename(own.c_str(), file.c_str()) == 0;
}

// Everything besides the source that affects the code that `compiler` generates.
inline std::string surroundings() {
    std::string text = compiler();
    for (const char *file : {"block.h", "device.h", "arithmetic.h", "warp.h"}) {
        text += read(home() + "/" + file);
    }
    std::string processor = read("/proc/cpuinfo");
    size_t flags = processor.find("flags");
    return text + __VERSION__ + (flags == std::string::npos ? "" : processor.substr(flags, processor.find('\n', flags) - flags));
}

// Returns, for every kernel, the definition of the symbol that the driver looks up.
inline std::string entries(const std::string &source, bool lenient) {
    std::string text = "\n";
    const std::string bounds = R"(\s*(?:__emulator_bounds__\s*\(((?:[^()]|\([^()]*\))*)\)\s*)?)";
    std::regex kernel("__emulator_kernel__" + bounds + "\\s*void\\b" + bounds + R"(\s*(\w+)\s*\()");
    for (std::sregex_iterator found(source.begin(), source.end(), kernel), end; found != end; ++found) {
        std::string bound = (*found)[1].matched ? (*found)[1] : (*found)[2], name = (*found)[3];
        bound = bound.empty() ? "emulator::MOST_THREADS" : "emulator::first(" + bound + ")";
        text += "static void body_" + name + "(void **a) { emulator::call(&" + name + ", a); }\n" +
                "extern \"C\" __attribute__((visibility(\"default\"))) const emulator::Kernel kernel_" + name +
                " = {body_" + name + ", emulator::bind, emulator::letters(&" + name + "), " + bound + ", " +
                (lenient ? "true" : "false") + "};\n";
    }
    return text;
}

// Returns the shared object of a source, compiled if it is not cached. Returns an empty string if the source
// does not compile; `log` then has the messages.
inline std::string object(std::string source, std::string &log) {
    Scratch scratch;
    if (source.find("__global__") != std::string::npos) {
        write(scratch.path + "/kernels.cu", source);
        std::string command = preprocessor() + " - < " + quoted(scratch.path + "/kernels.cu") + " -o " +
                              quoted(scratch.path + "/kernels");
        if (!scratch.run(command, log)) {
            return "";
        }
        source = read(scratch.path + "/kernels");
    }
    bool lenient = source.find("emulator_strict") == std::string::npos;
    std::regex dynamic(R"(extern\s+__shared__\s+(?:__align__\s*\(\s*\d+\s*\)\s*)?([^;\[\]]*\S)\s+(\w+)\s*\[\s*\]\s*;)");
    source = std::regex_replace(source, dynamic, "$1 *const $2 = ($1 *)emulator::now->dynamic;");
    std::regex external("extern\\s+\"C\"\\s+__emulator_kernel__");
    std::string whole = "#include \"device.h\"\n" + std::regex_replace(source, external, "__emulator_kernel__") +
                        entries(source, lenient);
    static const std::string around = surroundings();
    std::string file = cache() + "/" + hash(around + whole) + ".so";
    if (access(file.c_str(), R_OK) == 0) {
        return file;
    }
    // The headers take longer than most kernels, so they are precompiled once.
    std::string headers = cache() + "/" + hash(around);
    mkdir(headers.c_str(), 0777);
    if (access((headers + "/device.h.gch").c_str(), R_OK) != 0 &&
        !compile(scratch, "-x c++-header " + quoted(home() + "/device.h"), headers + "/device.h.gch", log)) {
        return "";
    }
    write(scratch.path + "/kernels.cpp", whole);
    std::string flags = "-shared -I " + quoted(headers) + " -I " + quoted(home()) + " ";
    return compile(scratch, flags + quoted(scratch.path + "/kernels.cpp"), file, log) ? file : "";
}

} // namespace emulator
