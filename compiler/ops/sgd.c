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

/* ---- kernels ---- */

/* h at the parameter's indices, which it leaves in `index`. */
static struct kexpr *decayed_lower(struct lowering *l, const struct node *node, const struct value *gradient,
                                   struct kindex **index)
{
    uint32_t rank = lower_axes(l, node->input[0], index);
    struct kexpr *g = lower_read_at(l, gradient, "G", index);
    if (!node_int(node, "weight_decay"))
        return g;
    struct kexpr *w = lower_read_at(l, node->input[0], "W", index);
    struct kexpr *h = lx_fma(l, lower_scalar(l, "weight_decay", KT_F32), w, g);
    return lx_let(l, lower_let(l, "h", rank, index, h), index);
}

static struct kexpr *stepped(struct lowering *l, const struct node *node, struct kexpr *direction,
                             struct kindex **index)
{
    struct kexpr *rate = lx_unary(l, KX_NEG, lower_scalar(l, "lr", KT_F32));
    return lx_fma(l, rate, direction, lower_read_at(l, node->input[0], "W", index));
}

void sgd_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    struct kexpr *h = decayed_lower(l, node, node->input[1], index);
    lower_update(l, node, 0, 0, "W", index, stepped(l, node, h, index));
}

/* The momentum of a weight that no longer learns would decay into denormals and stay there, which is slow: below 2^-100
 * it is 0. */
void sgd_momentum_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    struct kexpr *h = decayed_lower(l, node, node->input[2], index);
    struct kexpr *mu = lower_scalar(l, "momentum", KT_F32), *damped = h;
    if (node_int(node, "dampening"))
        damped = lx_binary(l, KX_MUL,
                           lx_binary(l, KX_SUB, lx_f32(l, 1), lower_scalar(l, "dampening", KT_F32)), h);
    struct kexpr *first = lx_binary(l, KX_NE, lower_scalar(l, "first", KT_I32), lx_i32(l, 0));
    struct kexpr *next = lx_fma(l, mu, lower_read_at(l, node->input[1], "V", index), damped);
    const struct klet *v = lower_let(l, "v", node->input[0]->type.rank, index, lx_select(l, first, h, next));
    struct kexpr *small = lx_binary(l, KX_LT, lx_unary(l, KX_ABS, lx_let(l, v, index)), lx_f32(l, 0x1p-100));
    lower_update(l, node, 1, 1, "V", index, lx_select(l, small, lx_f32(l, 0), lx_let(l, v, index)));
    struct kexpr *direction = lower_updated(l, node->output[1], index);
    if (node_int(node, "nesterov"))
        direction = lx_fma(l, mu, direction, h);
    lower_update(l, node, 0, 0, "W", index, stepped(l, node, direction, index));
}
