/* log_softmax over each example's vector:
 *
 *   y[c] = x[c] - top - log1p(r),  top = x[j] the largest, r = sum over c != j of exp(x[c] - top)
 *   dx[c] = dy[c] - exp(y[c]) * sum over i of dy[i] */
#include "rules.h"

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
