/* Needs: updates, no dead nodes, a batch size. Leaves behind: in the step of a model whose first layer is linear and
 * reads nothing but bytes, all of one scale, that layer as linear_zeros and linear_zeros_dw, or conv2d_zeros
 * (skip_zeros_conv.c). Much of what is stored in bytes, pixels above all, is 0, and x = scale u + shift of 0 is the
 * shift: that part of every sum is the same for all examples and computed once (linear_offset), and the terms that are
 * left over are 0 where u is.
 *
 * Rounding: W x + b is computed as W (scale u) + (b + shift sum(W)), and dW = dy x as dy (scale u) + shift db. Where a
 * weight is infinite or NaN, a term that is left out would have been NaN.
 *
 * Whether it is done follows from shapes and the batch alone, so that all targets compute the same: few examples
 * have too little to share, and beyond one block of them weight gradients are sums of blocks. */
#include "lowered.h"
#include "passes.h"
#include "rewrite.h"
#include "skip_zeros.h"

#include <math.h>
#include <string.h>

enum { FEWEST_OUTPUTS = 64 };

/* ---- where it is done ---- */

bool zeros_is_map(const struct node *node)
{
    return op_is(node, "to_float") || op_is(node, "normalize") || op_is(node, "affine");
}

bool zeros_is_uniform(const struct node *map)
{
    bool uniform = true;
    for (uint32_t i = 0; i < map->op->attrs; i++)
        if (map->op->attr[i].kind == ATTR_FLOATS)
            uniform = uniform && map->attr[i].count == 1 && isfinite(map->attr[i].floats[0]);
    return uniform;
}

/* Views and maps lead from bytes of the data set to this value; it has so many readers, each of the others one. */
static bool is_from_bytes(const struct graph *graph, const struct value *value, size_t readers)
{
    for (; !op_is(value->node, "input"); value = value->node->input[0], readers = 1)
        if (graph_count_uses(graph, value) != readers ||
            !((value->node->op->flags & OP_VIEW) || zeros_is_map(value->node)) || !zeros_is_uniform(value->node))
            return false;
    return value->type.dtype == DT_U8;
}

static const struct node *first_layer(const struct graph *model, const char *weight)
{
    for (size_t i = 0; i < model->nodes.count; i++) {
        const struct node *node = model->nodes.at[i];
        if (op_is(node, "linear") && op_is(node->input[1]->node, "param") &&
            strcmp(node_attr(node->input[1]->node, "name")->string, weight) == 0)
            return graph_count_uses(model, node->input[1]) == 1 && is_from_bytes(model, node->input[0], 1) ? node
                                                                                                           : NULL;
    }
    return NULL;
}

bool lower_skips_zeros(const struct pass_context *context, const char *weight)
{
    if (!context->model || !context->learns || context->batch < ZEROS_FEWEST_EXAMPLES ||
        context->batch > KERNEL_SUM_BLOCK)
        return false;
    const struct node *layer = first_layer(context->model, weight);
    return layer && layer->output[0]->type.dim[1] >= FEWEST_OUTPUTS;
}

/* ---- the rewrite ---- */

struct node *zeros_reader(const struct graph *graph, const struct value *value, const char *op, uint32_t input)
{
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *node = graph->nodes.at[i];
        if (op_is(node, op) && node->input[input] == value)
            return node;
    }
    return NULL;
}

struct node *zeros_last_of(const struct graph *graph, const struct node *layer, struct node *dw, struct node *db)
{
    bool behind_layer = false;
    size_t missing = db ? 2 : 1;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *node = graph->nodes.at[i];
        for (uint32_t k = 0; k < node->inputs; k++)
            if (node->input[k] == dw->output[0])
                return NULL;
        behind_layer = behind_layer || node == layer;
        if (node == dw && !behind_layer)
            return NULL;
        missing -= node == dw || node == db;
        if (missing == 0)
            return node;
    }
    return NULL;
}

struct node *zeros_give_origin(struct node *node, const struct node *from)
{
    node->origin = from->origin;
    node->span = from->span;
    return node;
}

struct value *zeros_name(struct graph *graph, struct node *node, const struct value *layer, const char *part)
{
    graph_name_value(graph, node->output[0], arena_printf(graph->arena, "%s.%s", layer->name, part));
    return node->output[0];
}

static struct node *affine_of(const struct value *x)
{
    struct node *map = x->node;
    while (!zeros_is_map(map))
        map = map->input[0]->node;
    return op_is(map, "affine") ? map : NULL;
}

double zeros_shift(const struct value *x)
{
    const struct node *map = affine_of(x);
    return map ? node_attr(map, "shift")->floats[0] : 0;
}

double zeros_take_shift(struct graph *graph, struct value *x)
{
    double shift = zeros_shift(x);
    if (shift != 0)
        node_set_floats(graph, affine_of(x), "shift", 1, &(double){0});
    return shift;
}

static struct value *make_list(struct graph *graph, struct node *layer, const char *op, const char *part,
                               int64_t capacity)
{
    struct node *list = graph_insert_before(graph, layer, graph_op(graph, op), 1, layer->input);
    node_set_int(list, "capacity", capacity);
    infer_node(graph, zeros_give_origin(list, layer));
    return zeros_name(graph, list, layer->output[0], part);
}

struct value *zeros_make_start(struct graph *graph, struct node *layer, double shift)
{
    struct value *bias = layer->inputs > 2 ? layer->input[2] : NULL;
    if (shift == 0)
        return bias;
    struct value *input[2] = {layer->input[1], bias};
    struct node *offset =
        graph_insert_before(graph, layer, graph_op(graph, "linear_offset"), bias ? 2 : 1, input);
    node_set_float(offset, "shift", shift);
    infer_node(graph, zeros_give_origin(offset, layer));
    return zeros_name(graph, offset, layer->output[0], "offset");
}

/* `last`: of what the new gradient takes the place of and reads. */
static void rewrite_gradient(struct graph *graph, struct node *dw, struct node *db, struct node *last,
                             struct value *lists, double shift)
{
    struct value *input[4] = {dw->input[0], dw->input[1], lists};
    if (shift != 0 && !db) {
        db = graph_insert_before(graph, dw, graph_op(graph, "linear_db"), 1, input);
        infer_node(graph, zeros_give_origin(db, dw));
    }
    input[3] = shift != 0 ? db->output[0] : NULL;
    struct node *zeros =
        graph_insert_after(graph, last, graph_op(graph, "linear_zeros_dw"), shift != 0 ? 4 : 3, input);
    if (shift != 0)
        node_set_float(zeros, "shift", shift);
    infer_node(graph, zeros);
    rewrite_node(graph, dw, zeros);
}

static bool rewrite_layer(struct pass_context *context, struct node *layer)
{
    struct graph *graph = context->graph;
    struct value *x = layer->input[0];
    struct node *dw = op_is(layer, "linear") ? zeros_reader(graph, x, "linear_dw", 1) : NULL;
    bool fits = dw && op_is(layer->input[1]->node, "param") && is_from_bytes(graph, x, 2) &&
                lower_skips_zeros(context, node_attr(layer->input[1]->node, "name")->string);
    if (!fits)
        return false;
    struct node *db = zeros_shift(x) != 0 ? zeros_reader(graph, dw->input[0], "linear_db", 0) : NULL;
    struct node *last = zeros_last_of(graph, layer, dw, db);
    if (!last)
        return false;
    int64_t capacity = lower_plan(context).capacity;
    double shift = zeros_take_shift(graph, x);
    struct value *start = zeros_make_start(graph, layer, shift);
    struct value *examples = make_list(graph, layer, "nonzero_examples", "examples", capacity);
    struct value *input[4] = {x, make_list(graph, layer, "nonzero_inputs", "inputs", capacity), layer->input[1], start};
    struct node *zeros = graph_insert_before(graph, layer, graph_op(graph, "linear_zeros"), start ? 4 : 3, input);
    infer_node(graph, zeros);
    rewrite_node(graph, layer, zeros);
    rewrite_gradient(graph, dw, db, last, examples, shift);
    return true;
}

bool pass_skip_zeros(struct pass_context *context)
{
    struct graph *graph = context->graph;
    for (size_t i = 0; context->entry == ENTRY_STEP && i < graph->nodes.count; i++)
        if (rewrite_layer(context, graph->nodes.at[i]) || zeros_rewrite_conv(context, graph->nodes.at[i]))
            i = 0; /* nodes moved */
    return true;
}
