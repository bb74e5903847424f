// From the source of kernels to functions that can be called: preprocessed, given an entry for every
// kernel, compiled into a shared object in a cache folder, and loaded.
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
#include <vector>

namespace emulator {

inline std::string variable(const char *name, const std::string &otherwise) {
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

// The folder of this library's sources, told by tests/emulator/with.
inline std::string home() { return variable("EMULATOR_HOME", "tests/emulator"); }

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

inline uint64_t hash(const std::string &text) {
    uint64_t hash = 1469598103934665603u;
    for (unsigned char byte : text) {
        hash = (hash ^ byte) * 1099511628211u;
    }
    return hash;
}

inline bool has(const std::string &text, const char *word) { return text.find(word) != std::string::npos; }

// Whether threads of a kernel may wait for others.
inline bool waits(const std::string &source) {
    for (const char *word : {"__syncthreads", "__syncwarp", "_sync(", "mma_tf32"}) {
        if (has(source, word)) {
            return true;
        }
    }
    return false;
}

// The shared object of a preprocessed source, compiled unless it was; empty, with `log`, if it does not
// compile.
inline std::string object(const std::string &source, std::string &log) {
    std::string flags = variable("EMULATOR_SANITIZE", "0") == "1"
                            ? "-O1 -g -fsanitize=address --param asan-stack=0 --param asan-globals=0"
                            : "-O2";
    flags += " -std=c++17 -fPIC -shared -w -fno-strict-aliasing -ffp-contract=fast -march=native";
    std::string entries = "\n";
    std::regex kernel("__emulator_kernel__\\s+void\\s+(\\w+)\\s*\\(");
    for (std::sregex_iterator found(source.begin(), source.end(), kernel), end; found != end; ++found) {
        std::string name = (*found)[1];
        entries += "static void body_" + name + "(void **a) { emulator::call(&" + name + ", a); }\n" +
                   "extern \"C\" const char *launch_" + name + "(void **a, dim3 blocks, dim3 threads) { return " +
                   "emulator::run(body_" + name + ", a, blocks, threads, " + (waits(source) ? "false" : "true") +
                   "); }\n";
    }
    std::string whole = "#define __emulator_kernel__ static\n#include \"device.h\"\n" +
                        std::regex_replace(source, std::regex("extern\\s+\"C\"\\s+__emulator_kernel__"),
                                           "__emulator_kernel__") +
                        entries;
    char name[64];
    snprintf(name, sizeof name, "%016lx",
             (unsigned long)hash(flags + whole + read(home() + "/device.h")));
    std::string cache = variable("EMULATOR_CACHE", "/tmp/cuda-emulator");
    mkdir(cache.c_str(), 0777);
    std::string path = cache + "/" + name + ".so";
    if (access(path.c_str(), R_OK) == 0) {
        return path;
    }
    std::string own = cache + "/" + name + "." + std::to_string(getpid()) + "." + std::to_string((uintptr_t)&own);
    if (!write(own + ".cpp", whole)) {
        log = "cannot write " + own + ".cpp";
        return "";
    }
    std::string command = "g++ " + flags + " -I '" + home() + "' '" + own + ".cpp' -o '" + own + ".so' 2> '" + own +
                          ".log'";
    bool done = system(command.c_str()) == 0;
    log = read(own + ".log");
    unlink((own + ".log").c_str());
    unlink((own + ".cpp").c_str());
    return done && rename((own + ".so").c_str(), path.c_str()) == 0 ? path : "";
}

} // namespace emulator
