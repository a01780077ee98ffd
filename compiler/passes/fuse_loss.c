/* Needs: types. Leaves behind: no cross_entropy, and no nll whose log-probabilities a log_softmax made: each is one
 * softmax_xent with the same options. The log_softmax stays where something else reads it.
 *
 * softmax_xent works on the logits themselves, with a log1p over all but the largest: closer to the exact result than
 * log_softmax and nll one after the other, not the same bits. */
#include "passes.h"
#include "rewrite.h"

/* The logits that the loss is about; NULL: it stays as it is. */
static struct value *logits_of(const struct node *loss)
{
    if (op_is(loss, "cross_entropy"))
        return loss->input[0];
    if (op_is(loss, "nll") && op_is(loss->input[0]->node, "log_softmax"))
        return loss->input[0]->node->input[0];
    return NULL;
}

bool pass_fuse_loss(struct pass_context *context)
{
    struct graph *graph = context->graph;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *loss = graph->nodes.at[i];
        struct value *logits = logits_of(loss);
        if (!logits)
            continue;
        struct node *producer = loss->input[0]->node;
        struct value *input[] = {logits, loss->input[1]};
        struct node *fused = graph_insert_before(graph, loss, graph_op(graph, "softmax_xent"), 2, input);
        node_copy_attrs(fused, loss);
        rewrite_node(graph, loss, fused);
        if (producer != logits->node && graph_count_uses(graph, producer->output[0]) == 0) {
            graph_remove(graph, producer);
            i--;
        }
    }
    return true;
}
