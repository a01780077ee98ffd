/* What the files of the interpreter share. A kernel is prepared as trees of nodes, and a node is evaluated for a run:
 * up to RUN consecutive points of one index variable (of the store's, or of a tree sum's), all other indices standing
 * still in their slots. A node that does not depend on the run's index is uniform and has one value.
 *
 * A let is a buffer in scratch, filled where it is defined: it is computed once and means its value there. */
#ifndef XENT_KERNEL_INTERPRET_H
#define XENT_KERNEL_INTERPRET_H

#include "affine.h"
#include "kernel.h"

#include <xent/model.h>

enum { RUN = 256 };
#define NO_RUN UINT32_MAX

/* ---- index arithmetic over slots ---- */

struct slot_sum {
    int64_t constant;
    uint32_t count;
    struct {
        uint32_t slot;
        int64_t factor;
    } term[KAFFINE_MAX_TERMS];
};

/* A subscript that is no sum of index variables, or whose dimension has several digits. */
struct special {
    struct slot_sum sum;
    struct node *node; /* instead of `sum`: its i32 value */
    bool uniform;
    int64_t run_factor;   /* of `sum` */
    const int64_t *table; /* [extent] where each index lies; NULL: index * stride */
    int64_t stride, extent;
    int64_t unit; /* aligned groups of so many indices lie side by side; 1: none */
};

/* An element of a buffer, and how its address changes along the run. */
struct place {
    uint32_t bank;  /* machine.base[bank] */
    uint32_t bytes; /* of an element: 1 or 4 */
    struct slot_sum address;
    int64_t step;
    uint32_t specials, varying; /* varying: those that are not uniform */
    struct special *special;
    int64_t *offset; /* [RUN] scratch, when varying */
};
struct located {
    int64_t address, step;
    const int64_t *offset; /* [count], or NULL */
    int64_t unit, phase;   /* offset[i] to offset[i + 1] is one element unless (phase + i + 1) % unit == 0 */
};

/* ---- nodes ---- */

struct condition {
    struct slot_sum sum;
    struct node *node; /* instead */
    int64_t run_factor, limit;
};
struct segment {
    uint32_t begin, end;
};
/* Joins equal halves: a binary counter of partial sums. */
struct joiner {
    uint32_t width, count;
    float *level; /* [levels][width] */
};
struct reduction {
    enum kreduce_kind kind;
    uint32_t indices, conditions, run; /* run: the slot of the run in which the reduction stands */
    struct {
        uint32_t slot, bound; /* bound: scalar, NO_RUN when none */
        int64_t extent;
    } index[KERNEL_MAX_RANK];
    struct condition *condition;
    struct node *from, *term[2];
    bool pointers;       /* both factors are plain loads: the fast way, see interpret_fma.c */
    bool across;         /* a tree whose terms are evaluated with the batch as the run */
    struct segment *segment[2]; /* [RUN] */
    int32_t *position;          /* [RUN] */
    float *group;               /* [16][RUN] */
    struct joiner joiner;
};
struct node {
    enum kop op;
    enum ktype type;
    bool uniform;
    uint32_t args, run;
    struct node *arg[3];
    void *out;        /* [RUN] or [1] values of 4 bytes */
    const void *held; /* of a step of a function: its values for this run */
    union {
        int32_t bits;
        uint32_t number; /* slot of an INDEX, number of a SCALAR */
        struct place place;
        struct reduction *reduction;
        struct node *refers; /* of a LET: the step of a function */
        struct {             /* of a CALL: arguments and lets, then arg[0] */
            struct node **step;
            uint32_t steps;
        };
    };
};

/* ---- kernels ---- */

/* The statement stores a list: its value is whether place `slot` is in it, its run is a row. */
struct list {
    uint32_t slot;
    int64_t extent;
    int32_t *row; /* [extent + 1] */
};
struct prepared {
    uint32_t rank, run; /* run: position of the run's index, NO_RUN when rank is 0 */
    struct {
        uint32_t slot;
        int64_t extent;
    } index[KERNEL_MAX_RANK];
    struct node *value;
    struct place target, target2;
    bool two;
    struct list *list; /* NULL: none */
};
struct prepared_kernel {
    const struct kernel *kernel;
    VEC(struct prepared) statements;
    VEC(const struct klet *) lets;
    uint32_t slots;
};

typedef void fma_run(float *acc, size_t count, const float *a, int64_t a_step, bool a_uniform, const float *b,
                     int64_t b_step, bool b_uniform, int64_t terms);

struct machine {
    int64_t *slot;
    char **base;
    const union xent_scalar **scalar;
    fma_run *fma; /* acc[i] = fma(a[i or 0], b[i or 0], acc[i]) for each term, a and b a step further each time */
};

struct kinterpreter {
    struct arena arena;
    const struct kprogram *program;
    struct prepared_kernel *kernels; /* [program->kernels] */
    struct machine machine;
    char *scratch; /* the lets of the kernel that runs */
};

/* interpret_prepare.c */
void interpret_prepare(struct kinterpreter *interpreter);

/* interpret_cost.c */
/* The one digit of a dimension that has only one and that neither divides nor wraps; else NULL. */
const struct kdigit *interpret_plain_digit(const struct klayout *layout, uint32_t dim);
/* So many indices of a dimension, from a multiple of it on, lie side by side. */
int64_t interpret_unit(const struct klayout *layout, uint32_t dim);
bool interpret_depends_on(const struct kexpr *expr, const struct kindex *index);
/* Whether a tree's terms had better run over the batch than over the statement's index. */
bool interpret_choose_across(const struct kreduce *reduce, const struct kindex *run);
/* The position of the index that runs, NO_RUN when there is none. */
uint32_t interpret_choose_run(const struct kexpr *value, struct kindex *const *index, uint32_t rank);

/* interpret_eval.c */
const void *interpret_eval(struct machine *machine, struct node *node, size_t count);
int64_t interpret_slot_sum(const struct machine *machine, const struct slot_sum *sum);
struct located interpret_locate(struct machine *machine, struct place *place, size_t count);
/* The end of the elements from `i` on that lie side by side (or `step` apart). */
size_t interpret_stretch(const struct located *at, size_t i, size_t count);
/* Writes `count` values of 4 bytes (one when uniform). */
void interpret_store(struct machine *machine, struct place *place, const void *values, bool uniform, size_t count);

/* interpret_reduce.c */
const void *interpret_reduce(struct machine *machine, struct node *node, size_t count);

/* interpret_fma.c */
fma_run *interpret_choose_fma(bool muladd);

#endif
