/* Fully connected layers. x [N, in], W [out, in], b [out]:
 *
 *   y[m, n]  = b[n] + sum over k of W[n, k] x[m, k]
 *   dx[m, k] = sum over n of W[n, k] dy[m, n]
 *   dW[n, k] = sum over m of dy[m, n] x[m, k]
 *   db[n]    = sum over m of dy[m, n] */
#include "rules.h"

#include <math.h>
#include <string.h>

static bool need_features(const struct node *node, struct diag_list *diags, int64_t *out_features)
{
    *out_features = node_int(node, "features");
    if (*out_features >= 1 && *out_features <= INT32_MAX)
        return true;
    diag_error(diags, node->span, "linear: features must be from 1 to %d, not %lld", INT32_MAX,
               (long long)*out_features);
    return false;
}

int linear_params(const struct node *node, struct diag_list *diags, struct op_param out[2])
{
    int64_t features;
    if (!need_vector(node, 0, diags) || !need_features(node, diags, &features))
        return -1;
    int64_t in = node->input[0]->type.dim[1];
    double bound = 1 / sqrt((double)in);
    out[0] = (struct op_param){"weight", type_make(DT_F32, 2, (int64_t[]){features, in}), bound};
    out[1] = (struct op_param){"bias", type_make(DT_F32, 1, &features), bound};
    if (!type_fits(node, diags, &out[0].type, "the weight"))
        return -1;
    return node_int(node, "bias") ? 2 : 1;
}

bool linear_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    struct op_param param[2];
    int count = linear_params(node, diags, param);
    if (count < 0)
        return false;
    if ((int)node->inputs != 1 + count) {
        diag_error(diags, node->span, "linear: %s", count == 2 ? "its bias is missing" : "a bias, but bias = false");
        return false;
    }
    for (int i = 0; i < count; i++)
        if (!need_type(node, 1 + (uint32_t)i, &param[i].type, diags))
            return false;
    node->output[0]->type = type_make(DT_F32, 2, (int64_t[]){DIM_N, param[0].type.dim[0]});
    return true;
}

bool linear_dx_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_vector(node, 0, diags))
        return false;
    const struct tensor_type *w = &node->input[1]->type;
    int64_t in = w->rank == 2 ? w->dim[1] : 1;
    struct tensor_type wanted = type_make(DT_F32, 2, (int64_t[]){node->input[0]->type.dim[1], in});
    if (!need_type(node, 1, &wanted, diags))
        return false;
    node->output[0]->type = type_make(DT_F32, 2, (int64_t[]){DIM_N, in});
    return true;
}

bool linear_dw_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_vector(node, 0, diags) || !need_vector(node, 1, diags))
        return false;
    node->output[0]->type =
        type_make(DT_F32, 2, (int64_t[]){node->input[0]->type.dim[1], node->input[1]->type.dim[1]});
    return type_fits(node, diags, &node->output[0]->type, "the gradient");
}

bool linear_db_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_vector(node, 0, diags))
        return false;
    node->output[0]->type = type_make(DT_F32, 1, &node->input[0]->type.dim[1]);
    return true;
}

void linear_gradient(struct gradient_context *g, const struct node *node)
{
    struct value *dy = g->out_gradient[0];
    if (!dy)
        return;
    if (g->needs[0])
        g->in_gradient[0] = finish_node(g->graph, grad_node(g, node, "linear_dx", dy, node->input[1]));
    if (g->needs[1])
        g->in_gradient[1] = finish_node(g->graph, grad_node(g, node, "linear_dw", dy, node->input[0]));
    if (node->inputs > 2 && g->needs[2])
        g->in_gradient[2] = finish_node(g->graph, grad_node(g, node, "linear_db", dy, NULL));
}

/* ---- flops ---- */

int64_t linear_flops(const struct node *node, int64_t examples)
{
    return 2 * examples * type_elements(&node->input[1]->type);
}

int64_t linear_dx_flops(const struct node *node, int64_t examples)
{
    return 2 * examples * type_elements(&node->input[1]->type);
}

int64_t linear_dw_flops(const struct node *node, int64_t examples)
{
    return 2 * examples * type_elements(&node->output[0]->type);
}

int64_t bias_flops(const struct node *node, int64_t examples)
{
    return examples * type_elements(&node->input[0]->type);
}

/* ---- reference ---- */

void reference_linear(const struct reference_tensor *x, const struct reference_tensor *w,
                      const struct reference_tensor *start, struct reference_tensor *y)
{
    int64_t examples = x->dim[0], width = x->dim[1], features = w->dim[0];
    for (int64_t m = 0; m < examples; m++)
        for (int64_t n = 0; n < features; n++) {
            double sum = start ? start->data[n] : 0;
            for (int64_t k = 0; k < width; k++)
                sum += w->data[n * width + k] * x->data[m * width + k];
            y->data[m * features + n] = sum;
        }
}

void reference_linear_dw(const struct reference_tensor *dy, const struct reference_tensor *x,
                         struct reference_tensor *dw)
{
    int64_t examples = dy->dim[0], features = dy->dim[1], width = x->dim[1];
    for (int64_t m = 0; m < examples; m++)
        for (int64_t n = 0; n < features; n++)
            for (int64_t k = 0; k < width; k++)
                dw->data[n * width + k] += dy->data[m * features + n] * x->data[m * width + k];
}

void linear_reference(const struct node *node, const struct reference_tensor *const *in,
                      struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    reference_linear(in[0], in[1], node->inputs > 2 ? in[2] : NULL, out[0]);
}

void linear_dx_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    int64_t examples = in[0]->dim[0], features = in[1]->dim[0], width = in[1]->dim[1];
    memset(out[0]->data, 0, (size_t)out[0]->elements * sizeof(double));
    for (int64_t m = 0; m < examples; m++)
        for (int64_t n = 0; n < features; n++)
            for (int64_t k = 0; k < width; k++)
                out[0]->data[m * width + k] += in[1]->data[n * width + k] * in[0]->data[m * features + n];
}

void linear_dw_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    memset(out[0]->data, 0, (size_t)out[0]->elements * sizeof(double));
    reference_linear_dw(in[0], in[1], out[0]);
}

void linear_db_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    int64_t examples = in[0]->dim[0], features = in[0]->dim[1];
    for (int64_t n = 0; n < features; n++) {
        double sum = 0;
        for (int64_t m = 0; m < examples; m++)
            sum += in[0]->data[m * features + n];
        out[0]->data[n] = sum;
    }
}

/* ---- kernels ---- */

static struct kexpr *sum_of_products(struct lowering *l, struct kindex *over, struct kexpr *from, struct kexpr *a,
                                     struct kexpr *b)
{
    struct kreduce r = {.kind = KR_SUM_FMA, .indices = 1, .index = &over, .from = from, .term = {a, b}};
    return kx_reduce(l->arena, &r);
}

void linear_lower(struct lowering *l, const struct node *node)
{
    const struct tensor_type *w = &node->input[1]->type;
    struct kindex *n = lower_index(l, "n", w->dim[0]), *m = lower_batch(l), *k = lower_index(l, "k", w->dim[1]);
    struct kexpr *x = lower_read_at(l, node->input[0], "X", (struct kindex *[]){k, m});
    struct kexpr *weight = lower_read_at(l, node->input[1], "W", (struct kindex *[]){n, k});
    struct kexpr *from = node->inputs > 2 ? lower_read_at(l, node->input[2], "b", &n) : lx_f32(l, 0);
    lower_define(l, node, 0, "Y", "z", (struct kindex *[]){n, m}, sum_of_products(l, k, from, weight, x));
}

void linear_dx_lower(struct lowering *l, const struct node *node)
{
    const struct tensor_type *w = &node->input[1]->type;
    struct kindex *n = lower_index(l, "n", w->dim[0]), *m = lower_batch(l), *k = lower_index(l, "k", w->dim[1]);
    struct kexpr *weight = lower_read_at(l, node->input[1], "W", (struct kindex *[]){n, k});
    struct kexpr *dy = lower_read_at(l, node->input[0], "dY", (struct kindex *[]){n, m});
    lower_define(l, node, 0, "dX", "d", (struct kindex *[]){k, m}, sum_of_products(l, n, lx_f32(l, 0), weight, dy));
}

/* Up to one block of examples the blocked sum is a plain one. */
void linear_dw_lower(struct lowering *l, const struct node *node)
{
    const struct tensor_type *w = &node->output[0]->type;
    struct kindex *n = lower_index(l, "n", w->dim[0]), *k = lower_index(l, "k", w->dim[1]), *m = lower_live(l);
    struct kexpr *dy = lower_read_at(l, node->input[0], "dY", (struct kindex *[]){n, m});
    struct kexpr *x = lower_read_at(l, node->input[1], "Xt", (struct kindex *[]){k, m});
    struct kreduce blocks = {.kind = KR_SUM_BLOCKS, .indices = 1, .index = &m, .term = {dy, x}};
    struct kexpr *g =
        l->capacity <= KERNEL_SUM_BLOCK ? sum_of_products(l, m, lx_f32(l, 0), dy, x) : kx_reduce(l->arena, &blocks);
    lower_define(l, node, 0, "dW", "g", (struct kindex *[]){n, k}, g);
}

void linear_db_lower(struct lowering *l, const struct node *node)
{
    struct kindex *n = lower_index(l, "n", node->output[0]->type.dim[0]), *m = lower_live(l);
    struct kexpr *dy = lower_read_at(l, node->input[0], "dY", (struct kindex *[]){n, m});
    lower_define(l, node, 0, "db", "g", &n, lx_tree(l, m, dy));
}
