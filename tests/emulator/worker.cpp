#include "worker.h"

#include <link.h>
#include <unordered_map>

namespace emulator {

thread_local Worker *worker;

Worker::Worker() {
    barrier = wait_at_barrier;
    collective = wait_for_lanes;
    lanes = running_lanes;
}

// Finds the thread-local memory of the module that contains the code. This is its shared memory.
static int find(dl_phdr_info *module, size_t, void *wanted) {
    auto *found = (Shared *)wanted;
    size_t bytes = 0;
    bool here = false;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) &part = module->dlpi_phdr[i];
        uintptr_t start = module->dlpi_addr + part.p_vaddr;
        here |= part.p_type == PT_LOAD && found->code >= start && found->code < start + part.p_memsz;
        bytes = part.p_type == PT_TLS ? part.p_memsz : bytes;
    }
    if (here) {
        found->start = (char *)module->dlpi_tls_data;
        found->bytes = bytes;
    }
    return here;
}

void Worker::prepare_launch(const Kernel *kernel, void **arguments, dim3 blocks, dim3 threads, size_t dynamic_bytes) {
    this->kernel = kernel;
    this->arguments = arguments;
    this->blocks = blocks;
    this->threads = threads;
    this->dynamic_bytes = dynamic_bytes;
    count = threads.x * threads.y * threads.z;
    for (unsigned i = 0; i < count; i++) {
        place[i] = {i % threads.x, i / threads.x % threads.y, i / (threads.x * threads.y)};
    }
    dynamic_memory.resize(dynamic_bytes + 128);
    dynamic = dynamic_memory.data() + (128 - (uintptr_t)dynamic_memory.data() % 128);
    // One map per host thread, not per worker, because launches come from many threads.
    static thread_local std::unordered_map<void (*)(Block *), Shared> shared_of;
    auto known = shared_of.find(kernel->bind);
    if (known == shared_of.end()) {
        // The module's thread-local memory exists only after its first use.
        kernel->bind(this);
        Shared found = {(uintptr_t)kernel->bind, nullptr, 0};
        dl_iterate_phdr(find, &found);
        known = shared_of.emplace(kernel->bind, found).first;
    }
    shared = known->second;
}

const char *Worker::run(size_t index) {
    worker = this;
    block = {(unsigned)(index % blocks.x), (unsigned)(index / blocks.x % blocks.y),
             (unsigned)(index / blocks.x / blocks.y)};
    // Filled with NaN, to reveal reads of values that the block has not written.
    if (shared.start) {
        memset(shared.start, 0xff, shared.bytes);
    }
    memset(dynamic, 0xff, dynamic_bytes);
    kernel->bind(this);
    memset(state, FRESH, count);
    for (unsigned warp = 0; warp * WARP < count; warp++) {
        warps[warp].waiting = warps[warp].done = 0;
    }
    done = at_barrier = 0;
    *wrong = 0;
    turn();
    go(NONE);
    if (*wrong) {
        stacks.reset();
    }
    return wrong;
}

// Starts a new round, in which all threads may run.
void Worker::turn() {
    order.fill(warp_order, (count + WARP - 1) / WARP);
    warp_at = 0;
    lane_at = 0;
    order.fill(lane_order, lanes_of(warp_order[0]));
}

// Returns the thread that runs next, or NONE if the block has ended or cannot continue.
unsigned Worker::next() {
    for (;;) {
        if (*wrong) {
            return NONE;
        }
        unsigned warp = warp_order[warp_at];
        while (lane_at < lanes_of(warp)) {
            unsigned thread = warp * WARP + lane_order[lane_at++];
            if (state[thread] <= READY) {
                return thread;
            }
        }
        if (++warp_at * WARP < count) {
            lane_at = 0;
            order.fill(lane_order, lanes_of(warp_order[warp_at]));
            continue;
        }
        if (done == count) {
            return NONE;
        }
        if (at_barrier + done < count) {
            fail("lanes of a warp wait for lanes that never arrive", false);
            return NONE;
        }
        if (done > 0 && !kernel->lenient) {
            fail("some threads wait at a barrier that others do not reach before they end", false);
            return NONE;
        }
        for (unsigned i = 0; i < count; i++) {
            state[i] = state[i] == DONE ? DONE : READY;
        }
        at_barrier = 0;
        turn();
    }
}

// Switches to the thread that runs next. Returns when it is the turn of `from` again.
void Worker::go(unsigned from) {
    unsigned to = next();
    Fiber *here = from == NONE ? &main : &fiber[from];
    Fiber fresh, *there = to == NONE ? &main : &fiber[to];
    if (to != NONE) {
        current = to;
        thread = place[to];
        if (state[to] == FRESH) {
            prepare(&fresh, stacks.take(), begin);
            there = &fresh;
        }
        state[to] = READY;
    }
    if (here != there) {
        change(here, there);
    }
}

// The entry function of a stack. Calls new threads until the next one is a thread that has waited.
void Worker::begin() {
    Worker &self = *worker;
    for (;;) {
        self.kernel->body(self.arguments);
        unsigned me = self.current;
        self.state[me] = DONE;
        self.warps[me / WARP].done |= 1u << me % WARP;
        self.done++;
        unsigned to = self.next();
        if (to == NONE || self.state[to] != FRESH) {
            // Nothing is called on this stack after it is returned.
            char here;
            if (!self.stacks.give(&here)) {
                self.fail("stack overflow");
                to = NONE;
            }
            if (to != NONE) {
                self.current = to;
                self.thread = self.place[to];
            }
            Fiber unused;
            change(&unused, to == NONE ? &self.main : &self.fiber[to]);
        }
        self.current = to;
        self.thread = self.place[to];
        self.state[to] = READY;
    }
}

void Worker::wait_at_barrier(int site) {
    Worker &self = *worker;
    unsigned me = self.current;
    if (self.at_barrier++ == 0) {
        self.barrier_site = site;
    } else if (self.barrier_site != site && !self.kernel->lenient) {
        self.fail("threads of a block wait at different barriers");
    }
    self.state[me] = AT_BARRIER;
    self.go(me);
}

void Worker::wait_for_lanes(unsigned mask, int site, void *brought, void (*all)(void **, unsigned)) {
    Worker &self = *worker;
    unsigned me = self.current, first = me / WARP * WARP, lane = me % WARP;
    unsigned there = self.lanes_of(me / WARP);
    Warp &warp = self.warps[me / WARP];
    mask &= there == WARP ? ~0u : (1u << there) - 1;
    warp.waiting |= 1u << lane;
    warp.masks[lane] = mask;
    warp.sites[lane] = site;
    warp.brought[lane] = brought;
    if (!(mask >> lane & 1)) {
        self.fail("a lane calls a warp function with a mask that does not include the lane itself");
    } else if (mask & warp.done) {
        self.fail("a lane waits for a lane that has ended");
    } else if ((warp.waiting & mask) == mask) {
        for (unsigned other = 0; other < WARP; other++) {
            if (mask >> other & 1 && (warp.masks[other] != mask || warp.sites[other] != site)) {
                self.fail("lanes of a warp call a warp function at different places, or with different masks");
            }
        }
        if (!*self.wrong) {
            all(warp.brought, mask);
            warp.waiting &= ~mask;
            for (unsigned other = 0; other < WARP; other++) {
                if (mask >> other & 1) {
                    self.state[first + other] = READY;
                }
            }
            // From the first lane again, to keep the order.
            self.lane_at = 0;
            self.go(me);
            return;
        }
    }
    self.state[me] = AT_COLLECTIVE;
    self.go(me);
}

unsigned Worker::running_lanes() {
    unsigned there = worker->lanes_of(worker->current / WARP);
    return (there == WARP ? ~0u : (1u << there) - 1) & ~worker->warps[worker->current / WARP].done;
}

} // namespace emulator
