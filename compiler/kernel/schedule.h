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
    bool halves;        /* vectors of half as many lanes take half the time: Zen 4 */
    int64_t l1_bytes, l2_bytes;
};

/* Lanes of the vectors of a kernel's code. */
static inline uint32_t schedule_width(const struct kschedule *schedule, const struct ktarget *target)
{
    bool narrower = schedule->width && schedule->width < target->lanes;
    return !schedule->lanes ? 1 : narrower ? (uint32_t)schedule->width : target->lanes;
}

/* Lanes of the narrowest vector that so many neighbours fit into, where one is enough: no slower than the target's
 * widest anywhere, and twice as fast where these are two halves. */
static inline uint32_t schedule_narrow(int64_t extent, const struct ktarget *target)
{
    uint32_t lanes = target->lanes;
    while (lanes > 4 && extent <= lanes / 2)
        lanes /= 2;
    return lanes;
}

/* Gives every kernel of the program without a schedule one. */
void kernel_schedule(struct kprogram *program, const struct ktarget *target);
/* A random legal schedule for every kernel, from `seed`: for tests that nothing in a schedule can change a bit. */
void kernel_schedule_random(struct kprogram *program, const struct ktarget *target, uint64_t seed);

/* Schedules by hand, from a file (schedule_file.c); `--emit=schedules` prints one. */
struct kschedule_block {
    const char *kernel;
    struct kschedule schedule;
    struct span span; /* of the kernel's name */
    bool used;
};
struct kschedule_file {
    VEC(struct kschedule_block) blocks;
    bool applied;           /* to any program */
    VEC(const char *) seen; /* the kernels of these programs */
};
/* NULL after errors, which are in `diags`. */
struct kschedule_file *kernel_schedules_parse(struct arena *arena, struct diag_list *diags, uint32_t number);
/* Gives the program's kernels the schedules that the file has for them. False after errors. */
bool kernel_schedules_apply(struct kschedule_file *file, struct kprogram *program, const struct ktarget *target,
                            struct diag_list *diags);
/* Whether every block found its kernel in some program, if there was one. False after errors. */
bool kernel_schedules_used(const struct kschedule_file *file, struct diag_list *diags);

#endif
