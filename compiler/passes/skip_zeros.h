/* What the files of the pass `skip_zeros` share. Private to passes/. */
#ifndef XENT_SKIP_ZEROS_H
#define XENT_SKIP_ZEROS_H

#include "graph.h"
#include "pass.h"

enum { ZEROS_FEWEST_EXAMPLES = 32 }; /* fewer have too little to share */

/* to_float, normalize or affine */
bool zeros_is_map(const struct node *node);
/* One finite number for all channels. */
bool zeros_is_uniform(const struct node *map);
/* What reads `value` and is called `op`, as its input number `input`; NULL: none. */
struct node *zeros_reader(const struct graph *graph, const struct value *value, const char *op, uint32_t input);
/* Behind which node one may stand that takes the place of `dw`, reads what `db` makes (NULL: nothing), and reads what
 * stands before the layer: the later of both. NULL: there is no such place, for a reader of `dw` comes first. */
struct node *zeros_last_of(const struct graph *graph, const struct node *layer, struct node *dw, struct node *db);
/* What the map behind bytes u makes of 0; and makes it leave 0 there, returning what it made of it. */
double zeros_shift(const struct value *x);
double zeros_take_shift(struct graph *graph, struct value *x);
/* The bias as it is, or with what the shift adds to it; NULL: there is none. */
struct value *zeros_make_start(struct graph *graph, struct node *layer, double shift);
/* The node, as one that stands for `from`; its output, called after the layer. */
struct node *zeros_give_origin(struct node *node, const struct node *from);
struct value *zeros_name(struct graph *graph, struct node *node, const struct value *layer, const char *part);

/* skip_zeros_conv.c: true when the node was a first convolution, and is rewritten. */
bool zeros_rewrite_conv(struct pass_context *context, struct node *conv);

#endif
