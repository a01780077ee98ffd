/* Needs: types of the leaves. Leaves behind: every other type as the shape rules say; reports nodes that cannot be. */
#include "passes.h"

bool pass_infer_shapes(struct pass_context *context)
{
    struct graph *graph = context->graph;
    bool ok = true;
    for (size_t i = 0; i < graph->nodes.count && ok; i++) /* what follows a wrong node would be a consequence */
        ok = op_of(graph->nodes.at[i])->shape(graph, graph->nodes.at[i], context->diags);
    return ok;
}
