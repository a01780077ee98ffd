/* Convolutions: shapes, parameters, gradients. x [N, c, h, w], W [o, c, kh, kw], stride s, padding p:
 *
 *   z[m, o, y, x]  = b[o] + sum over c, i, j of W[o, c, i, j] X[m, c, s y + i - p, s x + j - p]
 *   dX[m, c, y, x] = sum over o, i, j of W[o, c, i, j] dZ[m, o, (y + p - i) / s, (x + p - j) / s], where that is whole
 *   dW[o, c, i, j] = sum over m, y, x of dZ[m, o, y, x] X[m, c, s y + i - p, s x + j - p]
 *                    (conv2d_dw_each: for each m alone)
 *   db[o]          = sum over m, y, x of dZ[m, o, y, x]
 *
 * with X = 0 outside of the image. The reference is in conv2d_reference.c, the kernels are in conv2d_lower.c. */
#include "rules.h"

#include <math.h>

int conv2d_params(const struct node *node, struct diag_list *diags, struct op_param out[2])
{
    int64_t channels = node_int(node, "channels");
    if (!need_image(node, 0, diags) || !need_window(node, diags, false))
        return -1;
    if (channels < 1 || channels > INT32_MAX) {
        diag_error(diags, node->span, "conv2d: channels must be from 1 to %d, not %lld", INT32_MAX,
                   (long long)channels);
        return -1;
    }
    struct window w = node_window(node);
    int64_t in = node->input[0]->type.dim[1];
    double bound = 1 / sqrt((double)in * (double)w.kernel.y * (double)w.kernel.x);
    out[0] = (struct op_param){"weight", type_make(DT_F32, 4, (int64_t[]){channels, in, w.kernel.y, w.kernel.x}),
                               bound};
    out[1] = (struct op_param){"bias", type_make(DT_F32, 1, &channels), bound};
    if (!type_fits(node, diags, &out[0].type, "the weight"))
        return -1;
    return node_int(node, "bias") ? 2 : 1;
}

bool conv2d_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    struct op_param param[2];
    int count = conv2d_params(node, diags, param);
    if (count < 0)
        return false;
    if ((int)node->inputs != 1 + count) {
        diag_error(diags, node->span, "conv2d: %s", count == 2 ? "its bias is missing" : "a bias, but bias = false");
        return false;
    }
    for (int i = 0; i < count; i++)
        if (!need_type(node, 1 + (uint32_t)i, &param[i].type, diags))
            return false;
    struct window w = node_window(node);
    const struct value *x = node->input[0];
    int64_t height = window_positions(x->type.dim[2], w.kernel.y, w.stride.y, w.padding.y);
    int64_t width = window_positions(x->type.dim[3], w.kernel.x, w.stride.x, w.padding.x);
    if (height < 1 || width < 1) {
        diag_error(diags, node->span, "conv2d: the kernel [%lld, %lld] does not fit into %s, which has the shape %s",
                   (long long)w.kernel.y, (long long)w.kernel.x, value_label(x), value_shape(diags, x));
        note_made(diags, x);
        return false;
    }
    node->output[0]->type = type_make(DT_F32, 4, (int64_t[]){DIM_N, param[0].type.dim[0], height, width});
    return type_fits(node, diags, &node->output[0]->type, "the result");
}

bool conv2d_dx_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_image(node, 0, diags) || !need_window(node, diags, false) || !need_extents(node, diags))
        return false;
    struct window w = node_window(node);
    const struct tensor_type *weight = &node->input[1]->type;
    int64_t in = weight->rank == 4 ? weight->dim[1] : 1;
    int64_t height = node_int(node, "height"), width = node_int(node, "width");
    struct tensor_type wanted =
        type_make(DT_F32, 4, (int64_t[]){node->input[0]->type.dim[1], in, w.kernel.y, w.kernel.x});
    if (!need_type(node, 1, &wanted, diags))
        return false;
    struct tensor_type dz = type_make(DT_F32, 4,
                                      (int64_t[]){DIM_N, wanted.dim[0],
                                                  window_positions(height, w.kernel.y, w.stride.y, w.padding.y),
                                                  window_positions(width, w.kernel.x, w.stride.x, w.padding.x)});
    if (!need_type(node, 0, &dz, diags))
        return false;
    node->output[0]->type = type_make(DT_F32, 4, (int64_t[]){DIM_N, in, height, width});
    return type_fits(node, diags, &node->output[0]->type, "the gradient");
}

static bool dw_shape(struct node *node, struct diag_list *diags, bool each)
{
    if (!need_image(node, 0, diags) || !need_image(node, 1, diags) || !need_window(node, diags, false))
        return false;
    struct window w = node_window(node);
    const int64_t *x = node->input[1]->type.dim;
    struct tensor_type dz = type_make(DT_F32, 4,
                                      (int64_t[]){DIM_N, node->input[0]->type.dim[1],
                                                  window_positions(x[2], w.kernel.y, w.stride.y, w.padding.y),
                                                  window_positions(x[3], w.kernel.x, w.stride.x, w.padding.x)});
    if (!need_type(node, 0, &dz, diags) || (node->inputs > 2 && !need_columns(node, 2, node->input[1], diags)))
        return false;
    int64_t dim[] = {DIM_N, dz.dim[1], x[1], w.kernel.y, w.kernel.x};
    node->output[0]->type = each ? type_make(DT_F32, 5, dim) : type_make(DT_F32, 4, dim + 1);
    return type_fits(node, diags, &node->output[0]->type, "the gradient");
}

bool conv2d_dw_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    return dw_shape(node, diags, false);
}

bool conv2d_dw_each_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    return dw_shape(node, diags, true);
}

bool conv2d_db_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_image(node, 0, diags))
        return false;
    struct tensor_type winner = node->input[0]->type;
    winner.dtype = DT_I32;
    if (node->inputs > 1 && !need_type(node, 1, &winner, diags))
        return false;
    node->output[0]->type = type_make(DT_F32, 1, &node->input[0]->type.dim[1]);
    return true;
}

void conv2d_gradient(struct gradient_context *g, const struct node *node)
{
    struct value *dz = g->out_gradient[0];
    if (!dz)
        return;
    if (g->needs[0]) {
        struct node *dx = grad_node(g, node, "conv2d_dx", dz, node->input[1]);
        node_copy_attrs(dx, node);
        node_set_int(dx, "height", node->input[0]->type.dim[2]);
        node_set_int(dx, "width", node->input[0]->type.dim[3]);
        g->in_gradient[0] = finish_node(g->graph, dx);
    }
    if (g->needs[1]) {
        struct node *dw = grad_node(g, node, "conv2d_dw", dz, node->input[0]);
        node_copy_attrs(dw, node);
        g->in_gradient[1] = finish_node(g->graph, dw);
    }
    if (node->inputs > 2 && g->needs[2])
        g->in_gradient[2] = finish_node(g->graph, grad_node(g, node, "conv2d_db", dz, NULL));
}

/* ---- flops: a multiplication and an addition for each weight at each position ---- */

static int64_t positions_flops(const struct value *dz, const struct value *weight, int64_t examples)
{
    return 2 * examples * dz->type.dim[2] * dz->type.dim[3] * type_elements(&weight->type);
}

int64_t conv2d_flops(const struct node *node, int64_t examples)
{
    return positions_flops(node->output[0], node->input[1], examples);
}

int64_t conv2d_dx_flops(const struct node *node, int64_t examples)
{
    return positions_flops(node->input[0], node->input[1], examples);
}

int64_t conv2d_dw_flops(const struct node *node, int64_t examples)
{
    return positions_flops(node->input[0], node->output[0], examples);
}

int64_t conv2d_dw_each_flops(const struct node *node, int64_t examples)
{
    return positions_flops(node->input[0], node->output[0], examples);
}
