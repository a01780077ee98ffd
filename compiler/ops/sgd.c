/* Updates, in PyTorch's convention. g the gradient, h = g + weight_decay w:
 *
 *   sgd:          w = w - lr h
 *   sgd_momentum: v = h in the very first step, else momentum v + (1 - dampening) h
 *                 w = w - lr v, or with nesterov w - lr (h + momentum v) */
#include "rules.h"

#include <string.h>

bool update_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct tensor_type *w = &node->input[0]->type;
    for (uint32_t i = 1; i < node->inputs; i++)
        if (!need_type(node, i, w, diags))
            return false;
    for (uint32_t i = 0; i < node->outputs; i++)
        node->output[i]->type = *w;
    return true;
}

static double decayed(const struct node *node, double g, double w, const struct reference_scalars *scalars)
{
    return node_int(node, "weight_decay") ? g + scalars->weight_decay * w : g;
}

void sgd_reference(const struct node *node, const struct reference_tensor *const *in,
                   struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    for (int64_t i = 0; i < in[0]->elements; i++)
        out[0]->data[i] = in[0]->data[i] - scalars->lr * decayed(node, in[1]->data[i], in[0]->data[i], scalars);
}

void sgd_momentum_reference(const struct node *node, const struct reference_tensor *const *in,
                            struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    double damp = node_int(node, "dampening") ? scalars->dampening : 0;
    for (int64_t i = 0; i < in[0]->elements; i++) {
        double w = in[0]->data[i], h = decayed(node, in[2]->data[i], w, scalars);
        double v = scalars->first ? h : scalars->momentum * in[1]->data[i] + (1 - damp) * h;
        out[0]->data[i] = w - scalars->lr * (node_int(node, "nesterov") ? h + scalars->momentum * v : v);
        out[1]->data[i] = v;
    }
}
