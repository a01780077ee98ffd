/* The buffers of a program under construction. Private to pass `lower`. */
#ifndef XENT_LOWER_PLACES_H
#define XENT_LOWER_PLACES_H

#include "lowered.h"
#include "map.h"
#include "pass.h"

struct places {
    struct pass_context *context;
    struct kprogram *program;
    struct lowered *lowered;
    struct pointer_map var; /* value -> struct kvar */
    const struct kvar *pick;
    uint32_t lanes;    /* of the target's vectors */
    struct layout_plan plan;
    int64_t next_byte; /* of the arena */
};

/* Feeds, parameters and optimizer state first, in the model's order and at their final places; then a buffer for every
 * value that is a result or read by another kernel, each provisionally at a place of its own. */
void places_init(struct places *places, struct pass_context *context, struct kprogram *program,
                 struct lowered *lowered);
/* NULL: the value stays inside its kernel. */
const struct kvar *places_find(const struct places *places, const struct value *value);
/* A buffer that is no value. */
const struct kvar *places_scratch(struct places *places, const char *name, enum ktype type, uint32_t rank,
                                  const int64_t *extent);
/* A table of the program; equal ones are one. `name` is a new one's. */
const struct kvar *places_table(struct places *places, const char *name, int64_t count, const float *value);

#endif
