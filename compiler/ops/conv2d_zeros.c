/* Where a convolution's image is 0: at its borders, mostly. Sixteen examples, the lanes of a vector, go together, and
 * as they cover each other's gaps little is lost by looking at rows' ends alone. Of every row of a group it is known
 * how far what is not 0 reaches to the left and to the right, each counted from the other side: 0 where there is
 * nothing, and several rows reach as far as the farthest. Sums leave out the columns beyond. Bytes are looked at: the
 * image made of them is 0 where they are, its shift is taken care of elsewhere (linear_offset, conv2d_shift_dw).
 *
 *   group_bytes      [g, c, x, y]     sum over m in group g of u[m, c, y, x]
 *   row_reach        [0 1, g, c, y]   width less the first x whose sum is not 0; the last x and 1
 *   nonzero_columns  [0 1, g, c, y]   the largest of rows y, y + 1, ... below y + `rows` */
#include "rules.h"

#include <assert.h>
#include <string.h>

enum { GROUP = KERNEL_TREE_GROUP, WIDEST = (1 << 23) - 1 };

static int64_t groups_of(int64_t count)
{
    return (count + GROUP - 1) / GROUP;
}

/* ---- types ---- */

bool group_bytes_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct tensor_type *x = &node->input[0]->type;
    int64_t capacity = node_int(node, "capacity");
    if (x->dtype != DT_U8 || x->rank != 4 || x->dim[0] != DIM_N || x->dim[3] > WIDEST) {
        diag_error(diags, node->span, "group_bytes needs images of bytes, at most %d wide, but %s has the shape %s",
                   WIDEST, value_label(node->input[0]), value_shape(diags, node->input[0]));
        return false;
    }
    if (capacity < 1 || capacity >= INT32_MAX) {
        diag_error(diags, node->span, "group_bytes: capacity must be from 1 to %d, not %lld", INT32_MAX - 1,
                   (long long)capacity);
        return false;
    }
    node->output[0]->type = type_make(DT_I32, 4, (int64_t[]){groups_of(capacity), x->dim[1], x->dim[3], x->dim[2]});
    return type_fits(node, diags, &node->output[0]->type, "the sums");
}

bool row_reach_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct tensor_type *bytes = &node->input[0]->type;
    bool fits = bytes->rank == 4 && bytes->dim[0] != DIM_N;
    struct tensor_type wanted = type_make(DT_I32, 4, fits ? bytes->dim : (int64_t[]){1, 1, 1, 1});
    node->output[0]->type = type_make(DT_F32, 4, (int64_t[]){2, wanted.dim[0], wanted.dim[1], wanted.dim[3]});
    return need_type(node, 0, &wanted, diags) && type_fits(node, diags, &node->output[0]->type, "the reach");
}

bool nonzero_columns_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct tensor_type *reach = &node->input[0]->type;
    int64_t rows = node_int(node, "rows"), height = reach->rank == 4 ? reach->dim[3] : 1;
    struct tensor_type wanted = type_make(DT_F32, 4, (int64_t[]){2, 1, 1, height});
    for (uint32_t d = 1; d < 3 && reach->rank == 4; d++)
        wanted.dim[d] = reach->dim[d];
    if (!need_type(node, 0, &wanted, diags))
        return false;
    wanted.dtype = DT_I32;
    node->output[0]->type = wanted;
    if (rows >= 1 && rows <= height)
        return true;
    diag_error(diags, node->span, "nonzero_columns: rows must be from 1 to %lld, not %lld", (long long)height,
               (long long)rows);
    return false;
}

bool need_columns(const struct node *node, uint32_t input, const struct value *x, struct diag_list *diags)
{
    struct pair padding = node_window(node).padding;
    if (padding.y || padding.x) {
        diag_error(diags, node->span, "%s: padding is none of the image's zeros", node->op->name);
        return false;
    }
    const struct tensor_type *type = &node->input[input]->type;
    int64_t groups = type->rank == 4 ? type->dim[1] : 1;
    struct tensor_type wanted = type_make(DT_I32, 4, (int64_t[]){2, groups, x->type.dim[1], x->type.dim[2]});
    return need_type(node, input, &wanted, diags);
}

bool conv2d_zeros_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_image(node, 0, diags) || !need_window(node, diags, false) ||
        !need_pair(node, "group", 1, INT16_MAX, diags))
        return false;
    struct window w = node_window(node);
    const int64_t *x = node->input[0]->type.dim;
    int64_t out = node->input[1]->type.rank == 4 ? node->input[1]->type.dim[0] : 1;
    struct tensor_type weight = type_make(DT_F32, 4, (int64_t[]){out, x[1], w.kernel.y, w.kernel.x});
    struct tensor_type start = type_make(DT_F32, 1, &out);
    if (!need_type(node, 1, &weight, diags) || !need_type(node, 2, &start, diags) ||
        !need_columns(node, 3, node->input[0], diags))
        return false;
    int64_t dim[] = {DIM_N, out, window_positions(x[2], w.kernel.y, w.stride.y, w.padding.y),
                     window_positions(x[3], w.kernel.x, w.stride.x, w.padding.x)};
    node->output[0]->type = type_make(DT_F32, 4, dim);
    if (dim[2] >= 1 && dim[3] >= 1)
        return type_fits(node, diags, &node->output[0]->type, "the result");
    diag_error(diags, node->span, "conv2d_zeros: the kernel does not fit into the image");
    return false;
}

bool conv2d_shift_dw_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct tensor_type *dw = &node->input[0]->type;
    if (!need_f32(node, 0, diags))
        return false;
    struct tensor_type db = type_make(DT_F32, 1, (int64_t[]){dw->rank && dw->dim[0] != DIM_N ? dw->dim[0] : 1});
    node->output[0]->type = *dw;
    return need_type(node, 1, &db, diags);
}

/* ---- reference ---- */

void group_bytes_reference(const struct node *node, const struct reference_tensor *const *in,
                           struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    const struct reference_tensor *x = in[0];
    memset(out[0]->data, 0, (size_t)out[0]->elements * sizeof(double));
    for (int64_t i = 0; i < x->elements; i++) {
        int64_t column = i % x->dim[3], row = i / x->dim[3] % x->dim[2], c = i / x->dim[3] / x->dim[2] % x->dim[1];
        int64_t group = i / x->dim[3] / x->dim[2] / x->dim[1] / GROUP;
        out[0]->data[((group * x->dim[1] + c) * x->dim[3] + column) * x->dim[2] + row] += x->data[i];
    }
}

void row_reach_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    int64_t width = in[0]->dim[2], height = in[0]->dim[3], half = out[0]->elements / 2;
    for (int64_t i = 0; i < out[0]->elements; i++) {
        double reach = 0;
        for (int64_t column = 0; column < width; column++) {
            int64_t here = i < half ? width - column : column + 1;
            if (in[0]->data[(i % half / height * width + column) * height + i % height] > 0 && (double)here > reach)
                reach = (double)here;
        }
        out[0]->data[i] = reach;
    }
}

void nonzero_columns_reference(const struct node *node, const struct reference_tensor *const *in,
                               struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    for (int64_t i = 0; i < out[0]->elements; i++) {
        int64_t below = in[0]->dim[3] - i % in[0]->dim[3], rows = node_int(node, "rows");
        out[0]->data[i] = in[0]->data[i];
        for (int64_t k = 1; k < rows && k < below; k++)
            out[0]->data[i] = in[0]->data[i + k] > out[0]->data[i] ? in[0]->data[i + k] : out[0]->data[i];
    }
}

void conv2d_shift_dw_reference(const struct node *node, const struct reference_tensor *const *in,
                               struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    int64_t each = in[0]->elements / in[0]->dim[0];
    for (int64_t i = 0; i < out[0]->elements; i++)
        out[0]->data[i] = node_float(node, "shift") * in[1]->data[i / each] + in[0]->data[i];
}

/* ---- kernels ---- */

void group_bytes_lower(struct lowering *l, const struct node *node)
{
    const struct tensor_type *type = &node->output[0]->type;
    assert(node_int(node, "capacity") == l->capacity);
    struct kindex *at[] = {lower_index(l, "g", type->dim[0]), lower_index(l, "c", type->dim[1]),
                           lower_index(l, "x", type->dim[2]), lower_index(l, "y", type->dim[3])};
    struct kindex *i = lower_index(l, "i", GROUP);
    struct kexpr *m = lx_binary(l, KX_ADD, lx_affine(l, GROUP, lx_at(l, at[0]), 0), lx_at(l, i));
    struct kexpr *pixel[] = {lx_at(l, at[1]), lx_at(l, at[3]), lx_at(l, at[2]), m};
    struct kcondition exists = {m, l->capacity};
    struct kreduce r = {.kind = KR_SUM, .indices = 1, .index = &i, .conditions = l->capacity % GROUP != 0,
                        .condition = &exists, .from = lx_i32(l, 0)};
    r.term[0] = lx_unary(l, KX_TO_I32, lower_read(l, node->input[0], "X", pixel));
    lower_define(l, node, 0, "B", "bytes", at, kx_reduce(l->arena, &r));
}

void row_reach_lower(struct lowering *l, const struct node *node)
{
    const struct tensor_type *type = &node->output[0]->type;
    struct kindex *at[] = {lower_index(l, "s", 2), lower_index(l, "g", type->dim[1]),
                           lower_index(l, "c", type->dim[2]), lower_index(l, "y", type->dim[3])};
    struct kindex *x = lower_index(l, "x", node->input[0]->type.dim[2]);
    struct kexpr *right = lx_affine(l, 1, lx_at(l, x), 1), *left = lx_affine(l, -1, lx_at(l, x), x->extent);
    struct kexpr *here = lx_select(l, lx_binary(l, KX_EQ, lx_at(l, at[0]), lx_i32(l, 0)), left, right);
    struct kexpr *byte = lower_read_at(l, node->input[0], "B", (struct kindex *[]){at[1], at[2], x, at[3]});
    struct kreduce r = {.kind = KR_MAX_AT, .indices = 1, .index = &x, .from = lx_f32(l, 0)};
    r.term[0] = lx_select(l, lx_binary(l, KX_GT, byte, lx_i32(l, 0)), lx_unary(l, KX_TO_F32, here), lx_f32(l, 0));
    lower_define(l, node, 0, "R", "reach", at, kx_reduce(l->arena, &r));
}

/* A whole number from 0 to WIDEST as an i32: the last bits of a sum whose unit is its last bit. */
static struct kexpr *whole(struct lowering *l, struct kexpr *number)
{
    struct kexpr *unit = lx_f32(l, WIDEST + 1.0);
    return lx_binary(l, KX_AND, lx_unary(l, KX_BITS, lx_binary(l, KX_ADD, number, unit)), lx_i32(l, WIDEST));
}

void nonzero_columns_lower(struct lowering *l, const struct node *node)
{
    const struct tensor_type *type = &node->output[0]->type;
    struct kindex *at[] = {lower_index(l, "s", 2), lower_index(l, "g", type->dim[1]),
                           lower_index(l, "c", type->dim[2]), lower_index(l, "y", type->dim[3])};
    struct kindex *i = lower_index(l, "i", node_int(node, "rows"));
    struct kexpr *row = lx_binary(l, KX_ADD, lx_at(l, at[3]), lx_at(l, i));
    struct kcondition inside = {row, type->dim[3]};
    struct kreduce r = {.kind = KR_MAX_AT, .indices = 1, .index = &i, .conditions = 1, .condition = &inside,
                        .from = lx_f32(l, 0)};
    r.term[0] = lower_read(l, node->input[0], "R",
                           (struct kexpr *[]){lx_at(l, at[0]), lx_at(l, at[1]), lx_at(l, at[2]), row});
    lower_define(l, node, 0, "L", "columns", at, whole(l, kx_reduce(l->arena, &r)));
}

void conv2d_shift_dw_lower(struct lowering *l, const struct node *node)
{
    struct kindex *at[KERNEL_MAX_RANK];
    lower_axes(l, node->output[0], at);
    struct kexpr *shift = lx_f32(l, node_float(node, "shift"));
    lower_define(l, node, 0, "dW", "g", at,
                 lx_fma(l, shift, lower_read_at(l, node->input[1], "db", at),
                        lower_read_at(l, node->input[0], "g", at)));
}
