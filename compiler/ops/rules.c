/* Helpers of the rules: types, messages, checks, attributes, windows, nodes of gradients. */
#include "rules.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <string.h>

/* Element counts beyond this could not be addressed by the i32 index arithmetic of kernels. */
static const int64_t most_elements = INT32_MAX;

struct tensor_type type_make(enum dtype dtype, uint32_t rank, const int64_t *dim)
{
    struct tensor_type type = {.dtype = dtype, .rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        type.dim[i] = dim[i];
    return type;
}

bool type_fits(const struct node *node, struct diag_list *diags, const struct tensor_type *type, const char *what)
{
    int64_t elements = type_elements(type);
    if (elements >= 0 && elements <= most_elements)
        return true;
    struct text shape;
    text_init(&shape, diags->arena);
    type_print(type, &shape);
    diag_error(diags, node->span, "%s: %s would be %s, more than %lld elements", node->op->name, what,
               text_string(&shape), (long long)most_elements);
    return false;
}

/* ---- messages ---- */

/* Numbers, and the stages of a binding ("conv1.0"), are nothing that the user wrote. */
static bool has_own_name(const struct value *value)
{
    const char *dot = value->name ? strrchr(value->name, '.') : NULL;
    return value->name && !isdigit((unsigned char)value->name[0]) && !(dot && isdigit((unsigned char)dot[1]));
}

const char *value_label(const struct value *value)
{
    return has_own_name(value) ? value->name : "its input";
}

const char *value_shape(struct diag_list *diags, const struct value *value)
{
    struct text shape;
    text_init(&shape, diags->arena);
    type_print_example(&value->type, &shape);
    return text_string(&shape);
}

void note_made(struct diag_list *diags, const struct value *value)
{
    const char *label = value_label(value);
    if (value->span.file)
        diag_note(diags, value->span, "%s is made here", strcmp(label, "its input") == 0 ? "the input" : label);
}

/* ---- checks ---- */

static const char *dtype_name(enum dtype dtype)
{
    static const char *const names[] = {[DT_F32] = "f32", [DT_U8] = "u8", [DT_I32] = "i32",
                                        [DT_CLASS] = "a class target",
                                        [DT_PROB] = "a probability target"};
    return names[dtype];
}

/* What would be written in front of "|> layer(…)" to repair a shape. */
static const char *subject(const struct value *value)
{
    return has_own_name(value) ? value->name : "...";
}

bool need_f32(const struct node *node, uint32_t input, struct diag_list *diags)
{
    const struct value *value = node->input[input];
    if (value->type.dtype == DT_F32)
        return true;
    diag_error(diags, node->span, "%s needs f32 values, but %s is %s", node->op->name, value_label(value),
               dtype_name(value->type.dtype));
    note_made(diags, value);
    if (value->type.dtype == DT_U8)
        diag_help(diags, "convert it first: %s |> to_float", subject(value));
    return false;
}

static const char *call_text(const struct node *node, struct diag_list *diags)
{
    if (node->op->attrs > 0 && node->op->attr[0].kind == ATTR_INT && node->attr[0].set)
        return arena_printf(diags->arena, "%s(%lld)", node->op->name, (long long)node->attr[0].i);
    return node->op->name;
}

bool need_vector(const struct node *node, uint32_t input, struct diag_list *diags)
{
    const struct value *value = node->input[input];
    if (!need_f32(node, input, diags))
        return false;
    if (value->type.rank == 2 && value->type.dim[0] == DIM_N)
        return true;
    diag_error(diags, node->span, "%s needs a vector per example, but %s has the shape %s", node->op->name,
               value_label(value), value_shape(diags, value));
    note_made(diags, value);
    if (value->type.rank > 2 && node->op->flags & (OP_LOSS | OP_METRIC))
        diag_help(diags, "flatten it first: %s(%s |> flatten, %s)", node->op->name, subject(value),
                  subject(node->input[1]));
    else if (value->type.rank > 2)
        diag_help(diags, "flatten it first: %s |> flatten |> %s", subject(value), call_text(node, diags));
    return false;
}

bool need_image(const struct node *node, uint32_t input, struct diag_list *diags)
{
    const struct value *value = node->input[input];
    if (!need_f32(node, input, diags))
        return false;
    if (value->type.rank == 4 && value->type.dim[0] == DIM_N)
        return true;
    diag_error(diags, node->span, "%s needs an image [channels, height, width] per example, but %s has the shape %s",
               node->op->name, value_label(value), value_shape(diags, value));
    note_made(diags, value);
    return false;
}

bool need_type(const struct node *node, uint32_t input, const struct tensor_type *type, struct diag_list *diags)
{
    const struct value *value = node->input[input];
    if (type_equal(&value->type, type))
        return true;
    struct text wanted, found;
    text_init(&wanted, diags->arena), text_init(&found, diags->arena);
    type_print(type, &wanted), type_print(&value->type, &found);
    diag_error(diags, node->span, "%s needs %s as input %u, but %s is %s", node->op->name, text_string(&wanted),
               input + 1, value_label(value), text_string(&found));
    note_made(diags, value);
    return false;
}

bool need_channel_list(const struct node *node, const char *name, struct diag_list *diags)
{
    const struct attr *list = node_attr(node, name);
    const struct value *value = node->input[0];
    int64_t channels = value->type.rank > 1 ? value->type.dim[1] : 1;
    if (list->count != 1 && (int64_t)list->count != channels) {
        diag_error(diags, node->span, "%s: %s has %u numbers, but %s has %lld channels: its shape is %s",
                   node->op->name,
                   name, list->count, value_label(value), (long long)channels, value_shape(diags, value));
        note_made(diags, value);
        return false;
    }
    for (uint32_t i = 0; i < list->count; i++)
        if (!isfinite(list->floats[i])) {
            diag_error(diags, node->span, "%s: %s must be finite", node->op->name, name);
            return false;
        }
    return true;
}

/* ---- attributes ---- */

static double list_standard(const struct node *node, const char *name)
{
    for (uint32_t i = 0; i < node->op->attrs; i++)
        if (strcmp(node->op->attr[i].name, name) == 0)
            return node->op->attr[i].standard;
    return NAN;
}

struct pair node_pair(const struct node *node, const char *name, struct pair standard)
{
    const struct attr *list = node_attr(node, name);
    if (list->set && list->count > 0)
        return (struct pair){list->ints[0], list->ints[list->count - 1]};
    double one = list_standard(node, name);
    return isnan(one) ? standard : (struct pair){(int64_t)one, (int64_t)one};
}

bool need_pair(const struct node *node, const char *name, int64_t least, int64_t most, struct diag_list *diags)
{
    const struct attr *list = node_attr(node, name);
    if (!list->set)
        return true;
    if (list->count < 1 || list->count > 2) {
        diag_error(diags, node->span, "%s: %s must be one number or [height, width], not %u numbers", node->op->name,
                   name, list->count);
        return false;
    }
    for (uint32_t i = 0; i < list->count; i++)
        if (list->ints[i] < least || list->ints[i] > most) {
            diag_error(diags, node->span, "%s: %s must be from %lld to %lld, not %lld", node->op->name, name,
                       (long long)least, (long long)most, (long long)list->ints[i]);
            return false;
        }
    return true;
}

double node_channel(const struct node *node, const char *name, int64_t c)
{
    const struct attr *list = node_attr(node, name);
    return list->floats[list->count == 1 ? 0 : c];
}

/* ---- windows ---- */

struct window node_window(const struct node *node)
{
    struct window window;
    window.kernel = node_pair(node, "kernel", (struct pair){1, 1});
    window.stride = node_pair(node, "stride", window.kernel);
    window.padding = node_pair(node, "padding", (struct pair){0, 0});
    return window;
}

bool need_window(const struct node *node, struct diag_list *diags, bool pooling)
{
    const int64_t most = 32767; /* so that every index expression of a window stays within i32 */
    if (!need_pair(node, "kernel", 1, most, diags) || !need_pair(node, "stride", 1, most, diags) ||
        !need_pair(node, "padding", 0, most, diags))
        return false;
    struct window w = node_window(node);
    if (pooling && (w.padding.y > w.kernel.y / 2 || w.padding.x > w.kernel.x / 2)) {
        diag_error(diags, node->span, "%s: padding [%lld, %lld] is more than half the kernel [%lld, %lld]",
                   node->op->name,
                   (long long)w.padding.y, (long long)w.padding.x, (long long)w.kernel.y, (long long)w.kernel.x);
        return false;
    }
    return true;
}

bool need_extents(const struct node *node, struct diag_list *diags)
{
    int64_t height = node_int(node, "height"), width = node_int(node, "width");
    if (height >= 1 && height <= INT32_MAX && width >= 1 && width <= INT32_MAX)
        return true;
    diag_error(diags, node->span, "%s: height and width must be from 1 to %d, not %lld and %lld", node->op->name,
               INT32_MAX, (long long)height, (long long)width);
    return false;
}

int64_t window_positions(int64_t extent, int64_t kernel, int64_t stride, int64_t padding)
{
    int64_t room = extent + 2 * padding - kernel;
    return room < 0 ? 0 : room / stride + 1;
}

/* ---- gradients ---- */

struct node *grad_node(struct gradient_context *g, const struct node *of, const char *op, struct value *a,
                       struct value *b)
{
    struct value *const inputs[2] = {a, b};
    struct node *node = graph_add(g->graph, graph_op(g->graph, op), b ? 2 : 1, inputs);
    node->origin = of->origin;
    node->span = of->span;
    return node;
}

struct value *finish_node(struct graph *graph, struct node *node)
{
    struct diag_list diags;
    diag_init(&diags, graph->arena, NULL);
    bool ok = op_of(node)->shape(graph, node, &diags);
    assert(ok && diags.errors == 0);
    (void)ok;
    return node->output[0];
}
