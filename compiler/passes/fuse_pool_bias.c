/* Needs: gradients. Leaves behind: no conv2d_db that reads the gradient of a pooling. That gradient has each dy of the
 * pooling at the position that won, and zeros, so their sum is the sum of the dy that somebody won: a fraction of the
 * memory. The terms are added in another order; rounding may differ from the unfused graph's. */
#include "passes.h"
#include "rewrite.h"

bool pass_fuse_pool_bias(struct pass_context *context)
{
    struct graph *graph = context->graph;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *node = graph->nodes.at[i];
        if (!op_is(node, "conv2d_db") || node->inputs > 1 || !op_is(node->input[0]->node, "max_pool2d_dx"))
            continue;
        const struct node *spread = node->input[0]->node;
        struct value *dy = spread->input[0], *winner = spread->input[1];
        if (!op_is(winner->node, "max_pool2d"))
            continue;
        if (!node_int(winner->node, "floor")) { /* every window has a winner */
            node->input[0] = dy;
            continue;
        }
        const struct attr *kernel = node_attr(winner->node, "kernel");
        node->input[0] = dy;
        node->input[1] = winner;
        node->inputs = 2;
        node_set_int(node, "positions", kernel->ints[0] * kernel->ints[kernel->count == 1 ? 0 : 1]);
    }
    return true;
}
