/* Negative log likelihood of class targets t, with weights w, D = sum of w[t[m]] over the examples that count:
 *
 *   L[m] = -w[t[m]] logp[m, t[m]], 0 where t[m] is ignored;  loss = sum of L / D (mean; 0 when D is 0), or sum of L
 *   dlogp[m, c] = -w[c] / D at c = t[m], else 0 */
#include "loss.h"

bool nll_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    return loss_check(node, diags, false) && loss_types(node);
}

bool nll_grad_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!loss_check(node, diags, false))
        return false;
    node->output[0]->type = node->input[0]->type;
    return true;
}

void nll_gradient(struct gradient_context *g, const struct node *node)
{
    if (!g->needs[0])
        return;
    struct node *dx = grad_node(g, node, "nll_grad", node->input[0], node->input[1]);
    node_copy_attrs(dx, node);
    g->in_gradient[0] = finish_node(g->graph, dx);
}

static double target_weight(const struct loss_options *o, int64_t t)
{
    return t == o->ignore ? 0 : loss_weight(o, t);
}

void nll_reference(const struct node *node, const struct reference_tensor *const *in,
                   struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    struct loss_options o = loss_options(node);
    double sum = 0, divisor = 0;
    for (int64_t m = 0; m < in[0]->dim[0]; m++) {
        int64_t t = (int64_t)in[1]->data[m];
        double a = target_weight(&o, t), loss = t == o.ignore ? 0 : -a * in[0]->data[m * o.classes + t];
        out[1]->data[m] = loss;
        out[2]->data[m] = a;
        sum += loss;
        divisor += a;
    }
    out[0]->data[0] = o.reduction != REDUCE_MEAN ? sum : divisor != 0 ? sum / divisor : 0;
}

void nll_grad_reference(const struct node *node, const struct reference_tensor *const *in,
                        struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    struct loss_options o = loss_options(node);
    double divisor = 0;
    for (int64_t m = 0; m < in[0]->dim[0]; m++)
        divisor += target_weight(&o, (int64_t)in[1]->data[m]);
    if (o.reduction != REDUCE_MEAN)
        divisor = 1;
    for (int64_t i = 0; i < in[0]->elements; i++) {
        int64_t t = (int64_t)in[1]->data[i / o.classes];
        bool here = t != o.ignore && i % o.classes == t && divisor != 0;
        out[0]->data[i] = here ? -target_weight(&o, t) / divisor : 0;
    }
}

/* ---- kernels ---- */

void nll_lower(struct lowering *l, const struct node *node)
{
    struct kindex *m = lower_batch(l);
    const struct klet *weight = class_weight(l, node);
    const struct kbuffer *divisor = lower_wanted(l, node->output[0]) ? class_divisor(l, node) : NULL;
    struct kexpr *loss = lower_read(l, node->input[0], "Y", (struct kexpr *[]){class_target(l, node, m), lx_at(l, m)});
    if (loss_options(node).weight)
        loss = lx_binary(l, KX_MUL, lx_let(l, weight, &m), loss);
    loss = lx_where(l, class_counts(l, node, m), lx_unary(l, KX_NEG, loss), lx_f32(l, 0));
    loss_outputs(l, node, m, loss, lx_let(l, weight, &m), divisor ? lx_load(l, divisor, NULL) : NULL);
}

void nll_grad_lower(struct lowering *l, const struct node *node)
{
    struct kindex *c = lower_index(l, "c", node->input[0]->type.dim[1]), *m = lower_batch(l), *cm[] = {c, m};
    const struct klet *weight = class_weight(l, node);
    const struct kbuffer *divisor = class_divisor(l, node);
    struct kexpr *here = lx_binary(l, KX_EQ, lx_at(l, c), class_target(l, node, m));
    struct kexpr *d = lx_unary(l, KX_NEG, lx_let(l, weight, &m));
    here = lx_both(l, class_counts(l, node, m), here);
    if (divisor) {
        here = lx_both(l, here, lx_binary(l, KX_NE, lx_load(l, divisor, NULL), lx_f32(l, 0)));
        d = lx_binary(l, KX_DIV, d, lx_load(l, divisor, NULL));
    }
    lower_define(l, node, 0, "dY", "d", cm, lx_where(l, here, d, lx_f32(l, 0)));
}
