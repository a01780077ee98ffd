/* Schedules: what the target offers, and the schedule derived from it for each kernel. */
#ifndef XENT_SCHEDULE_H
#define XENT_SCHEDULE_H

#include "kernel.h"

/* What schedules are derived from; llvm/target.c fills it from the real or the named CPU. */
struct ktarget {
    uint32_t lanes;     /* floats in a vector register: 16 AVX-512, 8 AVX2, 4 SSE2 and NEON, 1 scalar */
    uint32_t registers; /* vector registers: 32 or 16 */
    bool fma;
    bool masks;         /* loads and stores under a mask are cheap (AVX-512) */
    int64_t l1_bytes, l2_bytes;
};

/* Gives every kernel of the program without a schedule one. */
void kernel_schedule(struct kprogram *program, const struct ktarget *target);
/* A random legal schedule for every kernel, from `seed`: for tests that nothing in a schedule can change a bit. */
void kernel_schedule_random(struct kprogram *program, const struct ktarget *target, uint64_t seed);

#endif
