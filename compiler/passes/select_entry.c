/* Needs: the model's graph with the results of all entries. Leaves behind: a copy of it, named "MODEL.ENTRY", with the
 * results of this entry alone and the nodes that they need. The entry `gradient` differentiates the sum of the
 * examples' losses, whatever the model's reduction: who runs a whole split divides by the split's weight. */
#include "passes.h"
#include "rewrite.h"

#include <string.h>

#define ROLE(role) (1u << RESULT_##role)
static const struct {
    const char *name;
    unsigned roles;
} entries[ENTRY_COUNT] = {
    [ENTRY_FORWARD] = {"forward", ROLE(OUTPUT) | ROLE(LOGITS)},
    [ENTRY_EVAL] = {"eval", ROLE(OUTPUT) | ROLE(EXAMPLE_LOSS) | ROLE(EXAMPLE_WEIGHT) | ROLE(METRIC)},
    [ENTRY_GRADIENT] = {"gradient", ROLE(OUTPUT) | ROLE(EXAMPLE_LOSS) | ROLE(EXAMPLE_WEIGHT) | ROLE(METRIC) |
                                        ROLE(INPUT_GRADIENT)},
    [ENTRY_STEP] = {"step", ROLE(LOSS) | ROLE(GRADIENT) | ROLE(UPDATE)},
};

static const char *entry_name(struct arena *arena, const char *model, const char *entry)
{
    const char *dot = strrchr(model, '.');
    return dot && strcmp(dot + 1, entry) == 0 ? model : arena_printf(arena, "%s.%s", model, entry);
}

bool pass_select_entry(struct pass_context *context)
{
    const char *entry = entries[context->entry].name;
    const char *name = entry_name(context->arena, context->graph->name, entry);
    struct graph *graph = graph_clone(context->arena, context->graph, name);
    const struct result *loss = graph_result(graph, RESULT_LOSS);
    if (!loss && (context->entry == ENTRY_STEP || context->entry == ENTRY_GRADIENT)) {
        diag_error(context->diags, graph->span, "the model %s has no loss: there is nothing to %s",
                   context->graph->name, context->entry == ENTRY_STEP ? "train" : "differentiate");
        return false;
    }
    if (loss && context->entry == ENTRY_GRADIENT)
        node_set_word(loss->value->node, "reduction", "sum");
    size_t kept = 0;
    for (size_t i = 0; i < graph->results.count; i++)
        if (entries[context->entry].roles & 1u << graph->results.at[i].role)
            graph->results.at[kept++] = graph->results.at[i];
    graph->results.count = kept;
    remove_dead_nodes(graph);
    context->model = context->graph;
    context->graph = graph;
    return true;
}
