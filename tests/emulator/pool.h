// Spreads the blocks of a launch over the cores of the host.
#pragma once

#include "worker.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace emulator {

class Pool {
    // A launch with fewer threads than this ends before other host threads are awake.
    static const size_t FEW = 4096;

    std::mutex lock;
    std::condition_variable begun, ended;
    unsigned launches = 0, busy = 0, helpers = 0;
    Worker own;

    // The current launch.
    const Kernel *kernel = nullptr;
    void **arguments = nullptr;
    dim3 blocks, threads;
    size_t dynamic = 0, count = 0;
    std::atomic<size_t> next{0};
    std::string wrong;

    void work(Worker &worker) {
        worker.prepare_launch(kernel, arguments, blocks, threads, dynamic);
        for (size_t i; (i = next++) < count;) {
            const char *problem = worker.run(worker.blocks_order().block(i, count));
            if (*problem) {
                std::lock_guard<std::mutex> guard(lock);
                wrong = problem;
                next = count;
            }
        }
    }

    void help() {
        auto *worker = new Worker;
        unsigned seen = 0;
        std::unique_lock<std::mutex> guard(lock);
        for (;;) {
            begun.wait(guard, [&] { return launches != seen; });
            seen = launches;
            guard.unlock();
            work(*worker);
            guard.lock();
            if (--busy == 0) {
                ended.notify_one();
            }
        }
    }

  public:
    Pool() {
        const char *given = getenv("EMULATOR_THREADS");
        unsigned threads = given && *given ? (unsigned)atoi(given) : std::thread::hardware_concurrency();
        helpers = threads < 2 ? 0 : threads > 16 ? 15 : threads - 1;
        for (unsigned i = 0; i < helpers; i++) {
            std::thread([this] { help(); }).detach();
        }
    }

    // Runs a kernel, one launch at a time. Returns an empty string, or what went wrong.
    std::string launch(const Kernel *kernel, void **arguments, dim3 blocks, dim3 threads, size_t dynamic) {
        this->kernel = kernel;
        this->arguments = arguments;
        this->blocks = blocks;
        this->threads = threads;
        this->dynamic = dynamic;
        count = (size_t)blocks.x * blocks.y * blocks.z;
        next = 0;
        wrong.clear();
        size_t all = count * threads.x * threads.y * threads.z;
        bool together = helpers > 0 && count > 1 && all >= FEW;
        if (together) {
            std::lock_guard<std::mutex> guard(lock);
            launches++;
            busy = helpers;
            begun.notify_all();
        }
        work(own);
        if (together) {
            std::unique_lock<std::mutex> guard(lock);
            ended.wait(guard, [&] { return busy == 0; });
        }
        return wrong;
    }
};

} // namespace emulator
