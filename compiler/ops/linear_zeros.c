/* A fully connected layer over inputs that are mostly zero. Groups of four examples, or inputs, go together: a list
 * names what is not zero in some of a group, and sums leave the rest out, whose terms would add zeros. A tile of a
 * group's rows then has one list, and all of a dense layer's speed where nothing is zero.
 *
 *   y[m, n]  = s[n] + sum over k in inputs[m / 4] of W[n, k] x[m, k]
 *   dW[n, k] = shift db[n] + sum over m in examples[k / 4] of dy[m, n] x[m, k]
 *   s[n]     = b[n] + shift sum over k of W[n, k]
 *
 * With x + shift in place of x these are linear and linear_dw. */
#include "rules.h"

#include <assert.h>

enum { GROUP = 4 };

static int64_t groups_of(int64_t count)
{
    return (count + GROUP - 1) / GROUP;
}

/* ---- types ---- */

static bool lists_shape(struct node *node, bool of_examples, struct diag_list *diags)
{
    int64_t capacity = node_int(node, "capacity");
    if (!need_vector(node, 0, diags))
        return false;
    if (capacity < 1 || capacity >= INT32_MAX) {
        diag_error(diags, node->span, "%s: capacity must be from 1 to %d, not %lld", node->op->name, INT32_MAX - 1,
                   (long long)capacity);
        return false;
    }
    int64_t inputs = node->input[0]->type.dim[1];
    int64_t dim[2] = {groups_of(of_examples ? inputs : capacity), (of_examples ? capacity : inputs) + 1};
    node->output[0]->type = type_make(DT_I32, 2, dim);
    return type_fits(node, diags, &node->output[0]->type, "the lists");
}

bool nonzero_inputs_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    return lists_shape(node, false, diags);
}

bool nonzero_examples_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    return lists_shape(node, true, diags);
}

/* The lists have rows of `width` places; their number follows from a capacity, or from the inputs. */
static bool need_lists(const struct node *node, uint32_t input, int64_t rows, int64_t width, struct diag_list *diags)
{
    const struct tensor_type *type = &node->input[input]->type;
    if (!rows)
        rows = type->rank ? type->dim[0] : 1;
    if (!width)
        width = type->rank == 2 ? type->dim[1] : 1;
    struct tensor_type wanted = type_make(DT_I32, 2, (int64_t[]){rows, width});
    return need_type(node, input, &wanted, diags);
}

bool linear_zeros_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_vector(node, 0, diags))
        return false;
    const struct tensor_type *w = &node->input[2]->type;
    int64_t in = node->input[0]->type.dim[1], out = w->rank == 2 ? w->dim[0] : 1;
    struct tensor_type weight = type_make(DT_F32, 2, (int64_t[]){out, in}), start = type_make(DT_F32, 1, &out);
    if (!need_lists(node, 1, 0, in + 1, diags) || !need_type(node, 2, &weight, diags) ||
        (node->inputs > 3 && !need_type(node, 3, &start, diags)))
        return false;
    node->output[0]->type = type_make(DT_F32, 2, (int64_t[]){DIM_N, out});
    return true;
}

bool linear_zeros_dw_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    if (!need_vector(node, 0, diags) || !need_vector(node, 1, diags))
        return false;
    int64_t out = node->input[0]->type.dim[1], in = node->input[1]->type.dim[1];
    struct tensor_type bias = type_make(DT_F32, 1, &out);
    if (!need_lists(node, 2, groups_of(in), 0, diags) || (node->inputs > 3 && !need_type(node, 3, &bias, diags)))
        return false;
    node->output[0]->type = type_make(DT_F32, 2, (int64_t[]){out, in});
    return type_fits(node, diags, &node->output[0]->type, "the gradient");
}

bool linear_offset_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct tensor_type *w = &node->input[0]->type;
    bool fits = (w->rank == 2 || w->rank == 4) && w->dim[0] != DIM_N;
    struct tensor_type weight = type_make(DT_F32, fits ? w->rank : 2, fits ? w->dim : (int64_t[]){1, 1});
    node->output[0]->type = type_make(DT_F32, 1, weight.dim);
    return need_type(node, 0, &weight, diags) &&
           (node->inputs < 2 || need_type(node, 1, &node->output[0]->type, diags));
}

/* ---- flops: of the dense layer ---- */

int64_t linear_zeros_flops(const struct node *node, int64_t examples)
{
    return 2 * examples * type_elements(&node->input[2]->type);
}

int64_t linear_offset_flops(const struct node *node, int64_t examples)
{
    (void)examples;
    return type_elements(&node->input[0]->type);
}

/* ---- reference ---- */

static bool some_nonzero(const struct reference_tensor *x, int64_t group, int64_t other, bool of_examples)
{
    int64_t examples = x->dim[0], width = x->dim[1];
    bool some = false;
    for (int64_t i = group * GROUP; i < (group + 1) * GROUP; i++) {
        int64_t m = of_examples ? other : i, k = of_examples ? i : other;
        some = some || (m < examples && k < width && x->data[m * width + k] != 0);
    }
    return some;
}

static void lists_reference(const struct reference_tensor *x, struct reference_tensor *out, bool of_examples)
{
    int64_t count = out->dim[1] - 1;
    for (int64_t g = 0; g < out->dim[0]; g++) {
        double *row = out->data + g * (count + 1);
        int64_t members = 0;
        for (int64_t i = 0; i < count; i++) {
            bool in = some_nonzero(x, g, i, of_examples);
            row[in ? members + 1 : count - (i - members)] = (double)i;
            members += in;
        }
        row[0] = (double)members;
    }
}

void nonzero_inputs_reference(const struct node *node, const struct reference_tensor *const *in,
                              struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    lists_reference(in[0], out[0], false);
}

void nonzero_examples_reference(const struct node *node, const struct reference_tensor *const *in,
                                struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    lists_reference(in[0], out[0], true);
}

void linear_zeros_reference(const struct node *node, const struct reference_tensor *const *in,
                            struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    reference_linear(in[0], in[2], node->inputs > 3 ? in[3] : NULL, out[0]);
}

void linear_zeros_dw_reference(const struct node *node, const struct reference_tensor *const *in,
                               struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    int64_t features = in[0]->dim[1], width = in[1]->dim[1];
    for (int64_t n = 0; n < features; n++)
        for (int64_t k = 0; k < width; k++)
            out[0]->data[n * width + k] = node->inputs > 3 ? node_float(node, "shift") * in[3]->data[n] : 0;
    reference_linear_dw(in[0], in[1], out[0]);
}

void linear_offset_reference(const struct node *node, const struct reference_tensor *const *in,
                             struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    int64_t features = in[0]->dim[0], width = in[0]->elements / features;
    for (int64_t n = 0; n < features; n++) {
        double sum = 0;
        for (int64_t k = 0; k < width; k++)
            sum += in[0]->data[n * width + k];
        out[0]->data[n] = node_float(node, "shift") * sum + (node->inputs > 1 ? in[1]->data[n] : 0);
    }
}

/* ---- kernels ---- */

/* One of the group's x at (k, m) has a bit set: a sum leaves +0 out, nothing else. What does not exist has none. */
static struct kexpr *some_bit(struct lowering *l, const struct value *x, struct kindex *group, struct kindex *other,
                              bool of_examples)
{
    int64_t extent = of_examples ? x->type.dim[1] : l->capacity;
    struct kexpr *live = lower_scalar(l, "live", KT_I32), *some = NULL;
    for (int64_t i = 0; i < GROUP; i++) {
        struct kexpr *member = lx_affine(l, GROUP, lx_at(l, group), i);
        struct kexpr *subscript[2] = {of_examples ? member : lx_at(l, other), of_examples ? lx_at(l, other) : member};
        struct kexpr *bits = lx_unary(l, KX_BITS, lower_read(l, x, "X", subscript));
        if (extent % GROUP)
            bits = lx_where(l, lx_binary(l, KX_LT, member, lx_i32(l, extent)), bits, lx_i32(l, 0));
        if (!of_examples) /* places without an example hold anything */
            bits = lx_binary(l, KX_AND, bits,
                             lx_select(l, lx_binary(l, KX_LT, member, live), lx_i32(l, -1), lx_i32(l, 0)));
        some = some ? lx_binary(l, KX_OR, some, bits) : bits;
    }
    if (of_examples)
        some = lx_select(l, lx_binary(l, KX_LT, lx_at(l, other), live), some, lx_i32(l, 0));
    return lx_binary(l, KX_NE, some, lx_i32(l, 0));
}

static void lower_lists(struct lowering *l, const struct node *node, bool of_examples)
{
    const struct tensor_type *type = &node->output[0]->type;
    assert(node_int(node, "capacity") == l->capacity);
    struct kindex *group = lower_index(l, "g", type->dim[0]), *place = lower_index(l, "j", type->dim[1]);
    struct kindex *over = lower_index(l, of_examples ? "m" : "k", type->dim[1] - 1);
    struct kreduce list = {.kind = KR_LIST, .indices = 1, .index = &over};
    list.term[0] = some_bit(l, node->input[0], group, over, of_examples);
    lower_define(l, node, 0, "L", "list", (struct kindex *[]){group, place}, kx_reduce(l->arena, &list));
}

void nonzero_inputs_lower(struct lowering *l, const struct node *node)
{
    lower_lists(l, node, false);
}

void nonzero_examples_lower(struct lowering *l, const struct node *node)
{
    lower_lists(l, node, true);
}

/* sum.fma over the members of list number by / GROUP: j below its length; *out_member is what it names at j. */
struct listed {
    struct kindex *j;
    struct kcondition within;
    struct kexpr *member;
};

static struct listed read_list(struct lowering *l, const struct value *lists, struct kindex *by)
{
    struct listed out = {.j = lower_index(l, "j", lists->type.dim[1] - 1)};
    struct kexpr *group = lx_binary(l, KX_DIV, lx_at(l, by), lx_i32(l, GROUP));
    struct kexpr *length = lower_read(l, lists, "L", (struct kexpr *[]){group, lx_i32(l, 0)});
    out.within.value = lx_binary(l, KX_SUB, lx_binary(l, KX_SUB, length, lx_i32(l, 1)), lx_at(l, out.j));
    out.within.limit = out.j->extent;
    out.member = lower_read(l, lists, "L", (struct kexpr *[]){group, lx_affine(l, 1, lx_at(l, out.j), 1)});
    return out;
}

static struct kexpr *sum_over(struct lowering *l, const struct listed *list, struct kexpr *from, struct kexpr *a,
                              struct kexpr *b)
{
    struct kreduce r = {.kind = KR_SUM_FMA, .indices = 1, .index = (struct kindex *[]){list->j}, .conditions = 1,
                        .condition = &list->within, .from = from, .term = {a, b}};
    return kx_reduce(l->arena, &r);
}

void linear_zeros_lower(struct lowering *l, const struct node *node)
{
    struct kindex *n = lower_index(l, "n", node->output[0]->type.dim[1]), *m = lower_batch(l);
    struct listed k = read_list(l, node->input[1], m);
    struct kexpr *w = lower_read(l, node->input[2], "W", (struct kexpr *[]){lx_at(l, n), k.member});
    struct kexpr *x = lower_read(l, node->input[0], "X", (struct kexpr *[]){k.member, lx_at(l, m)});
    struct kexpr *from = node->inputs > 3 ? lower_read_at(l, node->input[3], "s", &n) : lx_f32(l, 0);
    lower_define(l, node, 0, "Y", "z", (struct kindex *[]){n, m}, sum_over(l, &k, from, w, x));
}

void linear_zeros_dw_lower(struct lowering *l, const struct node *node)
{
    const struct tensor_type *type = &node->output[0]->type;
    struct kindex *n = lower_index(l, "n", type->dim[0]), *k = lower_index(l, "k", type->dim[1]);
    struct listed m = read_list(l, node->input[2], k);
    struct kexpr *dy = lower_read(l, node->input[0], "dY", (struct kexpr *[]){lx_at(l, n), m.member});
    struct kexpr *x = lower_read(l, node->input[1], "X", (struct kexpr *[]){lx_at(l, k), m.member});
    struct kexpr *from = lx_f32(l, 0);
    if (node->inputs > 3)
        from = lx_binary(l, KX_MUL, lx_f32(l, node_float(node, "shift")), lower_read_at(l, node->input[3], "db", &n));
    lower_define(l, node, 0, "dW", "g", (struct kindex *[]){n, k}, sum_over(l, &m, from, dy, x));
}

void linear_offset_lower(struct lowering *l, const struct node *node)
{
    const struct tensor_type *w = &node->input[0]->type;
    struct kindex *at[KERNEL_MAX_RANK];
    lower_axes(l, node->input[0], at);
    struct kreduce r = {.kind = KR_SUM, .indices = w->rank - 1, .index = at + 1, .from = lx_f32(l, 0)};
    r.term[0] = lower_read_at(l, node->input[0], "W", at);
    struct kexpr *from = node->inputs > 1 ? lower_read_at(l, node->input[1], "b", at) : lx_f32(l, 0);
    struct kexpr *shift = lx_f32(l, node_float(node, "shift"));
    lower_define(l, node, 0, "s", "s", at, lx_fma(l, shift, kx_reduce(l->arena, &r), from));
}
