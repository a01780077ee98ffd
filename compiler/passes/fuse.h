/* What the files of the pass `fuse` share. Private to passes/. */
#ifndef XENT_FUSE_H
#define XENT_FUSE_H

#include "passes.h"

/* fuse_prepare.c: the copies that kernels need become nodes: gather (rows of the data set), relayout (an
 * operand of a gradient with other neighbours side by side than it has; which depends on whether `features` lie in the
 * lanes); flatten moves in front of a preprocessing map; sums over the batch that are better done in two are two. */
void fuse_prepare(struct graph *graph, bool features, const struct ktarget *target);
/* The leaf is a data set: input or target. */
bool fuse_is_data(const struct node *node);
/* The value behind all views. */
struct value *fuse_root(struct value *value);

/* fuse_name.c: names every kernel after what it computes. group[i] is the group of node i. */
void fuse_name(struct graph *graph, const uint32_t *group);

#endif
