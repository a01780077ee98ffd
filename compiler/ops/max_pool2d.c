/* Max pooling. The second output is the position in the window that won, row by row; with equals the first. With `floor`
 * the maximum starts from 0 and the position is the window's size where nothing exceeds it.
 *
 *   dX[m, c, y, x] = sum of dP[m, c, p, q] over the windows (p, q) whose winner is (y, x) */
#include "rules.h"

#include <math.h>
#include <string.h>

static void result_types(const struct window *w, const struct tensor_type *x, struct tensor_type *out)
{
    int64_t dim[] = {DIM_N, x->dim[1], window_positions(x->dim[2], w->kernel.y, w->stride.y, w->padding.y),
                     window_positions(x->dim[3], w->kernel.x, w->stride.x, w->padding.x)};
    out[0] = type_make(DT_F32, 4, dim);
    out[1] = type_make(DT_I32, 4, dim);
}

bool max_pool2d_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_image(node, 0, diags) || !need_window(node, diags, true))
        return false;
    struct window w = node_window(node);
    const struct value *x = node->input[0];
    struct tensor_type type[2];
    result_types(&w, &x->type, type);
    if (type[0].dim[2] < 1 || type[0].dim[3] < 1) {
        diag_error(diags, node->span, "max_pool2d: the kernel [%lld, %lld] does not fit into %s, which has the shape %s",
                   (long long)w.kernel.y, (long long)w.kernel.x, value_label(x), value_shape(diags, x));
        note_made(diags, x);
        return false;
    }
    node->output[0]->type = type[0];
    node->output[1]->type = type[1];
    return true;
}

bool max_pool2d_dx_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_image(node, 0, diags) || !need_window(node, diags, true) || !need_extents(node, diags))
        return false;
    struct window w = node_window(node);
    struct tensor_type x = type_make(
        DT_F32, 4, (int64_t[]){DIM_N, node->input[0]->type.dim[1], node_int(node, "height"), node_int(node, "width")});
    struct tensor_type pooled[2];
    result_types(&w, &x, pooled);
    if (!need_type(node, 0, &pooled[0], diags) || !need_type(node, 1, &pooled[1], diags))
        return false;
    node->output[0]->type = x;
    return type_fits(node, diags, &x, "the gradient");
}

void max_pool2d_gradient(struct gradient_context *g, const struct node *node)
{
    if (!g->needs[0] || !g->out_gradient[0])
        return;
    struct node *dx = grad_node(g, node, "max_pool2d_dx", g->out_gradient[0], node->output[1]);
    copy_attrs(dx, node);
    node_set_int(dx, "height", node->input[0]->type.dim[2]);
    node_set_int(dx, "width", node->input[0]->type.dim[3]);
    g->in_gradient[0] = finish_node(g->graph, dx);
}

int64_t max_pool2d_flops(const struct node *node, int64_t examples)
{
    struct window w = node_window(node);
    return examples * w.kernel.y * w.kernel.x * type_elements(&node->output[0]->type);
}

/* ---- reference ---- */

void max_pool2d_reference(const struct node *node, const struct reference_tensor *const *in,
                          struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    struct window w = node_window(node);
    const int64_t *x = in[0]->dim, *z = out[0]->dim;
    for (int64_t i = 0; i < out[0]->elements; i++) {
        int64_t q = i % z[3], p = i / z[3] % z[2], image = i / z[3] / z[2];
        int64_t winner = w.kernel.y * w.kernel.x;
        double best = node_int(node, "floor") ? 0 : NAN;
        bool any = node_int(node, "floor");
        for (int64_t u = 0; u < w.kernel.y; u++)
            for (int64_t v = 0; v < w.kernel.x; v++) {
                int64_t row = p * w.stride.y + u - w.padding.y, column = q * w.stride.x + v - w.padding.x;
                if (row < 0 || row >= x[2] || column < 0 || column >= x[3])
                    continue;
                double value = in[0]->data[(image * x[2] + row) * x[3] + column];
                if (!any || value > best || (isnan(value) && !isnan(best)))
                    best = value, winner = u * w.kernel.x + v, any = true;
            }
        out[0]->data[i] = best;
        out[1]->data[i] = (double)winner;
    }
}

void max_pool2d_dx_reference(const struct node *node, const struct reference_tensor *const *in,
                             struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    struct window w = node_window(node);
    const int64_t *z = in[0]->dim, *x = out[0]->dim;
    memset(out[0]->data, 0, (size_t)out[0]->elements * sizeof(double));
    for (int64_t i = 0; i < in[0]->elements; i++) {
        int64_t q = i % z[3], p = i / z[3] % z[2], image = i / z[3] / z[2], at = (int64_t)in[1]->data[i];
        if (at == w.kernel.y * w.kernel.x)
            continue;
        int64_t row = p * w.stride.y + at / w.kernel.x - w.padding.y;
        int64_t column = q * w.stride.x + at % w.kernel.x - w.padding.x;
        out[0]->data[(image * x[2] + row) * x[3] + column] += in[0]->data[i];
    }
}
