/* Convolutions of bytes without the columns at either side that are 0 in 16 examples: conv2d_zeros, and conv2d_dw given
 * such columns. Without padding every window sees whole pixels, so that what the shift of x = scale u + shift adds is
 * the same everywhere: shift sum(W) where sums begin, and a multiple of the bias's gradient. */
#include "lowered.h"
#include "rewrite.h"
#include "skip_zeros.h"

enum {
    FEWEST_WEIGHTS = 64, /* of a channel: fewer take no longer than looking where its pixels are 0 */
    WIDEST_IMAGE = 1 << 16, LARGEST_BATCH = 1 << 28, /* pixels of a row, of all groups: nothing overflows */
    LARGEST_POOL = 3,
    COLUMNS = 4 /* of a result that is not pooled, in a tile */
};

static int64_t attr_int(const struct node *node, const char *name, uint32_t i, int64_t standard)
{
    const struct attr *list = node_attr(node, name);
    return !list->set ? standard : list->ints[list->count == 1 ? 0 : i];
}

/* The image of bytes whose map this value is, for the convolution and its gradient alone; NULL: it is none. */
static struct value *bytes_of(const struct graph *graph, const struct value *x)
{
    const struct node *map = x->node;
    bool fits = (op_is(map, "to_float") || op_is(map, "affine")) && zeros_is_uniform(map) &&
                op_is(map->input[0]->node, "input") && map->input[0]->type.dtype == DT_U8 &&
                graph_count_uses(graph, x) == 2;
    return fits ? map->input[0] : NULL;
}

static bool is_worth(const struct pass_context *context, const struct node *conv)
{
    const struct tensor_type *w = &conv->input[1]->type, *x = &conv->input[0]->type;
    double pixels = ((double)context->batch / KERNEL_TREE_GROUP + 1) * (double)x->dim[1] * (double)x->dim[2] *
                    (double)x->dim[3];
    if (x->dim[3] > WIDEST_IMAGE || pixels > LARGEST_BATCH)
        return false;
    const struct node *map = conv->input[0]->node;
    bool starts = conv->inputs > 2 || (op_is(map, "affine") && node_attr(map, "shift")->floats[0] != 0);
    return context->batch >= ZEROS_FEWEST_EXAMPLES && w->dim[0] * w->dim[2] * w->dim[3] >= FEWEST_WEIGHTS && starts &&
           graph_count_uses(context->graph, conv->input[1]) == 2 && /* and its update */
           attr_int(conv, "padding", 0, 0) == 0 && attr_int(conv, "padding", 1, 0) == 0;
}

/* Rows and columns of the result that a kernel computes together: a window of the pooling behind it, if any. */
static void find_group(const struct graph *graph, const struct node *conv, int64_t out[2])
{
    const struct value *value = conv->output[0];
    const struct node *user = NULL;
    do {
        user = NULL;
        for (size_t i = 0; i < graph->nodes.count; i++)
            for (uint32_t k = 0; k < graph->nodes.at[i]->inputs; k++)
                if (graph->nodes.at[i]->input[k] == value)
                    user = graph->nodes.at[i];
        bool follows = user && graph_count_uses(graph, value) == 1 && user->inputs == 1;
        value = follows ? user->output[0] : NULL;
    } while (value && (user->op->flags & OP_ELEMENTWISE));
    bool pools = value && op_is(user, "max_pool2d");
    for (uint32_t i = 0; i < 2; i++) {
        int64_t size = pools ? attr_int(user, "kernel", i, 1) : 1, step = pools ? attr_int(user, "stride", i, size) : 1;
        pools = pools && size <= LARGEST_POOL && step >= size && attr_int(user, "padding", i, 0) == 0;
        out[i] = step;
    }
    out[0] = pools ? out[0] : 1;
    out[1] = pools ? out[1] : COLUMNS;
}

/* Every window of this pooling passes its gradient on. */
static bool all_win(const struct node *pool)
{
    return op_is(pool, "max_pool2d") && !node_int(pool, "floor");
}

/* What sums the gradient over the convolution's result: as it is, or what flows into the pooling that spreads it. */
static struct node *find_bias_gradient(const struct graph *graph, const struct value *dy)
{
    const struct node *spread = op_is(dy->node, "max_pool2d_dx") ? dy->node : NULL;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        struct node *node = graph->nodes.at[i];
        if (!op_is(node, "conv2d_db"))
            continue;
        bool pooled = spread && node->input[0] == spread->input[0] &&
                      (node->inputs > 1 ? node->input[1] == spread->input[1] : all_win(spread->input[1]->node));
        if (pooled || (node->input[0] == dy && node->inputs == 1))
            return node;
    }
    return NULL;
}

/* Of the same windows as the convolution. */
static bool is_gradient(const struct node *dw, const struct node *conv)
{
    bool same = true;
    for (uint32_t i = 0; i < 2; i++)
        same = same && attr_int(dw, "stride", i, 1) == attr_int(conv, "stride", i, 1) &&
               attr_int(dw, "padding", i, 0) == attr_int(conv, "padding", i, 0);
    return same;
}

static struct value *insert(struct graph *graph, struct node *conv, const char *op, struct value *of, const char *part,
                            const char *attr, int64_t number)
{
    struct node *node = graph_insert_before(graph, conv, graph_op(graph, op), 1, &of);
    if (attr)
        node_set_int(node, attr, number);
    infer_node(graph, zeros_give_origin(node, conv));
    return zeros_name(graph, node, conv->output[0], part);
}

/* `last`: of what the new gradient takes the place of and reads. */
static void rewrite_gradient(struct graph *graph, struct node *dw, struct node *db, struct node *last,
                             struct value *columns, double shift)
{
    struct value *input[3] = {dw->input[0], dw->input[1], columns};
    struct node *part = graph_insert_before(graph, dw, dw->op, 3, input);
    node_copy_attrs(part, dw);
    infer_node(graph, part);
    if (shift != 0) {
        zeros_give_origin(part, dw);
        zeros_name(graph, part, dw->output[0], "scaled");
        if (!db) {
            db = graph_insert_before(graph, dw, graph_op(graph, "conv2d_db"), 1, input);
            infer_node(graph, zeros_give_origin(db, dw));
        }
        part = graph_insert_after(graph, last, graph_op(graph, "conv2d_shift_dw"), 2,
                                  (struct value *[]){part->output[0], db->output[0]});
        node_set_float(part, "shift", shift);
        infer_node(graph, part);
    }
    rewrite_node(graph, dw, part);
}

bool zeros_rewrite_conv(struct pass_context *context, struct node *conv)
{
    struct graph *graph = context->graph;
    struct value *bytes = op_is(conv, "conv2d") ? bytes_of(graph, conv->input[0]) : NULL, *x = conv->input[0];
    struct node *dw = bytes ? zeros_reader(graph, x, "conv2d_dw", 1) : NULL;
    if (!dw || dw->inputs > 2 || !is_gradient(dw, conv) || !is_worth(context, conv))
        return false;
    struct node *db = zeros_shift(x) != 0 ? find_bias_gradient(graph, dw->input[0]) : NULL;
    struct node *last = zeros_last_of(graph, conv, dw, db);
    if (!last)
        return false;
    int64_t group[2];
    double shift = zeros_take_shift(graph, x);
    struct value *start = zeros_make_start(graph, conv, shift);
    find_group(graph, conv, group);
    int64_t height = bytes->type.dim[2], rows = attr_int(conv, "stride", 0, 1) * (group[0] - 1) + 1;
    struct value *sums = insert(graph, conv, "group_bytes", bytes, "bytes", "capacity", lower_plan(context).capacity);
    struct value *reach = insert(graph, conv, "row_reach", sums, "reach", NULL, 0);
    rows = rows < height ? rows : height;
    struct value *columns = insert(graph, conv, "nonzero_columns", reach, "columns", "rows", rows);
    rows = dw->output[0]->type.dim[2];
    struct value *each = insert(graph, conv, "nonzero_columns", reach, "columns.dw", "rows", rows);
    struct value *input[4] = {x, conv->input[1], start, columns};
    struct node *zeros = graph_insert_before(graph, conv, graph_op(graph, "conv2d_zeros"), 4, input);
    node_copy_attrs(zeros, conv);
    node_set_ints(graph, zeros, "group", 2, group);
    infer_node(graph, zeros);
    rewrite_node(graph, conv, zeros);
    rewrite_gradient(graph, dw, db, last, each, shift);
    return true;
}
