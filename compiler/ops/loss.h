/* What nll and cross entropy share: their options and checks. Private to ops/. */
#ifndef XENT_OPS_LOSS_H
#define XENT_OPS_LOSS_H

#include "rules.h"

enum reduction { REDUCE_MEAN, REDUCE_SUM, REDUCE_NONE };
struct loss_options {
    const double *weight; /* one per class; NULL: 1 each */
    int64_t classes;
    int64_t ignore;
    double smoothing;
    enum reduction reduction;
};
struct loss_options loss_options(const struct node *node);
static inline double loss_weight(const struct loss_options *o, int64_t c)
{
    return o->weight ? o->weight[c] : 1;
}

/* Checks options and the target against scores f32[N, C]; class targets only unless `prob`. */
bool loss_check(const struct node *node, struct diag_list *diags, bool prob);
/* Types of a loss: f32[], f32[N], f32[N]. */
bool loss_types(struct node *node);

/* ---- kernels ---- */
/* Softmax of each example's vector, numerically whole: lets of the kernel, made once. */
struct softmax_lets {
    const struct value *logits;
    const struct klet *top, *j, *r, *ls; /* the largest, its place, the others' sum of exp(z - top), log1p(r); over m */
};
struct softmax_lets softmax_lets(struct lowering *l, const struct value *logits);
/* ls[m] - (Z[at, m] - top[m]) */
struct kexpr *softmax_nll(struct lowering *l, const struct softmax_lets *s, struct kexpr *at, struct kindex *m);
/* exp(Z[c, m] - top[m]) / (1 + r[m]) */
struct kexpr *softmax_p(struct lowering *l, const struct softmax_lets *s, struct kindex *c, struct kindex *m);
/* r[m] / (1 + r[m]): 1 - p of the largest */
struct kexpr *softmax_rest(struct lowering *l, const struct softmax_lets *s, struct kindex *m);

/* t[m] of class targets, and t[m] != ignore_index. */
struct kexpr *class_target(struct lowering *l, const struct node *node, struct kindex *m);
struct kexpr *class_counts(struct lowering *l, const struct node *node, struct kindex *m);
/* a[m]: the weight of the example's class, 0 where ignored. */
const struct klet *class_weight(struct lowering *l, const struct node *node);
/* D, the sum of a over the batch: a stage of the kernel, made once. NULL where the reduction is no mean. */
const struct kbuffer *class_divisor(struct lowering *l, const struct node *node);
/* Stores what is wanted of a loss, given each example's: the losses, the weights, and the loss of the batch. `divisor`
 * may be NULL: the sum. */
void loss_outputs(struct lowering *l, const struct node *node, struct kindex *m, struct kexpr *example,
                  struct kexpr *weight, struct kexpr *divisor);

#endif
