// Operations in which the lanes of a warp take part together. The last lane to arrive computes for all.
#pragma once

#define __syncwarp(...) emulator::sync_warp(__COUNTER__, ##__VA_ARGS__)
#define __shfl_sync(mask, ...) emulator::shuffle<emulator::FROM>(__COUNTER__, mask, __VA_ARGS__)
#define __shfl_up_sync(mask, ...) emulator::shuffle<emulator::UP>(__COUNTER__, mask, __VA_ARGS__)
#define __shfl_down_sync(mask, ...) emulator::shuffle<emulator::DOWN>(__COUNTER__, mask, __VA_ARGS__)
#define __shfl_xor_sync(mask, ...) emulator::shuffle<emulator::XOR>(__COUNTER__, mask, __VA_ARGS__)
#define __ballot_sync(mask, predicate) emulator::ballot(__COUNTER__, mask, predicate)
#define __any_sync(mask, predicate) (emulator::ballot(__COUNTER__, mask, predicate) != 0)
#define __all_sync(mask, predicate) (emulator::ballot(__COUNTER__, mask, !(predicate)) == 0)
#define __syncthreads_or(predicate) emulator::block_vote(__COUNTER__, predicate, false)
#define __syncthreads_and(predicate) (!emulator::block_vote(__COUNTER__, !(predicate), false))
#define __syncthreads_count(predicate) emulator::block_vote(__COUNTER__, predicate, true)
#define __activemask() emulator::now->lanes()
#define mma_tf32(...) emulator::mma(__COUNTER__, __VA_ARGS__)

namespace emulator {

const unsigned EVERY_LANE = 0xffffffff;

static inline void sync_warp(int site, unsigned mask = EVERY_LANE) {
    now->collective(mask, site, nullptr, [](void **, unsigned) {});
}

enum Shuffle { FROM, UP, DOWN, XOR };

template <typename T> struct Shuffled {
    T value, result;
    int by;
    unsigned width;
};

template <Shuffle HOW, typename T> static void shuffle_all(void **brought, unsigned mask) {
    for (unsigned lane = 0; lane < WARP; lane++) {
        if (!(mask >> lane & 1)) {
            continue;
        }
        auto *to = (Shuffled<T> *)brought[lane];
        // Lanes are in groups of `width`. A lane that would read from outside of its group keeps its value.
        int first = (int)(lane & ~(to->width - 1)), end = first + (int)to->width;
        int from = HOW == FROM   ? first + (int)((unsigned)to->by & (to->width - 1))
                   : HOW == UP   ? (int)lane - to->by
                   : HOW == DOWN ? (int)lane + to->by
                                 : (int)lane ^ to->by;
        bool inside = HOW == XOR ? from < end : from >= first && from < end;
        if (!inside) {
            to->result = to->value;
        } else if (mask >> from & 1) {
            to->result = ((Shuffled<T> *)brought[from])->value;
        } else {
            // Undefined, because the value is read from a lane that does not take part.
            memset(&to->result, 0xff, sizeof(T));
        }
    }
}

template <Shuffle HOW, typename T>
static inline T shuffle(int site, unsigned mask, T value, int by, unsigned width = WARP) {
    Shuffled<T> mine = {value, value, by, width};
    now->collective(mask, site, &mine, shuffle_all<HOW, T>);
    return mine.result;
}

struct Vote {
    bool predicate;
    unsigned result;
};

static void count_votes(void **brought, unsigned mask) {
    unsigned result = 0;
    for (unsigned lane = 0; lane < WARP; lane++) {
        result |= (unsigned)(mask >> lane & 1 && ((Vote *)brought[lane])->predicate) << lane;
    }
    for (unsigned lane = 0; lane < WARP; lane++) {
        if (mask >> lane & 1) {
            ((Vote *)brought[lane])->result = result;
        }
    }
}

static inline unsigned ballot(int site, unsigned mask, bool predicate) {
    Vote mine = {predicate, 0};
    now->collective(mask, site, &mine, count_votes);
    return mine.result;
}

static inline int block_vote(int site, bool predicate, bool count) {
    static thread_local int votes;
    // Sites in the source count up from 0, so the barriers around this one have negative numbers.
    now->barrier(-3 * site - 1);
    votes = 0;
    now->barrier(-3 * site - 2);
    votes += predicate;
    now->barrier(-3 * site - 3);
    return count ? votes : votes != 0;
}

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32: d += a * b. The low 13 bits of factors are ignored.
struct Fragments {
    float *d;
    const unsigned *a, *b;
};

static void mma_all(void **brought, unsigned) {
    float left[16][8], right[8][8], product[16][8];
    auto value = [](unsigned bits) { return __uint_as_float(bits & 0xffffe000); };
    for (unsigned lane = 0; lane < WARP; lane++) {
        const Fragments &from = *(Fragments *)brought[lane];
        unsigned group = lane / 4, in_group = lane % 4;
        for (unsigned i = 0; i < 4; i++) {
            left[group + i % 2 * 8][in_group + i / 2 * 4] = value(from.a[i]);
            product[group + i / 2 * 8][in_group * 2 + i % 2] = from.d[i];
        }
        right[in_group][group] = value(from.b[0]);
        right[in_group + 4][group] = value(from.b[1]);
    }
    for (int m = 0; m < 16; m++) {
        float sum[8] = {};
        for (int k = 0; k < 8; k++) {
            for (int n = 0; n < 8; n++) {
                sum[n] += left[m][k] * right[k][n];
            }
        }
        for (int n = 0; n < 8; n++) {
            product[m][n] += sum[n];
        }
    }
    for (unsigned lane = 0; lane < WARP; lane++) {
        for (unsigned i = 0; i < 4; i++) {
            ((Fragments *)brought[lane])->d[i] = product[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
        }
    }
}

static inline void mma(int site, float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    Fragments mine = {d, a, b};
    now->collective(EVERY_LANE, site, &mine, mma_all);
}

} // namespace emulator
