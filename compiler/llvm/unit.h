/* The functions that programs become: one of each kernel, however many of the programs have it, and one of each
 * program. Whatever modules they are put into, a function's machine code is the same. */
#ifndef XENT_LLVM_UNIT_H
#define XENT_LLVM_UNIT_H

#include "emit.h"

struct unit {
    const struct kprogram *program;
    const struct kernel *kernel; /* NULL: the program itself */
    const char *name;            /* unique among the units */
    uint32_t parts;              /* bit p: belongs to part p */
    bool cold;                   /* in every program that has it */
    /* of a kernel */
    const char *text;
    const struct emit_argument *arguments;
    struct lkernel *loops;
    size_t cost; /* about how many instructions of LLVM's: proportional to the time it takes to compile them */
    /* of a program */
    struct unit **callee; /* for each of its kernels */
};
struct units {
    struct arena *arena;
    VEC(struct unit *) list; /* each program behind its kernels */
};

/* Adds the programs of one part. */
void units_add(struct units *units, const struct kprogram *const *programs, size_t count, uint32_t part);
/* Sets the cost from `loops`. */
void unit_weigh(struct unit *unit);

#endif
