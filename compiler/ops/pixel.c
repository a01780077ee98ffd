/* What happens to data before the first layer: to_float, normalize, and the affine map that both are folded into.
 *
 *   y = (x - mean) / std     dx = dy / std
 *   y = x * scale + shift    dx = dy * scale */
#include "rules.h"

#include <math.h>

bool to_float_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct value *x = node->input[0];
    if (x->type.dtype != DT_U8) {
        diag_error(diags, node->span, "to_float needs u8 values, but %s is %s", value_label(x),
                   x->type.dtype == DT_F32 ? "f32 already" : "no u8 tensor");
        note_made(diags, x);
        return false;
    }
    node->output[0]->type = type_make(DT_F32, x->type.rank, x->type.dim);
    return true;
}

bool normalize_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_f32(node, 0, diags) || !need_channel_list(node, "mean", diags) || !need_channel_list(node, "std", diags))
        return false;
    const struct attr *std = node_attr(node, "std");
    for (uint32_t i = 0; i < std->count; i++)
        if (!(std->floats[i] > 0)) {
            diag_error(diags, node->span, "normalize: std must be greater than 0, not %g", std->floats[i]);
            return false;
        }
    node->output[0]->type = node->input[0]->type;
    return true;
}

bool affine_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct value *x = node->input[0];
    if (x->type.dtype != DT_U8 && !need_f32(node, 0, diags))
        return false;
    if (!need_channel_list(node, "scale", diags) || !need_channel_list(node, "shift", diags))
        return false;
    node->output[0]->type = type_make(DT_F32, x->type.rank, x->type.dim);
    return true;
}

bool affine_dx_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_f32(node, 0, diags) || !need_channel_list(node, "scale", diags))
        return false;
    node->output[0]->type = node->input[0]->type;
    return true;
}

/* ---- gradients ---- */

void normalize_gradient(struct gradient_context *g, const struct node *node)
{
    const struct attr *std = node_attr(node, "std");
    if (!g->needs[0] || !g->out_gradient[0])
        return;
    double *scale = ARENA_ARRAY(g->graph->arena, double, std->count);
    for (uint32_t i = 0; i < std->count; i++)
        scale[i] = 1 / std->floats[i];
    struct node *dx = grad_node(g, node, "affine_dx", g->out_gradient[0], NULL);
    node_set_floats(g->graph, dx, "scale", std->count, scale);
    g->in_gradient[0] = finish_node(g->graph, dx);
}

void affine_gradient(struct gradient_context *g, const struct node *node)
{
    if (!g->needs[0] || !g->out_gradient[0])
        return;
    struct node *dx = grad_node(g, node, "affine_dx", g->out_gradient[0], NULL);
    node_copy_attrs(dx, node);
    g->in_gradient[0] = finish_node(g->graph, dx);
}

/* ---- reference ---- */

/* The channel of element i: dimension 1, or 0 where there is none. */
static int64_t channel_of(const struct reference_tensor *x, int64_t i)
{
    int64_t inner = 1;
    for (uint32_t d = 2; d < x->type.rank; d++)
        inner *= x->dim[d];
    return x->type.rank > 1 ? i / inner % x->dim[1] : 0;
}

void to_float_reference(const struct node *node, const struct reference_tensor *const *in,
                        struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    for (int64_t i = 0; i < in[0]->elements; i++)
        out[0]->data[i] = in[0]->data[i] / 255;
}

void normalize_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    for (int64_t i = 0; i < in[0]->elements; i++) {
        int64_t c = channel_of(in[0], i);
        out[0]->data[i] = (in[0]->data[i] - node_channel(node, "mean", c)) / node_channel(node, "std", c);
    }
}

void affine_reference(const struct node *node, const struct reference_tensor *const *in,
                      struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    for (int64_t i = 0; i < in[0]->elements; i++) {
        int64_t c = channel_of(in[0], i);
        out[0]->data[i] = in[0]->data[i] * node_channel(node, "scale", c) + node_channel(node, "shift", c);
    }
}

void affine_dx_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    for (int64_t i = 0; i < in[0]->elements; i++)
        out[0]->data[i] = in[0]->data[i] * node_channel(node, "scale", channel_of(in[0], i));
}

/* ---- kernels ---- */

/* x, as f32, at the indices that it leaves in `index`. */
static struct kexpr *pixel(struct lowering *l, const struct node *node, const char *name, struct kindex **index)
{
    lower_axes(l, node->input[0], index);
    struct kexpr *x = lower_read_at(l, node->input[0], name, index);
    return x->type == KT_F32 ? x : lx_unary(l, KX_TO_F32, x);
}

/* The list's number for the channel that the first feature index is. */
static struct kexpr *channel_number(struct lowering *l, const struct node *node, const char *name,
                                    struct kindex *const *index)
{
    const struct attr *list = node_attr(node, name);
    return lower_numbers(l, name, list->floats, list->count, lx_at(l, index[0]));
}

void to_float_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    struct kexpr *x = pixel(l, node, "data", index);
    lower_define(l, node, 0, "X", "p", index, lx_binary(l, KX_DIV, x, lx_f32(l, 255)));
}

void normalize_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    struct kexpr *x = pixel(l, node, "data", index);
    x = lx_binary(l, KX_SUB, x, channel_number(l, node, "mean", index));
    lower_define(l, node, 0, "X", "p", index, lx_binary(l, KX_DIV, x, channel_number(l, node, "std", index)));
}

void affine_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    struct kexpr *x = pixel(l, node, "data", index);
    lower_define(l, node, 0, "X", "p", index,
                 lx_fma(l, x, channel_number(l, node, "scale", index), channel_number(l, node, "shift", index)));
}

void affine_dx_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    struct kexpr *dy = pixel(l, node, "dY", index);
    lower_define(l, node, 0, "dX", "d", index, lx_binary(l, KX_MUL, dy, channel_number(l, node, "scale", index)));
}
