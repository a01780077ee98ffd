/* Needs: nothing. Leaves behind: no two nodes with the same op, inputs and attributes. Leaves are distinct by their
 * names; what overwrites its inputs is never merged. Equal nodes compute equal bits: nothing changes but the work. */
#include "passes.h"
#include "rewrite.h"

#include <string.h>

/* The node's line behind its outputs: op, inputs (whose names are unique) and attributes. */
static const char *key_of(struct interner *keys, const struct node *node)
{
    struct text line;
    text_init(&line, keys->arena);
    graph_print_node(node, &line);
    return intern_string(keys, strstr(text_string(&line), " = "));
}

bool pass_cse(struct pass_context *context)
{
    struct graph *graph = context->graph;
    struct interner keys;
    struct pointer_map first;
    interner_init(&keys, context->arena);
    map_init(&first, context->arena);
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *node = graph->nodes.at[i];
        if (node->op->flags & (OP_LEAF | OP_IN_PLACE))
            continue;
        const char *key = key_of(&keys, node);
        struct node *same = map_get(&first, key);
        if (!same) {
            map_set(&first, key, node);
            continue;
        }
        for (uint32_t k = 0; k < node->outputs; k++)
            graph_replace_uses(graph, node->output[k], same->output[k]);
        graph_remove(graph, node);
        i--;
    }
    return true;
}
