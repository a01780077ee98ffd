#include "rewrite.h"
#include "ops.h"

#include <assert.h>

void rewrite_node(struct graph *graph, struct node *old, struct node *node)
{
    assert(old->outputs == node->outputs);
    node->origin = old->origin;
    node->span = old->span;
    for (uint32_t i = 0; i < old->outputs; i++) {
        node->output[i]->name = old->output[i]->name;
        node->output[i]->span = old->output[i]->span;
        node->output[i]->type = old->output[i]->type;
        graph_replace_uses(graph, old->output[i], node->output[i]);
    }
    graph_remove(graph, old);
}

bool remove_dead_nodes(struct graph *graph)
{
    struct pointer_map live;
    map_init(&live, graph->arena);
    for (size_t i = 0; i < graph->results.count; i++)
        map_set(&live, graph->results.at[i].value->node, graph);
    for (size_t i = graph->nodes.count; i-- > 0;) {
        struct node *node = graph->nodes.at[i];
        if (map_get(&live, node))
            for (uint32_t k = 0; k < node->inputs; k++)
                map_set(&live, node->input[k]->node, graph);
    }
    size_t kept = 0;
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (map_get(&live, graph->nodes.at[i]))
            graph->nodes.at[kept++] = graph->nodes.at[i];
    bool changed = kept < graph->nodes.count;
    graph->nodes.count = kept;
    return changed;
}

bool has_updates(const struct graph *graph)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        if ((graph->nodes.at[i]->op->flags & OP_IN_PLACE) || op_is(graph->nodes.at[i], "state"))
            return true;
    return false;
}

void infer_node(struct graph *graph, struct node *node)
{
    struct diag_list diags;
    struct source_map nowhere = {.arena = graph->arena};
    diag_init(&diags, graph->arena, &nowhere);
    bool ok = op_of(node)->shape(graph, node, &diags);
    assert(ok);
    (void)ok;
}
