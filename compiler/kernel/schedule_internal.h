/* What the schedulers look at: a survey of a kernel's indices and of the memory that its innermost loop touches. */
#ifndef XENT_SCHEDULE_INTERNAL_H
#define XENT_SCHEDULE_INTERNAL_H

#include "loops_internal.h"

enum { MAX_DIMS = 12, MAX_LOADS = 64 };

/* A direction that a tile may extend in: an index of the store, or of an unrolled window. */
struct dim {
    const char *name;
    int64_t extent;
    bool window;
    int64_t tile, block;
    int64_t period; /* of what is read along it: pixels of one window of pooling differ by less; 1: none */
};

struct access { /* a load or store of the innermost loop */
    uint32_t dims;   /* bit set of the dims its address depends on */
    uint32_t apart;  /* of these: not only by the number of a period */
    int64_t weight;  /* how often it is executed for one point */
    bool term;       /* in a term of a sum */
    bool store;
    const struct kbuffer *buffer;
    uint32_t by[KERNEL_MAX_RANK]; /* dims that the subscript of each dimension depends on; none: through data */
    int8_t step[MAX_DIMS]; /* along dim d: 0 none, 1 contiguous, 2 anything else */
    uint32_t along;        /* 1 + the dimension along which the innermost sum runs; 0: none */
};

struct survey {
    struct arena *arena;
    const struct kernel *kernel;
    uint32_t dims, accesses;
    struct dim dim[MAX_DIMS];
    struct access access[MAX_LOADS];
    uint32_t gathered; /* dims that choose examples of a data set */
    uint32_t conditioned; /* dims that the condition of a sum depends on: bounds of loops while their tile is 1 */
    uint32_t tied;        /* of these: some condition depends on another dim too */
    uint32_t grouped;     /* dims that conditions depend on by the number of a period only: alike in a tile in one */
    bool tapped;          /* the tile has all positions of such a dim, each of which has another tap at a time */
    uint32_t narrow;      /* of these: neighbours have few terms in common, and lanes would run over those of all */
    int64_t taps;         /* terms of the innermost sum that such conditions leave of a position */
    uint32_t brief;       /* of these: less than half as long as the sum's index in the condition */
    uint32_t slides;      /* dims that move an address together with a sum's index: neighbours read mostly the same */
    uint32_t inside;   /* in how many sums what is looked at now stands */
    bool scalar;       /* a list is made: neither lanes nor tiles */
    int64_t heaviest;  /* weight of the innermost loop */
    bool picks;        /* it looks for the largest of its terms and where that stands */
    int64_t terms;     /* multiply-adds of one innermost iteration */
    bool nested;       /* the innermost loop stands in others of its sum, and ends often */
    int64_t operators; /* of one point, reductions' bodies and lets counted once */
    VEC(const struct klet *) lets; /* seen so far */
    const char *tree;  /* the batch index of a sum.tree, when there is one */
    int64_t tree_extent;
    uint32_t tree_dim;
};

/* Whether dim d is an index of the stores: neither a window's, nor the batch of a sum over it. */
bool survey_is_index(const struct survey *s, uint32_t d);
/* Whether its time is in sums: loops, or one product of each example added over the batch. */
bool survey_adds(const struct survey *s);
/* Whether the innermost of its loops loads it. */
bool survey_is_inner(const struct survey *s, const struct access *access);
/* Of a kernel with a sum over the batch: vectors of examples, each at a place of its own, that a tile, or a block,
 * reads at one position of its sum. Dims that slide along with the position count once. */
int64_t survey_lines(const struct survey *s, bool block);
/* Whether vectors of so many lanes are loaded along the sum and transposed (loops_turned.c). */
bool survey_turns(const struct access *access, uint32_t lanes);
/* schedule_blocks.c: blocks of a kernel whose sum over the batch has the batch in the lanes and whose tile is chosen,
 * the order of loops in them, and how threads share them where they may. */
void schedule_blocks(struct survey *s, const struct ktarget *target, bool parallel, struct kschedule *out);
/* schedule_slices.c: a slice for a long sum, where it pays, and which of the two loops is outside then. */
void schedule_slices(const struct survey *s, int lane_dim, const struct ktarget *target,
                     const struct kstatement *const *store, uint32_t stores, uint32_t *order, uint32_t count,
                     struct kschedule *out);
/* The stores of all nests, in order; *out_independent: threads may run ahead from nest to nest. */
struct survey *survey_kernel(struct arena *arena, const struct kernel *kernel, bool *out_independent,
                             const struct kstatement ***out_stores, uint32_t *out_count);
/* Names the indices of small pooling windows in `expr` as unrolled, where the tile has them whole. */
void survey_unroll_windows(struct survey *s, const struct kexpr *expr, struct kschedule *out);

/* schedule_cold.c: notes which kernels do too little of the program's work to be compiled well, of those that have no
 * schedule. */
void schedule_cold(struct kprogram *program, const struct ktarget *target);

/* schedule_tile.c: sets the dims' tiles, lane_dim in the lanes (-1: scalar code); of a kernel whose time is in sums, */
void schedule_tile(struct survey *s, int lane_dim, const struct ktarget *target);
/* of an elementwise one, */
void schedule_elementwise_tile(struct survey *s, int lane_dim, const struct ktarget *target);
/* and makes them smaller where they would be too much code. */
void schedule_limit_code(struct survey *s, int lane_dim, const struct ktarget *target);

/* ---- schedule_owners.c ---- */

/* Machines that compile need not be those that run: what is said of threads is said of teams of several sizes. A
 * slot is a thread of a team. */
enum { TEAMS = 5, SLOTS = 2 + 3 + 4 + 6 + 8 };
extern const uint32_t schedule_team[TEAMS];

/* A way to split: tiles of some dims, outermost first, are one sequence of which each thread takes a run. None: thread
 * 0 does all. */
struct split {
    uint32_t dims, dim[MAX_DIMS];
    int64_t count[MAX_DIMS], tiles; /* of each dim, and all */
    struct run {
        int64_t first, end;
        double share; /* of the kernel's work */
    } run[SLOTS];
};

/* What a thread touches of a variable: from lo to hi along a dimension of it, the whole being 1. */
struct interval {
    int dim; /* negative: along none, all or nothing */
    float lo, hi;
};

struct touch {
    const struct kcall *call;
    const struct kvar *var;
    bool store;
    struct interval part[SLOTS];
};
/* Who touches what in the calls scheduled so far. */
struct ownership {
    struct arena *arena;
    VEC(struct touch) touches;
    const struct kcall *call; /* the one being scheduled; NULL: none */
};

/* What an access has to do with those of other calls: numbers in the touches. */
struct related {
    VEC(size_t) found;   /* of a load: its threads have in their caches what they touch there */
    VEC(size_t) wanted;  /* of a store: its readers */
};

/* What the thread of the run touches. */
struct interval owners_interval(const struct survey *s, const struct access *a, const struct split *split,
                                const struct run *run);
void owners_find(const struct ownership *ownership, const struct access *a, struct related *out);
/* The part of the variable that the slot's thread has to read from other threads' caches, here or in a reader of it; */
double owners_fetched(const struct ownership *ownership, const struct related *related, uint32_t slot,
                      const struct interval *mine);
/* and that it writes though other threads hold it. */
double owners_reclaimed(const struct ownership *ownership, const struct related *related, uint32_t slot,
                        const struct interval *mine);
/* Pieces of memory apart from each other that the interval is. */
int64_t owners_pieces(const struct access *a, const struct interval *mine);
/* Notes what the call's threads touch. */
void owners_note(struct ownership *ownership, const struct survey *s, const struct split *split);

/* ---- schedule_split.c ---- */

/* What `count` equal pieces of work cost 1, 2, 4, ... threads, up to `most`, together: the threads times the pieces of
 * the busiest one. */
int64_t split_shares(int64_t count, int64_t most);
/* Chooses the indices to split. order: the loops outside in. */
void split_kernel(struct survey *s, const uint32_t *order, uint32_t count, uint32_t lanes,
                  const struct ownership *ownership, struct kschedule *out);
/* Notes who touches what in the call, whose kernel has this schedule. */
void split_note(struct ownership *ownership, struct survey *s, uint32_t lanes, const struct kschedule *schedule);

#endif
