/* What the files of the lowering of reductions share: the state while a nest of loops is opened one by one. */
#ifndef XENT_LOOPS_REDUCE_H
#define XENT_LOOPS_REDUCE_H

#include "loops_internal.h"

struct reduce_nest {
    const struct kreduce *reduce;
    uint32_t count; /* points */
    const struct kexpr *expr;
    const struct slice *slice; /* of the first index; NULL: all of it */
    bool *handled; /* per condition: by loop bounds */
};

/* ---- loops_conditions.c ---- */
struct range {
    int64_t lo, hi;
};
/* Bounds for the index of this level from every condition in which it is the last one bound, where all points agree. */
void reduce_bounds(struct builder *b, struct reduce_nest *nest, uint32_t level, const struct lterm *var,
                   const struct point *point, struct laffine *lo, uint32_t *los, struct laffine *hi, uint32_t *his);
/* The values of an index at which each point takes part, where all are known and not all the same; else NULL. The
 * conditions that say so count as handled then. */
struct range *reduce_ranges(struct builder *b, struct reduce_nest *nest, uint32_t level, const struct lterm *var,
                            const struct point *bound);
/* The conditions of one point that neither bounds nor ranges decided, as one register; NULL: none; *out_fails: one is
 * known to fail. */
const struct lvalue *reduce_guard(struct builder *b, const struct reduce_nest *nest, const struct point *point,
                                  bool *out_fails);

/* ---- loops_terms.c ---- */
/* How many positions there are; also the position that says "none". */
int32_t reduce_positions(const struct kreduce *r);
/* max_at: best < e, or e is the first NaN. */
const struct lvalue *reduce_takes_over(struct builder *b, const struct lvalue *best, const struct lvalue *e);
/* acc := acc joined with the terms at these points, as far as these are present. at: positions, for max_at. */
void reduce_terms(struct builder *b, struct reduce_nest *nest, const struct point *point, const struct lvalue **acc,
                  const struct lvalue **at);
/* Numbers the points so that those on which `expr` is the same have the same number; returns how many numbers. */
uint32_t reduce_alike(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                      uint32_t *out_number);
/* Lets with sums of their own that are the same in every term: evaluated ahead of the loop, and found again in it. */
void reduce_lets_ahead(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point);

/* ---- loops_turned.c ---- */
/* The innermost loop in blocks of terms that are transposed while they are loaded; false: nothing is to be
 * transposed. */
bool reduce_turned(struct builder *b, struct reduce_nest *nest, const struct point *point, const struct lvalue **acc);

#endif
