/* The first half of `fuse`: what a kernel cannot do in passing becomes a node of its own. */
#include "fuse.h"
#include "rewrite.h"
#include "schedule.h"

#include <ctype.h>

bool fuse_is_data(const struct node *node)
{
    return op_is(node, "input") || op_is(node, "target");
}

struct value *fuse_root(struct value *value)
{
    while (value->node->op->flags & OP_VIEW)
        value = value->node->input[0];
    return value;
}

/* One number for all channels. */
static bool uniform(const struct node *node)
{
    for (uint32_t i = 0; i < node->op->attrs; i++)
        if (node->op->attr[i].kind == ATTR_FLOATS && node->attr[i].count > 1)
            return false;
    return true;
}

/* view(map(x)) is map(view(x)) for a map of data that treats all elements alike. */
static bool view_first(struct graph *graph, struct node *view)
{
    if (!(view->op->flags & OP_VIEW))
        return false;
    struct node *map = view->input[0]->node;
    if (!(map->op->flags & OP_ELEMENTWISE) || map->inputs != 1 || !uniform(map) ||
        !fuse_is_data(fuse_root(map->input[0])->node) || graph_count_uses(graph, map->output[0]) != 1)
        return false;
    struct node *inner = graph_insert_before(graph, map, view->op, 1, map->input);
    node_copy_attrs(inner, view);
    infer_node(graph, inner);
    struct node *outer = graph_insert_before(graph, map, map->op, 1, inner->output);
    node_copy_attrs(outer, map);
    inner->origin = view->origin, inner->span = view->span;
    rewrite_node(graph, view, outer);
    outer->origin = map->origin, outer->span = map->span;
    graph_remove(graph, map);
    return true;
}

/* Reads rows of the data set by itself, most often as part of the kernel that loads the batch. */
static bool loads(const struct node *node)
{
    return ((node->op->flags & OP_ELEMENTWISE) && node->inputs == 1 && !op_is(node, "relayout")) ||
           op_is(node, "group_bytes");
}

static struct value *insert_copy(struct graph *graph, const char *op, struct value *of, const char *suffix)
{
    struct node *copy = graph_insert_after(graph, of->node, graph_op(graph, op), 1, &of);
    copy->origin = of->node->origin;
    copy->span = of->node->span;
    infer_node(graph, copy);
    if (!isdigit((unsigned char)of->name[0]))
        graph_name_value(graph, copy->output[0], arena_printf(graph->arena, "%s.%s", of->name, suffix));
    return copy->output[0];
}

/* Everything that computes with the data set, or returns it, reads the batch's rows instead. */
static void gather(struct graph *graph, struct value *data)
{
    struct value *rows = NULL;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *user = graph->nodes.at[i];
        if ((user->op->flags & OP_VIEW) || loads(user))
            continue;
        for (uint32_t k = 0; k < user->inputs; k++)
            if (user->input[k] == data) {
                rows = rows ? rows : insert_copy(graph, "gather", data, "batch");
                user->input[k] = rows;
            }
    }
    for (size_t i = 0; i < graph->results.count; i++)
        if (graph->results.at[i].value == data) {
            rows = rows ? rows : insert_copy(graph, "gather", data, "batch");
            graph->results.at[i].value = rows;
        }
}

static struct value *relayout_of(struct graph *graph, struct value *value)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (op_is(graph->nodes.at[i], "relayout") && graph->nodes.at[i]->input[0] == value)
            return graph->nodes.at[i]->output[0];
    return insert_copy(graph, "relayout", value, "t");
}

/* Second operands of weight gradients need the features side by side, as they lie already where these are in the lanes.
 * Gradients over inputs then need the weights with the inputs side by side: of a dense layer, which reads each weight
 * once or twice, the kernel transposes them as it loads them; of a convolution, which reads them for every position, a
 * copy. */
static void copy_operands(struct graph *graph, bool features)
{
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *node = graph->nodes.at[i];
        bool wanted = features ? op_is(node, "conv2d_dx") : op_is(node, "linear_dw");
        if (wanted && !op_is(node->input[1]->node, "relayout"))
            node->input[1] = relayout_of(graph, node->input[1]);
        if (!features && op_is(node, "linear_zeros_dw") && !op_is(node->input[0]->node, "relayout"))
            node->input[0] = relayout_of(graph, node->input[0]);
    }
}

/* A convolution with few weights for its pixels: each example's part of their gradient is small beside what is read for
 * it. As a value of its own it lets every thread sum over examples that it has in its cache. Few registers hold the taps
 * of one vector only, and half a line of the images would be read at a time: there the sum over the batch is faster. */
enum { FEW_REGISTERS = 16 };

static bool few_weights(const struct node *dw)
{
    enum { TIMES = 8 };
    int64_t read = type_elements(&dw->input[0]->type) + type_elements(&dw->input[1]->type);
    return type_elements(&dw->output[0]->type) * TIMES <= read;
}

static void part_gradients(struct graph *graph)
{
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *dw = graph->nodes.at[i];
        if (!op_is(dw, "conv2d_dw") || !few_weights(dw))
            continue;
        struct node *each = graph_insert_before(graph, dw, graph_op(graph, "conv2d_dw_each"), dw->inputs, dw->input);
        node_copy_attrs(each, dw);
        infer_node(graph, each);
        graph_name_value(graph, each->output[0], arena_printf(graph->arena, "%s.each", dw->output[0]->name));
        struct node *sum = graph_insert_before(graph, dw, graph_op(graph, "sum_batch"), 1, each->output);
        infer_node(graph, sum);
        each->origin = dw->origin;
        each->span = dw->span;
        rewrite_node(graph, dw, sum);
    }
}

void fuse_prepare(struct graph *graph, bool features, const struct ktarget *target)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (view_first(graph, graph->nodes.at[i]))
            i = 0; /* another view may now stand behind a map */
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *node = graph->nodes.at[i];
        if (node->outputs == 1 && fuse_is_data(fuse_root(node->output[0])->node))
            gather(graph, node->output[0]);
    }
    copy_operands(graph, features);
    if (!features && !(target && target->registers <= FEW_REGISTERS))
        part_gradients(graph);
}
