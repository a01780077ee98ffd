/* Index arithmetic as a sum: constant + sum of coefficient * atom, an atom being an index variable or an expression
 * that is no sum (y/2, a load, a scalar). Exact; shared by the verifier and the interpreter. */
#ifndef XENT_KERNEL_AFFINE_H
#define XENT_KERNEL_AFFINE_H

#include "kernel.h"

enum { KAFFINE_MAX_TERMS = 12 };

struct kaffine_term {
    const struct kexpr *atom;
    int64_t coefficient; /* never 0 */
};
struct kaffine {
    int64_t constant;
    uint32_t count;
    struct kaffine_term term[KAFFINE_MAX_TERMS];
};

/* False when it has too many terms or its numbers do not fit. */
bool kaffine_of(const struct kexpr *expr, struct kaffine *out);
/* The same tree over the same objects: the same value wherever both are in scope. */
bool kexpr_equal(const struct kexpr *a, const struct kexpr *b);
/* The coefficient of an index variable that stands alone, 0 when absent. */
int64_t kaffine_coefficient(const struct kaffine *affine, const struct kindex *index);
/* Whether every atom is an index variable. */
bool kaffine_is_plain(const struct kaffine *affine);

#endif
