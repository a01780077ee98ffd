/* Cross entropy of logits, whole. With top = z[j] the largest logit, r = sum over c != j of exp(z[c] - top),
 * ls = log1p(r), p[c] = exp(z[c] - top) / (1 + r), nll[c] = ls - (z[c] - top), e = label_smoothing, C classes:
 *
 * class targets t, a = w[t], 0 where ignored; D = sum of a:
 *   L    = (1 - e) a nll[t] + (e / C) sum over c of w[c] nll[c]              (0 where ignored)
 *   dz_c = (1 - e) a (p[c] - [c = t]) + (e / C) (sw p[c] - w[c])             sw = sum of w; divided by D for mean
 * probability targets y, q[c] = w[c] ((1 - e) y[c] + e / C), S = sum of q:
 *   L    = sum over c of q[c] nll[c]
 *   dz_c = S p[c] - q[c]                                                     divided by the examples for mean
 *
 * p[j] - 1 is written -r / (1 + r), S p[j] - q[j] is (sum of the other q) - S r / (1 + r): nothing cancels. The kernels
 * are in xent_lower.c. */
#include "loss.h"

#include <math.h>

bool xent_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    return loss_check(node, diags, true) && loss_types(node);
}

bool xent_grad_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!loss_check(node, diags, true))
        return false;
    node->output[0]->type = node->input[0]->type;
    return true;
}

void xent_gradient(struct gradient_context *g, const struct node *node)
{
    if (!g->needs[0])
        return;
    struct node *dx = grad_node(g, node, "softmax_xent_grad", node->input[0], node->input[1]);
    node_copy_attrs(dx, node);
    g->in_gradient[0] = finish_node(g->graph, dx);
}

/* ---- reference ---- */

/* Of one example: its largest logit's place, the others' sum, log1p of it. */
struct softmax {
    const double *z;
    int64_t classes, j;
    double r, ls;
};

static struct softmax softmax_of(const double *z, int64_t classes)
{
    struct softmax s = {.z = z, .classes = classes};
    for (int64_t c = 1; c < classes; c++)
        if (z[c] > z[s.j])
            s.j = c;
    for (int64_t c = 0; c < classes; c++)
        if (c != s.j)
            s.r += exp(z[c] - z[s.j]);
    s.ls = log1p(s.r);
    return s;
}

static double nll_of(const struct softmax *s, int64_t c)
{
    return s->ls - (s->z[c] - s->z[s->j]);
}

static double p_of(const struct softmax *s, int64_t c)
{
    return exp(s->z[c] - s->z[s->j]) / (1 + s->r);
}

static double smoothed(const struct loss_options *o, double probability)
{
    return (1 - o->smoothing) * probability + o->smoothing / (double)o->classes;
}

static void class_example(const struct loss_options *o, const struct softmax *s, int64_t t, double *loss,
                          double *weight)
{
    *loss = *weight = 0;
    if (t == o->ignore)
        return;
    double spread = 0;
    if (o->smoothing > 0)
        for (int64_t c = 0; c < o->classes; c++)
            spread += loss_weight(o, c) * nll_of(s, c);
    *weight = loss_weight(o, t);
    *loss = (1 - o->smoothing) * *weight * nll_of(s, t) + o->smoothing / (double)o->classes * spread;
}

static double prob_example(const struct loss_options *o, const struct softmax *s, const double *y)
{
    double loss = 0;
    for (int64_t c = 0; c < o->classes; c++) {
        double q = loss_weight(o, c) * smoothed(o, y[c]);
        loss += q == 0 ? 0 : q * nll_of(s, c);
    }
    return loss;
}

void xent_reference(const struct node *node, const struct reference_tensor *const *in,
                    struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    struct loss_options o = loss_options(node);
    double sum = 0, divisor = 0;
    for (int64_t m = 0; m < in[0]->dim[0]; m++) {
        struct softmax s = softmax_of(in[0]->data + m * o.classes, o.classes);
        double loss, weight = 1;
        if (in[1]->type.dtype == DT_CLASS)
            class_example(&o, &s, (int64_t)in[1]->data[m], &loss, &weight);
        else
            loss = prob_example(&o, &s, in[1]->data + m * o.classes);
        out[1]->data[m] = loss;
        out[2]->data[m] = weight;
        sum += loss;
        divisor += weight;
    }
    out[0]->data[0] = o.reduction != REDUCE_MEAN ? sum : divisor != 0 ? sum / divisor : 0;
}

static void class_gradient(const struct loss_options *o, const struct softmax *s, int64_t t, double *out)
{
    double sw = 0;
    for (int64_t c = 0; c < o->classes; c++)
        sw += loss_weight(o, c);
    for (int64_t c = 0; c < o->classes; c++) {
        double p = p_of(s, c), d = c != t ? p : c == s->j ? -s->r / (1 + s->r) : p - 1;
        out[c] = t == o->ignore ? 0
                                : (1 - o->smoothing) * loss_weight(o, t) * d +
                                      o->smoothing / (double)o->classes * (sw * p - loss_weight(o, c));
    }
}

static void prob_gradient(const struct loss_options *o, const struct softmax *s, const double *y, double *out)
{
    double all = 0, others = 0;
    for (int64_t c = 0; c < o->classes; c++) {
        double q = loss_weight(o, c) * smoothed(o, y[c]);
        all += q;
        others += c == s->j ? 0 : q;
    }
    for (int64_t c = 0; c < o->classes; c++)
        out[c] = c == s->j ? others - all * s->r / (1 + s->r)
                           : all * p_of(s, c) - loss_weight(o, c) * smoothed(o, y[c]);
}

void xent_grad_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    struct loss_options o = loss_options(node);
    int64_t examples = in[0]->dim[0];
    double divisor = 0;
    for (int64_t m = 0; m < examples; m++) {
        struct softmax s = softmax_of(in[0]->data + m * o.classes, o.classes);
        double *dz = out[0]->data + m * o.classes;
        if (in[1]->type.dtype == DT_CLASS) {
            int64_t t = (int64_t)in[1]->data[m];
            divisor += t == o.ignore ? 0 : loss_weight(&o, t);
            class_gradient(&o, &s, t, dz);
        } else {
            divisor += 1;
            prob_gradient(&o, &s, in[1]->data + m * o.classes, dz);
        }
    }
    for (int64_t i = 0; o.reduction == REDUCE_MEAN && i < out[0]->elements; i++)
        out[0]->data[i] = divisor != 0 ? out[0]->data[i] / divisor : 0;
}
