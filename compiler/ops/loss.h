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

#endif
