/* Lowering: from the nodes of one fused kernel to a kernel of the kernel IR. Each op's lower rule defines its node's
 * outputs as expressions over indices, and reads its inputs; whether a value is a let, is stored, or is put straight
 * into the expression that reads it is decided here.
 *
 * Kernel buffers have the batch last: a value f32[N, 6, 12, 12] is indexed [o, y, x, m]. Subscripts and indices below
 * are in that order. `live` is the number of examples in the batch, N its capacity. */
#ifndef XENT_OPS_LOWER_H
#define XENT_OPS_LOWER_H

#include "graph.h"
#include "kernel.h"

#define LOWER_BATCH_INDEX "m" /* the name of every index over the examples of a batch */

struct lower_place { /* how a kernel sees a value in memory */
    const struct kvar *var;
    const struct kvar *pick; /* the value is a data set: row m is at pick[m]; else NULL */
};

struct lower_definition { /* of a value of this kernel */
    const struct value *value;
    uint32_t rank;
    struct kindex *index[KERNEL_MAX_RANK];
    struct kexpr *expr; /* until somebody needs a let */
    const char *let_name;
    const struct klet *let;
};
struct lower_formal { /* a buffer of the kernel and what is passed for it */
    struct kbuffer *buffer;
    const struct kvar *var;
};
struct lower_note { /* a let that several rules share */
    const void *key;
    const char *name;
    const struct klet *let;
    const struct kbuffer *buffer;
};

struct lowering {
    struct arena *arena;
    struct kprogram *program;
    struct kernel *kernel;
    const struct graph *graph;
    int64_t capacity; /* N */
    const struct node *node; /* whose rule is running */
    /* Where a value lies, var NULL when it stays inside its kernel. */
    struct lower_place (*place)(void *context, const struct value *value);
    /* Memory that is no graph value (a divisor between two stages). */
    const struct kvar *(*scratch)(void *context, const char *name, enum ktype type, uint32_t rank,
                                  const int64_t *extent);
    /* Numbers that the model gives, [count]. */
    const struct kvar *(*table)(void *context, const char *name, int64_t count, const float *value);
    void *context;
    VEC(struct lower_definition) definitions;
    VEC(struct lower_formal) formals;
    VEC(struct lower_note) notes;
};

/* ---- used by pass `lower` ---- */
/* Runs the rules of the kernel's nodes in order; l->kernel has been created. Leaves formals in the order of the
 * kernel's buffers, index names unique within each statement. */
void lower_kernel(struct lowering *l, const struct node *const *nodes, size_t count);
/* The value's shape as kernels see it: features first, the batch last, N replaced by the capacity. */
uint32_t lower_extents(const struct value *value, int64_t capacity, int64_t out[KERNEL_MAX_RANK]);
enum ktype lower_type(const struct value *value);

/* ---- used by rules ---- */
struct kindex *lower_index(struct lowering *l, const char *name, int64_t extent);
struct kindex *lower_batch(struct lowering *l); /* m < N */
struct kindex *lower_live(struct lowering *l);  /* m < live, to be summed over */
/* An index for each dimension of the value, named by rank (n, m | c, y, x, m); those of its definition where it is one
 * of this kernel that only the running rule reads. Returns the rank. */
uint32_t lower_axes(struct lowering *l, const struct value *value, struct kindex *out[KERNEL_MAX_RANK]);

/* The value's element. `name` is what its buffer should be called in this kernel. */
struct kexpr *lower_read(struct lowering *l, const struct value *value, const char *name,
                         struct kexpr *const *subscript);
struct kexpr *lower_read_at(struct lowering *l, const struct value *value, const char *name,
                            struct kindex *const *index);
/* Output `output` of the node. `name`: of the buffer where it is stored; `let_name`: of the let where it is not. */
void lower_define(struct lowering *l, const struct node *node, uint32_t output, const char *name, const char *let_name,
                  struct kindex *const *index, struct kexpr *expr);
/* Outputs 0 and 1: a max_at and its position. */
void lower_define_max_at(struct lowering *l, const struct node *node, const char *name, const char *position_name,
                         struct kindex *const *index, struct kexpr *max_at);
/* Input `input` and output `output` are one buffer, read only at the element that is written: its new value. */
void lower_update(struct lowering *l, const struct node *node, uint32_t input, uint32_t output, const char *name,
                  struct kindex *const *index, struct kexpr *expr);
/* The element of the updated buffer, after lower_update. */
struct kexpr *lower_updated(struct lowering *l, const struct value *output, struct kindex *const *index);

/* A let of this kernel. */
const struct klet *lower_let(struct lowering *l, const char *name, uint32_t rank, struct kindex *const *index,
                             struct kexpr *value);
/* The let or buffer noted under this name and key, or NULL. Rules of one kernel share values so. */
const struct lower_note *lower_noted(const struct lowering *l, const void *key, const char *name);
void lower_note_let(struct lowering *l, const void *key, const char *name, const struct klet *let);
/* An f32 value in memory, stored now, so that later statements can sum over all of it: a stage. In `value`'s own place
 * where it has one (`value` may be NULL). Noted under key and name. */
const struct kbuffer *lower_stage(struct lowering *l, const void *key, const char *name, const struct value *value,
                                  uint32_t rank, struct kindex *const *index, struct kexpr *expr);
/* The value is read outside of this kernel, or a result. */
bool lower_wanted(const struct lowering *l, const struct value *value);
/* It is a data set, whose rows are gathered where they are read. */
bool lower_is_data(const struct lowering *l, const struct value *value);

struct kexpr *lower_scalar(struct lowering *l, const char *name, enum ktype type);
struct kexpr *lower_call(struct lowering *l, const char *function, struct kexpr *a);
/* numbers[at] for 0 <= at < count: selects among up to four, one where all are equal, else a table called `name`. */
struct kexpr *lower_numbers(struct lowering *l, const char *name, const double *numbers, int64_t count,
                            struct kexpr *at);

/* ---- shorthands ---- */
struct kexpr *lx_f32(struct lowering *l, double value);
struct kexpr *lx_i32(struct lowering *l, int64_t value);
struct kexpr *lx_at(struct lowering *l, struct kindex *index);
struct kexpr *lx_load(struct lowering *l, const struct kbuffer *buffer, struct kindex *const *index);
struct kexpr *lx_let(struct lowering *l, const struct klet *let, struct kindex *const *index);
struct kexpr *lx_unary(struct lowering *l, enum kop op, struct kexpr *a);
struct kexpr *lx_binary(struct lowering *l, enum kop op, struct kexpr *a, struct kexpr *b);
struct kexpr *lx_fma(struct lowering *l, struct kexpr *a, struct kexpr *b, struct kexpr *c);
struct kexpr *lx_select(struct lowering *l, struct kexpr *condition, struct kexpr *a, struct kexpr *b);
struct kexpr *lx_where(struct lowering *l, struct kexpr *condition, struct kexpr *a, struct kexpr *b);
/* a && b, either of which may be NULL */
struct kexpr *lx_both(struct lowering *l, struct kexpr *a, struct kexpr *b);
/* factor * a + constant with nothing superfluous; a an i32 */
struct kexpr *lx_affine(struct lowering *l, int64_t factor, struct kexpr *a, int64_t constant);
/* sum.tree(m < live: term) over the batch index m = lower_live() */
struct kexpr *lx_tree(struct lowering *l, struct kindex *m, struct kexpr *term);

#endif
