/* What the files of the pass `skip_zeros` share. Private to passes/. */
#ifndef XENT_SKIP_ZEROS_H
#define XENT_SKIP_ZEROS_H

#include "graph.h"
#include "pass.h"

/* to_float, normalize or affine */
bool zeros_is_map(const struct node *node);
/* One finite number for all channels. */
bool zeros_is_uniform(const struct node *map);
/* What reads `value` and is called `op`, as its input number `input`; NULL: none. */
struct node *zeros_reader(const struct graph *graph, const struct value *value, const char *op, uint32_t input);
/* Makes the map behind bytes u leave 0 where u is 0; returns what it makes of 0 otherwise. */
double zeros_take_shift(struct graph *graph, struct value *x);
/* The bias as it is, or with what the shift adds to it; NULL: there is none. */
struct value *zeros_make_start(struct graph *graph, struct node *layer, double shift);
/* The node, as one that stands for `from`; its output, called after the layer. */
struct node *zeros_give_origin(struct node *node, const struct node *from);
struct value *zeros_name(struct graph *graph, struct node *node, const struct value *layer, const char *part);

/* skip_zeros_conv.c: true when the node was a first convolution, and is rewritten. */
bool zeros_rewrite_conv(struct pass_context *context, struct node *conv);

#endif
