/* Elementwise ops.
 *
 *   relu: y = max(x, 0)     dx = dy where y > 0, else 0: the result's sign is all that the gradient needs
 *   add:  y = a + b         da = db = dy */
#include "rules.h"

#include <math.h>

bool relu_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_f32(node, 0, diags))
        return false;
    node->output[0]->type = node->input[0]->type;
    return true;
}

bool binary_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_f32(node, 0, diags) || !need_type(node, 1, &node->input[0]->type, diags))
        return false;
    node->output[0]->type = node->input[0]->type;
    return true;
}

void relu_gradient(struct gradient_context *g, const struct node *node)
{
    if (g->needs[0] && g->out_gradient[0])
        g->in_gradient[0] = finish_node(g->graph, grad_node(g, node, "relu_grad", node->output[0], g->out_gradient[0]));
}

void add_gradient(struct gradient_context *g, const struct node *node)
{
    (void)node;
    for (int i = 0; i < 2; i++)
        if (g->needs[i])
            g->in_gradient[i] = g->out_gradient[0];
}

/* ---- reference ---- */

void relu_reference(const struct node *node, const struct reference_tensor *const *in,
                    struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    for (int64_t i = 0; i < in[0]->elements; i++) {
        double x = in[0]->data[i];
        out[0]->data[i] = isnan(x) || x > 0 ? x : 0;
    }
}

void relu_grad_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    for (int64_t i = 0; i < in[0]->elements; i++)
        out[0]->data[i] = in[0]->data[i] > 0 ? in[1]->data[i] : 0;
}

void add_reference(const struct node *node, const struct reference_tensor *const *in,
                   struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    for (int64_t i = 0; i < in[0]->elements; i++)
        out[0]->data[i] = in[0]->data[i] + in[1]->data[i];
}

/* ---- kernels ---- */

void relu_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    lower_axes(l, node->input[0], index);
    struct kexpr *x = lower_read_at(l, node->input[0], "X", index);
    lower_define(l, node, 0, "Y", "a", index, lx_binary(l, KX_MAX, x, lx_f32(l, 0)));
}

void relu_grad_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    lower_axes(l, node->input[1], index);
    struct kexpr *dy = lower_read_at(l, node->input[1], "dY", index);
    struct kexpr *y = lower_read_at(l, node->input[0], "Y", index);
    lower_define(l, node, 0, "dX", "d", index, lx_select(l, lx_binary(l, KX_GT, y, lx_f32(l, 0)), dy, lx_f32(l, 0)));
}

void add_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    lower_axes(l, node->input[0], index);
    struct kexpr *a = lower_read_at(l, node->input[0], "A", index), *b = lower_read_at(l, node->input[1], "B", index);
    lower_define(l, node, 0, "Y", "s", index, lx_binary(l, KX_ADD, a, b));
}
