/* Needs: types; before autodiff, whose gradients would read the relu. Leaves behind: no relu whose result only a
 * max_pool2d reads, and none that reads only a max_pool2d: the pooling starts its maximum from 0 instead (`floor`).
 * Values are the same, max(0, max of z) both ways. So is the gradient: nothing flows back where no z exceeds 0. */
#include "passes.h"
#include "rewrite.h"

/* The pooling's first output is all that the node reads, and nothing else reads it. */
static bool single_use(const struct graph *graph, const struct value *value)
{
    return value->output == 0 && graph_count_uses(graph, value) == 1;
}

static bool absorb_before(struct graph *graph, struct node *pool)
{
    struct node *relu = pool->input[0]->node;
    if (!op_is(relu, "relu") || !single_use(graph, pool->input[0]))
        return false;
    pool->input[0] = relu->input[0];
    node_set_int(pool, "floor", 1);
    graph_remove(graph, relu);
    return true;
}

static bool absorb_behind(struct graph *graph, struct node *relu)
{
    struct value *pooled = relu->input[0], *out = relu->output[0];
    struct node *pool = pooled->node;
    if (!op_is(pool, "max_pool2d") || !single_use(graph, pooled))
        return false;
    pooled->name = out->name;
    pooled->span = out->span;
    node_set_int(pool, "floor", 1);
    graph_replace_uses(graph, out, pooled);
    graph_remove(graph, relu);
    return true;
}

bool pass_fuse_pool(struct pass_context *context)
{
    struct graph *graph = context->graph;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *node = graph->nodes.at[i];
        if ((op_is(node, "max_pool2d") && absorb_before(graph, node)) ||
            (op_is(node, "relu") && absorb_behind(graph, node)))
            i--; /* one node went at or before this place */
    }
    return true;
}
