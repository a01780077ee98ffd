/* Kernel programs of every family that the compiler makes, as text for given shapes. */
#ifndef XENT_TEST_FAMILIES_H
#define XENT_TEST_FAMILIES_H

#include "kernel.h"
#include "text.h"

/* A batch of `live` examples with room for `capacity`; `a`, `b`, `c` are extents whose meaning is the family's own. */
struct shape {
    int live, capacity, a, b, c;
};
struct family {
    const char *name;
    void (*write)(struct text *out, const struct shape *shape);
};
extern const struct family families[];
extern const int family_count;
/* features.c: the program with layouts for features in the lanes; `inputs`: weights with the inputs innermost. */
void family_features(struct kprogram *program, int64_t capacity, bool inputs);
/* One of them. */
void family_probabilities(struct text *out, const struct shape *shape);

/* zeros.c, zeros_conv.c */
void family_zeros(struct text *out, const struct shape *shape);
void family_zeros_conv(struct text *out, const struct shape *shape);

#endif
