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
