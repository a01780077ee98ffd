/* Needs: types. Leaves behind: no chain of to_float, normalize and affine (each is one affine), no view of a view, no
 * view or normalize that changes nothing.
 *
 * Rounding: u8 / 255, then (x - mean) / std, rounds three times; the affine computes x * scale + shift with the scale
 * 1 / (255 std) and the shift -mean / std worked out in double and rounded once each. The values differ by a few units
 * in the last place. A to_float or normalize that stands alone keeps its own arithmetic, and views move no value. */
#include "passes.h"
#include "rewrite.h"

#include <string.h>

/* ---- y = x * scale + shift, one number or one per channel ---- */

struct map {
    uint32_t count;
    double *scale, *shift;
};

static bool is_map(const struct node *node)
{
    return op_is(node, "to_float") || op_is(node, "normalize") || op_is(node, "affine");
}

static double channel(const struct attr *list, uint32_t c)
{
    return list->floats[list->count == 1 ? 0 : c];
}

static struct map read_map(struct arena *arena, const struct node *node)
{
    bool normalize = op_is(node, "normalize");
    static const double zero = 0, inverse = 1.0 / 255;
    struct attr first = {.count = 1, .floats = &inverse}, second = {.count = 1, .floats = &zero};
    if (!op_is(node, "to_float")) {
        first = *node_attr(node, normalize ? "std" : "scale");
        second = *node_attr(node, normalize ? "mean" : "shift");
    }
    struct map map = {.count = first.count > second.count ? first.count : second.count};
    map.scale = ARENA_ARRAY(arena, double, map.count);
    map.shift = ARENA_ARRAY(arena, double, map.count);
    for (uint32_t c = 0; c < map.count; c++) {
        map.scale[c] = normalize ? 1 / channel(&first, c) : channel(&first, c);
        map.shift[c] = normalize ? -channel(&second, c) / channel(&first, c) : channel(&second, c);
    }
    return map;
}

/* after(before(x)) */
static struct map compose(struct arena *arena, const struct map *before, const struct map *after)
{
    struct map map = {.count = before->count > after->count ? before->count : after->count};
    map.scale = ARENA_ARRAY(arena, double, map.count);
    map.shift = ARENA_ARRAY(arena, double, map.count);
    for (uint32_t c = 0; c < map.count; c++) {
        uint32_t b = before->count == 1 ? 0 : c, a = after->count == 1 ? 0 : c;
        map.scale[c] = after->scale[a] * before->scale[b];
        map.shift[c] = after->scale[a] * before->shift[b] + after->shift[a];
    }
    return map;
}

static void remove_if_unused(struct graph *graph, struct node *node)
{
    for (uint32_t i = 0; i < node->outputs; i++)
        if (graph_count_uses(graph, node->output[i]))
            return;
    graph_remove(graph, node);
}

static bool fold_maps(struct graph *graph, struct node *node)
{
    if (!is_map(node) || !is_map(node->input[0]->node))
        return false;
    struct node *inner = node->input[0]->node;
    struct map before = read_map(graph->arena, inner), after = read_map(graph->arena, node);
    struct map both = compose(graph->arena, &before, &after);
    struct node *affine = graph_insert_before(graph, node, graph_op(graph, "affine"), 1, inner->input);
    node_set_floats(graph, affine, "scale", both.count, both.scale);
    node_set_floats(graph, affine, "shift", both.count, both.shift);
    rewrite_node(graph, node, affine);
    remove_if_unused(graph, inner);
    return true;
}

/* ---- nodes that change nothing ---- */

static bool all(const struct attr *list, double value)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->floats[i] != value)
            return false;
    return true;
}

static bool changes_nothing(const struct node *node)
{
    if (node->op->flags & OP_VIEW)
        return type_equal(&node->input[0]->type, &node->output[0]->type);
    return op_is(node, "normalize") && all(node_attr(node, "mean"), 0) && all(node_attr(node, "std"), 1);
}

static bool bypass(struct graph *graph, struct node *node)
{
    if (!changes_nothing(node))
        return false;
    graph_replace_uses(graph, node->output[0], node->input[0]);
    graph_remove(graph, node);
    return true;
}

static bool skip_inner_view(struct graph *graph, struct node *node)
{
    if (!(node->op->flags & OP_VIEW) || !(node->input[0]->node->op->flags & OP_VIEW))
        return false;
    struct node *inner = node->input[0]->node;
    node->input[0] = inner->input[0];
    remove_if_unused(graph, inner);
    return true;
}

bool pass_simplify(struct pass_context *context)
{
    struct graph *graph = context->graph;
    for (size_t i = 0; i < graph->nodes.count;) {
        struct node *node = graph->nodes.at[i];
        if (fold_maps(graph, node) || bypass(graph, node) || skip_inner_view(graph, node))
            i = i > 2 ? i - 2 : 0; /* up to two nodes before this one went; what stands there may fold further */
        else
            i++;
    }
    return true;
}
