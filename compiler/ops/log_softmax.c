/* log_softmax over each example's vector:
 *
 *   y[c] = x[c] - top - log1p(r),  top = x[j] the largest, r = sum over c != j of exp(x[c] - top)
 *   dx[c] = dy[c] - exp(y[c]) * sum over i of dy[i] */
#include "loss.h"

#include <math.h>

bool log_softmax_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_vector(node, 0, diags))
        return false;
    node->output[0]->type = node->input[0]->type;
    return true;
}

void log_softmax_gradient(struct gradient_context *g, const struct node *node)
{
    if (g->needs[0] && g->out_gradient[0])
        g->in_gradient[0] =
            finish_node(g->graph, grad_node(g, node, "log_softmax_grad", node->output[0], g->out_gradient[0]));
}

void log_softmax_reference(const struct node *node, const struct reference_tensor *const *in,
                           struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    int64_t classes = in[0]->dim[1];
    for (int64_t m = 0; m < in[0]->dim[0]; m++) {
        const double *x = in[0]->data + m * classes;
        int64_t j = 0;
        for (int64_t c = 1; c < classes; c++)
            if (x[c] > x[j])
                j = c;
        double r = 0;
        for (int64_t c = 0; c < classes; c++)
            if (c != j)
                r += exp(x[c] - x[j]);
        for (int64_t c = 0; c < classes; c++)
            out[0]->data[m * classes + c] = x[c] - x[j] - log1p(r);
    }
}

void log_softmax_grad_reference(const struct node *node, const struct reference_tensor *const *in,
                                struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    int64_t classes = in[0]->dim[1];
    for (int64_t m = 0; m < in[0]->dim[0]; m++) {
        const double *y = in[0]->data + m * classes, *dy = in[1]->data + m * classes;
        double sum = 0;
        for (int64_t c = 0; c < classes; c++)
            sum += dy[c];
        for (int64_t c = 0; c < classes; c++)
            out[0]->data[m * classes + c] = dy[c] - exp(y[c]) * sum;
    }
}

/* ---- kernels ---- */

void log_softmax_lower(struct lowering *l, const struct node *node)
{
    struct softmax_lets s = softmax_lets(l, node->input[0]);
    struct kindex *cm[] = {lower_index(l, "c", node->input[0]->type.dim[1]), lower_batch(l)};
    struct kexpr *y = lx_binary(l, KX_SUB, lower_read_at(l, node->input[0], "Z", cm), lx_let(l, s.top, &cm[1]));
    lower_define(l, node, 0, "Y", "y", cm, lx_binary(l, KX_SUB, y, lx_let(l, s.ls, &cm[1])));
}

void log_softmax_grad_lower(struct lowering *l, const struct node *node)
{
    struct kindex *c = lower_index(l, "c", node->input[0]->type.dim[1]), *m = lower_batch(l), *cm[] = {c, m};
    struct kreduce r = {.kind = KR_SUM, .indices = 1, .index = &c, .from = lx_f32(l, 0)};
    r.term[0] = lower_read_at(l, node->input[1], "dY", cm);
    const struct klet *sum = lower_let(l, "s", 1, &m, kx_reduce(l->arena, &r));
    struct kexpr *p = lower_call(l, "exp", lower_read_at(l, node->input[0], "Y", cm));
    p = lx_binary(l, KX_MUL, p, lx_let(l, sum, &m));
    lower_define(l, node, 0, "dX", "d", cm, lx_binary(l, KX_SUB, lower_read_at(l, node->input[1], "dY", cm), p));
}
