/* Which elements and scalars of a kernel program are used as indices, and between what they must stay. */
#ifndef XENT_DRIVER_PROGRAM_LIMITS_H
#define XENT_DRIVER_PROGRAM_LIMITS_H

#include "kernel.h"

struct program_limit {
    bool used; /* as an index, or on the way to one */
    int64_t least, most;
    bool except, everywhere; /* `exception` is no index: a guard such as `t[m] != -100` stands before (every) use */
    int32_t exception;
};
struct program_limits {
    struct program_limit *var, *scalar; /* by their numbers in the program */
};

/* `rows`: what `?` stands for. */
struct program_limits program_limits_find(struct arena *arena, const struct kprogram *program, int64_t rows);
bool program_limit_allows(const struct program_limit *limit, int64_t value);

#endif
