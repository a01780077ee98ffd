/* Kernels of convolutions, direct: no copy of the image is made. Where padding or a stride leaves terms out, the sum's
 * domain says which. */
#include "rules.h"

/* s * at + by - p: the row or column that a kernel's position meets. */
static struct kexpr *meets(struct lowering *l, int64_t stride, struct kindex *at, struct kindex *by, int64_t padding)
{
    struct kexpr *sum = lx_binary(l, KX_ADD, lx_affine(l, stride, lx_at(l, at), 0), lx_at(l, by));
    return lx_affine(l, 1, sum, -padding);
}

/* The rows and columns that can be outside of an image [.., height, width]. */
static uint32_t outside(const struct window *w, struct kexpr *row, struct kexpr *column, const int64_t *x,
                        struct kcondition out[2])
{
    uint32_t count = 0;
    if (w->padding.y)
        out[count++] = (struct kcondition){row, x[2]};
    if (w->padding.x)
        out[count++] = (struct kcondition){column, x[3]};
    return count;
}

/* Of example m's group, channel c and the row: that what is not 0 reaches into the columns from `first` on, to the last
 * of them, `first` + more, or between. */
static uint32_t within(struct lowering *l, const struct value *columns, struct kindex *m, struct kindex *c,
                       struct kexpr *row, struct kexpr *first, int64_t more, int64_t width, struct kcondition out[2])
{
    struct kexpr *group = lx_binary(l, KX_DIV, lx_at(l, m), lx_i32(l, KERNEL_TREE_GROUP)), *reach[2];
    for (int side = 0; side < 2; side++)
        reach[side] = lower_read(l, columns, "L", (struct kexpr *[]){lx_i32(l, side), group, lx_at(l, c), row});
    struct kexpr *left = lx_binary(l, KX_ADD, first, reach[0]), *right = lx_binary(l, KX_SUB, reach[1], first);
    out[0] = (struct kcondition){lx_affine(l, 1, left, more - width), width + more};
    out[1] = (struct kcondition){lx_affine(l, 1, right, -1), width};
    return 2;
}

/* The first of the group that index i is in, as group number times its width. */
static struct kexpr *first_of(struct lowering *l, struct kindex *i, int64_t width)
{
    return lx_affine(l, width, width > 1 ? lx_binary(l, KX_DIV, lx_at(l, i), lx_i32(l, width)) : lx_at(l, i), 0);
}

/* sum over c, i, j of W X; of 16 examples' and `group` neighbours' places where something is not 0, given `columns`. */
static void define_conv(struct lowering *l, const struct node *node, const struct value *start,
                        const struct value *columns)
{
    struct window w = node_window(node);
    const int64_t *x = node->input[0]->type.dim, *z = node->output[0]->type.dim;
    struct kindex *out[] = {lower_index(l, "o", z[1]), lower_index(l, "y", z[2]), lower_index(l, "x", z[3]),
                            lower_batch(l)};
    struct kindex *c = lower_index(l, "c", x[1]);
    struct kindex *i = lower_index(l, "i", w.kernel.y), *j = lower_index(l, "j", w.kernel.x);
    struct kexpr *row = meets(l, w.stride.y, out[1], i, w.padding.y);
    struct kexpr *column = meets(l, w.stride.x, out[2], j, w.padding.x);
    struct kcondition conditions[2];
    struct kreduce r = {.kind = KR_SUM_FMA, .indices = 3, .index = (struct kindex *[]){c, i, j}};
    r.conditions = outside(&w, row, column, x, conditions);
    if (columns) {
        struct pair group = node_pair(node, "group", (struct pair){1, 1});
        struct kexpr *top = lx_affine(l, w.stride.y, first_of(l, out[1], group.y), 0);
        struct kexpr *left = lx_affine(l, w.stride.x, first_of(l, out[2], group.x), 0);
        top = lx_binary(l, KX_ADD, top, lx_at(l, i));
        left = lx_binary(l, KX_ADD, left, lx_at(l, j));
        r.conditions = within(l, columns, out[3], c, top, left, w.stride.x * (group.x - 1), x[3], conditions);
    }
    r.condition = conditions;
    r.term[1] = lower_read(l, node->input[0], "X", (struct kexpr *[]){lx_at(l, c), row, column, lx_at(l, out[3])});
    r.term[0] = lower_read_at(l, node->input[1], "W", (struct kindex *[]){out[0], c, i, j});
    r.from = start ? lower_read_at(l, start, "b", &out[0]) : lx_f32(l, 0);
    lower_define(l, node, 0, "Y", "z", out, kx_reduce(l->arena, &r));
}

void conv2d_lower(struct lowering *l, const struct node *node)
{
    define_conv(l, node, node->inputs > 2 ? node->input[2] : NULL, NULL);
}

void conv2d_zeros_lower(struct lowering *l, const struct node *node)
{
    define_conv(l, node, node->input[2], node->input[3]);
}

/* With stride 1 the sum goes over the kernel's positions, else over dz's: each has a plain domain then. */
void conv2d_dx_lower(struct lowering *l, const struct node *node)
{
    struct window w = node_window(node);
    const int64_t *x = node->output[0]->type.dim, *z = node->input[0]->type.dim;
    struct kindex *out[] = {lower_index(l, "c", x[1]), lower_index(l, "y", x[2]), lower_index(l, "x", x[3]),
                            lower_batch(l)};
    struct kindex *o = lower_index(l, "o", z[1]);
    bool dense = w.stride.y == 1 && w.stride.x == 1;
    struct kindex *a = dense ? lower_index(l, "i", w.kernel.y) : lower_index(l, "p", z[2]);
    struct kindex *b = dense ? lower_index(l, "j", w.kernel.x) : lower_index(l, "q", z[3]);
    struct kexpr *row = lx_binary(l, KX_SUB, lx_affine(l, 1, lx_at(l, out[1]), w.padding.y),
                                  lx_affine(l, w.stride.y, lx_at(l, a), 0));
    struct kexpr *column = lx_binary(l, KX_SUB, lx_affine(l, 1, lx_at(l, out[2]), w.padding.x),
                                     lx_affine(l, w.stride.x, lx_at(l, b), 0));
    struct kexpr *dz[] = {lx_at(l, o), dense ? row : lx_at(l, a), dense ? column : lx_at(l, b), lx_at(l, out[3])};
    struct kexpr *weight[] = {lx_at(l, o), lx_at(l, out[0]), dense ? lx_at(l, a) : row, dense ? lx_at(l, b) : column};
    struct kcondition conditions[] = {{row, dense ? z[2] : w.kernel.y}, {column, dense ? z[3] : w.kernel.x}};
    struct kreduce r = {.kind = KR_SUM_FMA, .indices = 3, .index = (struct kindex *[]){o, a, b}};
    r.conditions = 2;
    r.condition = conditions;
    r.from = lx_f32(l, 0);
    r.term[0] = lower_read(l, node->input[1], "W", weight);
    r.term[1] = lower_read(l, node->input[0], "dZ", dz);
    lower_define(l, node, 0, "dX", "d", out, kx_reduce(l->arena, &r));
}

/* Example m's part of the gradient of weight out[0..3]. */
static struct kexpr *example_dw(struct lowering *l, const struct node *node, struct kindex *const *out,
                                struct kindex *m)
{
    struct window w = node_window(node);
    const int64_t *x = node->input[1]->type.dim, *z = node->input[0]->type.dim;
    struct kindex *row = lower_index(l, "y", z[2]), *column = lower_index(l, "x", z[3]);
    struct kexpr *xs[] = {lx_at(l, out[1]), meets(l, w.stride.y, row, out[2], w.padding.y),
                          meets(l, w.stride.x, column, out[3], w.padding.x), lx_at(l, m)};
    struct kcondition conditions[2];
    struct kreduce r = {.kind = KR_SUM_FMA, .indices = 2, .index = (struct kindex *[]){row, column}};
    r.conditions = outside(&w, xs[1], xs[2], x, conditions);
    if (node->inputs > 2) {
        struct kexpr *top = lx_affine(l, w.stride.y, lx_at(l, row), 0);
        r.conditions = within(l, node->input[2], m, out[1], top, xs[2], 0, x[3], conditions);
    }
    r.condition = conditions;
    r.from = lx_f32(l, 0);
    r.term[0] = lower_read_at(l, node->input[0], "dZ", (struct kindex *[]){out[0], row, column, m});
    r.term[1] = lower_read(l, node->input[1], "X", xs);
    return kx_reduce(l->arena, &r);
}

static void weight_indices(struct lowering *l, const int64_t *dim, struct kindex **out)
{
    static const char *const name[] = {"o", "c", "i", "j"};
    for (uint32_t d = 0; d < 4; d++)
        out[d] = lower_index(l, name[d], dim[d]);
}

void conv2d_dw_lower(struct lowering *l, const struct node *node)
{
    struct kindex *out[4], *m;
    weight_indices(l, node->output[0]->type.dim, out);
    m = lower_live(l);
    lower_define(l, node, 0, "dW", "g", out, lx_tree(l, m, example_dw(l, node, out, m)));
}

void conv2d_dw_each_lower(struct lowering *l, const struct node *node)
{
    struct kindex *out[5];
    weight_indices(l, node->output[0]->type.dim + 1, out);
    out[4] = lower_batch(l);
    lower_define(l, node, 0, "S", "s", out, example_dw(l, node, out, out[4]));
}

void conv2d_db_lower(struct lowering *l, const struct node *node)
{
    const int64_t *z = node->input[0]->type.dim;
    struct kindex *o = lower_index(l, "o", z[1]), *row = lower_index(l, "y", z[2]), *column = lower_index(l, "x", z[3]);
    struct kindex *m = lower_live(l);
    struct kreduce r = {.kind = KR_SUM, .indices = 2, .index = (struct kindex *[]){row, column}, .from = lx_f32(l, 0)};
    struct kindex *at[] = {o, row, column, m};
    r.term[0] = lower_read_at(l, node->input[0], "dZ", at);
    if (node->inputs > 1) {
        struct kexpr *winner = lower_read_at(l, node->input[1], "at", at);
        winner = winner->type == KT_U8 ? lx_unary(l, KX_TO_I32, winner) : winner;
        struct kexpr *won = lx_binary(l, KX_LT, winner, lx_i32(l, node_int(node, "positions")));
        r.term[0] = lx_where(l, won, r.term[0], lx_f32(l, 0));
    }
    lower_define(l, node, 0, "db", "g", &o, lx_tree(l, m, kx_reduce(l->arena, &r)));
}
