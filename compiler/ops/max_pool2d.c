/* Max pooling. The second output is the position in the window that won, row by row; with equals the first. With
 * `floor` the maximum starts from 0 and the position is the window's size where nothing exceeds it.
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
        diag_error(diags, node->span,
                   "max_pool2d: the kernel [%lld, %lld] does not fit into %s, which has the shape %s",
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
    node_copy_attrs(dx, node);
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

/* ---- kernels ---- */

bool max_pool2d_small(const struct value *value)
{
    if (op_of(value->node)->lower != max_pool2d_lower)
        return false;
    struct pair kernel = node_window(value->node).kernel;
    return kernel.y * kernel.x <= UINT8_MAX;
}

void max_pool2d_lower(struct lowering *l, const struct node *node)
{
    struct window w = node_window(node);
    const int64_t *x = node->input[0]->type.dim, *z = node->output[0]->type.dim;
    struct kindex *out[] = {lower_index(l, "o", z[1]), lower_index(l, "y", z[2]), lower_index(l, "x", z[3]),
                            lower_batch(l)};
    struct kindex *over[] = {lower_index(l, "u", w.kernel.y), lower_index(l, "v", w.kernel.x)};
    struct kexpr *at[] = {
        lx_at(l, out[0]),
        lx_affine(l, 1, lx_binary(l, KX_ADD, lx_affine(l, w.stride.y, lx_at(l, out[1]), 0), lx_at(l, over[0])),
                  -w.padding.y),
        lx_affine(l, 1, lx_binary(l, KX_ADD, lx_affine(l, w.stride.x, lx_at(l, out[2]), 0), lx_at(l, over[1])),
                  -w.padding.x),
        lx_at(l, out[3]),
    };
    struct kcondition conditions[2];
    uint32_t count = 0;
    if (w.padding.y)
        conditions[count++] = (struct kcondition){at[1], x[2]};
    if (w.padding.x)
        conditions[count++] = (struct kcondition){at[2], x[3]};
    struct kreduce r = {.kind = KR_MAX_AT, .indices = 2, .index = over, .conditions = count, .condition = conditions};
    r.from = node_int(node, "floor") ? lx_f32(l, 0) : NULL;
    r.term[0] = lower_read(l, node->input[0], "X", at);
    lower_define_max_at(l, node, "P", "at", out, kx_reduce(l->arena, &r));
}

/* Windows that tile the image: a pixel is in one window or in none. */
static struct kexpr *tiled_dx(struct lowering *l, const struct node *node, const struct window *w, struct kindex **out)
{
    const int64_t *x = node->output[0]->type.dim, *z = node->input[0]->type.dim;
    struct kexpr *p = lx_binary(l, KX_DIV, lx_at(l, out[1]), lx_i32(l, w->kernel.y));
    struct kexpr *q = lx_binary(l, KX_DIV, lx_at(l, out[2]), lx_i32(l, w->kernel.x));
    struct kexpr *subscript[] = {lx_at(l, out[0]), p, q, lx_at(l, out[3])};
    struct kexpr *inside = NULL;
    if (z[2] * w->kernel.y < x[2])
        inside = lx_binary(l, KX_LT, p, lx_i32(l, z[2]));
    if (z[3] * w->kernel.x < x[3])
        inside = lx_both(l, inside, lx_binary(l, KX_LT, q, lx_i32(l, z[3])));
    struct kexpr *here =
        lx_binary(l, KX_ADD,
                  lx_affine(l, w->kernel.x, lx_binary(l, KX_MOD, lx_at(l, out[1]), lx_i32(l, w->kernel.y)), 0),
                  lx_binary(l, KX_MOD, lx_at(l, out[2]), lx_i32(l, w->kernel.x)));
    struct kexpr *dy = lower_read(l, node->input[0], "dP", subscript);
    struct kexpr *won = lower_read(l, node->input[1], "at", subscript);
    won = lx_binary(l, KX_EQ, won->type == KT_U8 ? lx_unary(l, KX_TO_I32, won) : won, here);
    return lx_where(l, lx_both(l, inside, won), dy, lx_f32(l, 0));
}

static struct kexpr *overlapping_dx(struct lowering *l, const struct node *node, const struct window *w,
                                    struct kindex **out)
{
    const int64_t *z = node->input[0]->type.dim;
    struct kindex *over[] = {lower_index(l, "p", z[2]), lower_index(l, "q", z[3])};
    struct kexpr *subscript[] = {lx_at(l, out[0]), lx_at(l, over[0]), lx_at(l, over[1]), lx_at(l, out[3])};
    struct kexpr *u = lx_binary(l, KX_SUB, lx_affine(l, 1, lx_at(l, out[1]), w->padding.y),
                                lx_affine(l, w->stride.y, lx_at(l, over[0]), 0));
    struct kexpr *v = lx_binary(l, KX_SUB, lx_affine(l, 1, lx_at(l, out[2]), w->padding.x),
                                lx_affine(l, w->stride.x, lx_at(l, over[1]), 0));
    struct kcondition conditions[] = {{u, w->kernel.y}, {v, w->kernel.x}};
    struct kexpr *dy = lower_read(l, node->input[0], "dP", subscript);
    struct kexpr *won = lower_read(l, node->input[1], "at", subscript);
    won = lx_binary(l, KX_EQ, won->type == KT_U8 ? lx_unary(l, KX_TO_I32, won) : won,
                    lx_binary(l, KX_ADD, lx_affine(l, w->kernel.x, u, 0), v));
    struct kreduce r = {.kind = KR_SUM, .indices = 2, .index = over, .conditions = 2, .condition = conditions};
    r.from = lx_f32(l, 0);
    r.term[0] = lx_where(l, won, dy, lx_f32(l, 0));
    return kx_reduce(l->arena, &r);
}

void max_pool2d_dx_lower(struct lowering *l, const struct node *node)
{
    struct window w = node_window(node);
    const int64_t *x = node->output[0]->type.dim;
    struct kindex *out[] = {lower_index(l, "o", x[1]), lower_index(l, "y", x[2]), lower_index(l, "x", x[3]),
                            lower_batch(l)};
    bool tiled = w.kernel.y == w.stride.y && w.kernel.x == w.stride.x && w.padding.y == 0 && w.padding.x == 0;
    lower_define(l, node, 0, "dX", "d", out, tiled ? tiled_dx(l, node, &w, out) : overlapping_dx(l, node, &w, out));
}
