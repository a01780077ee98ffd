/* Cases of passes: a graph NAME.xir that says in comments what runs ("# passes: a, b", "# entry: step",
 * "# optimizer: momentum nesterov", "# batch: 5"; without them the entry is step and the batch 64), and NAME.out with
 * what comes out: the graph, the kernel program, or messages. */
#ifndef XENT_GOLDEN_PASSES_H
#define XENT_GOLDEN_PASSES_H

#include "golden.h"
#include "pass.h"

/* `entry`, `optimizer`: as in a comment, or NULL. */
struct pass_context golden_context(struct scratch *scratch, struct graph *graph, const char *entry,
                                   const char *optimizer);
/* Runs the case and compares; what came out. */
const char *golden_passes(struct scratch *scratch, const char *path, struct pass_context *out_context);

#endif
