/* Kernels' names: after the value that they leave behind, or what they do for which layer. */
#include "fuse.h"

#include <ctype.h>
#include <string.h>

/* "l1" of "l1.weight". */
static const char *layer_of(struct arena *arena, const struct value *weight)
{
    if (op_is(weight->node, "relayout"))
        weight = weight->node->input[0];
    const char *dot = strrchr(weight->name, '.');
    return dot && strcmp(dot, ".weight") == 0 ? arena_strndup(arena, weight->name, (size_t)(dot - weight->name))
                                              : weight->name;
}

static bool is_named(const struct value *value)
{
    return !isdigit((unsigned char)value->name[0]);
}

/* How telling the node is for its kernel, and the name that it gives. */
static int candidate(struct arena *arena, const struct node *node, const char **out)
{
    if (node->op->flags & OP_IN_PLACE) {
        *out = arena_printf(arena, "%s.update", layer_of(arena, node->input[0]));
        return 9;
    }
    if (node->op->flags & OP_LOSS)
        return *out = "loss", 8;
    if (node->inputs == 1 && (node->op->flags & OP_ELEMENTWISE) && !op_is(node, "relayout") &&
        fuse_is_data(fuse_root(node->input[0])->node))
        return *out = "batch", 7;
    if (op_is(node, "linear_dx") || op_is(node, "conv2d_dx")) {
        *out = arena_printf(arena, "%s.dx", layer_of(arena, node->input[1]));
        return 6;
    }
    if (op_is(node, "max_pool2d_dx")) {
        const struct value *pooled = node->input[1]->node->output[0];
        *out = arena_printf(arena, "%s.dz", is_named(pooled) ? pooled->name : "pool");
        return 5;
    }
    if (op_is(node, "relayout")) {
        const struct value *value = node->input[0];
        *out = arena_printf(arena, "%s.t", is_named(value) ? value->name : "x");
        return 4;
    }
    if (node->op->flags & OP_METRIC)
        return *out = node->op->name, 3;
    for (uint32_t i = 0; i < node->outputs; i++)
        if (is_named(node->output[i]))
            return *out = node->output[i]->name, 2;
    return *out = node->op->name, 1;
}

static bool is_taken(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (graph->nodes.at[i]->kernel && strcmp(graph->nodes.at[i]->kernel, name) == 0)
            return true;
    return false;
}

void fuse_name(struct graph *graph, const uint32_t *group)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        graph->nodes.at[i]->kernel = NULL;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        if (group[i] != i || graph->nodes.at[i]->op->flags & (OP_LEAF | OP_VIEW))
            continue;
        const char *stem = NULL;
        int best = 0;
        for (size_t j = i; j < graph->nodes.count; j++) {
            const char *name;
            int rank = group[j] == i ? candidate(graph->arena, graph->nodes.at[j], &name) : 0;
            if (rank > 0 && rank >= best) /* of equals the last: what the kernel leaves behind */
                best = rank, stem = name;
        }
        const char *name = stem;
        for (int number = 2; is_taken(graph, name); number++)
            name = arena_printf(graph->arena, "%s.%d", stem, number);
        for (size_t j = i; j < graph->nodes.count; j++)
            if (group[j] == i)
                graph->nodes.at[j]->kernel = name;
    }
}
