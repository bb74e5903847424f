// Runs the threads of a block, one at a time, each until it waits for others. A thread that never waits needs
// no fiber: threads are called one after another on the same stack, until one of them waits and keeps the
// stack.
#pragma once

#include "block.h"
#include "fibers.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace emulator {

// The thread-local memory of the module that contains `code`.
struct Shared {
    uintptr_t code;
    char *start;
    size_t bytes;
};

class Worker;
// The worker of this host thread. A library that is loaded at run time may have a few bytes of this TLS
// model.
extern thread_local Worker *worker __attribute__((tls_model("initial-exec")));

// The order in which warps run, and the lanes of each warp, between two barriers.
class Order {
    enum { FORWARD, REVERSE, SHUFFLE } kind = FORWARD;
    uint64_t random = 1;

  public:
    Order() {
        const char *name = getenv("EMULATOR_ORDER");
        kind = !name || !*name || !strcmp(name, "forward") ? FORWARD : !strcmp(name, "reverse") ? REVERSE : SHUFFLE;
    }

    void fill(unsigned char *order, unsigned count) {
        for (unsigned i = 0; i < count; i++) {
            order[i] = (unsigned char)(kind == REVERSE ? count - 1 - i : i);
        }
        for (unsigned i = count; kind == SHUFFLE && i > 1; i--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned j = (unsigned)(random >> 33) % i;
            unsigned char kept = order[i - 1];
            order[i - 1] = order[j];
            order[j] = kept;
        }
    }

    // Returns the index of the block that runs as number `i` of `count`.
    size_t block(size_t i, size_t count) const {
        if (kind == SHUFFLE) {
            size_t step = 7919;
            return count % step == 0 ? i : (i * step + count / 3) % count;
        }
        return kind == REVERSE ? count - 1 - i : i;
    }
};

class Worker : public Block {
    enum State : unsigned char { FRESH, READY, AT_BARRIER, AT_COLLECTIVE, DONE };
    static const unsigned NONE = ~0u;
    static const unsigned WARPS = MOST_THREADS / WARP;

    struct Warp {
        // Lanes that wait for a collective operation, with their masks, their sites, and what they pass to
        // it.
        unsigned waiting, masks[WARP];
        int sites[WARP];
        void *brought[WARP];
        unsigned done;
    };

    const Kernel *kernel = nullptr;
    void **arguments = nullptr;
    Shared shared = {};
    size_t dynamic_bytes = 0;
    std::vector<char> dynamic_memory;

    unsigned count = 0, current = 0, done = 0, at_barrier = 0;
    int barrier_site = 0;
    // Index of the running warp in warp_order, and of its next lane in lane_order.
    unsigned warp_at = 0, lane_at = 0;
    unsigned char warp_order[WARPS], lane_order[WARP];
    Order order;

    State state[MOST_THREADS];
    uint3 place[MOST_THREADS];
    Fiber fiber[MOST_THREADS], main;
    Warp warps[WARPS];
    Stacks stacks{MOST_THREADS + 1};
    char wrong[256];

    void fail(const char *what, bool of_thread = true) {
        if (*wrong) {
            return;
        }
        int length = snprintf(wrong, sizeof wrong, "block (%u, %u, %u)", block.x, block.y, block.z);
        if (of_thread) {
            const uint3 &at = place[current];
            length += snprintf(wrong + length, sizeof wrong - length, ", thread (%u, %u, %u)", at.x, at.y, at.z);
        }
        snprintf(wrong + length, sizeof wrong - length, ": %s", what);
    }
    unsigned lanes_of(unsigned warp) const { return count - warp * WARP < WARP ? count - warp * WARP : WARP; }
    void turn();
    unsigned next();
    void go(unsigned from);
    [[noreturn]] static void begin();

    static void wait_at_barrier(int site);
    static void wait_for_lanes(unsigned mask, int site, void *brought, void (*all)(void **, unsigned));
    static unsigned running_lanes();

  public:
    Worker();

    // Prepares for the blocks of a launch.
    void prepare_launch(const Kernel *kernel, void **arguments, dim3 blocks, dim3 threads, size_t dynamic_bytes);
    // Runs a block. Returns an empty string, or what went wrong.
    const char *run(size_t index);
    const Order &blocks_order() const { return order; }
};

} // namespace emulator
