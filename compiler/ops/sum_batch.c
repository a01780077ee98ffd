/* The sum over the examples, dim 0: out[...] = sum over m of x[m, ...]. */
#include "rules.h"

#include <string.h>

bool sum_batch_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct value *x = node->input[0];
    if (!need_f32(node, 0, diags))
        return false;
    if (x->type.rank < 2 || x->type.dim[0] != DIM_N) {
        diag_error(diags, node->span, "sum_batch needs values of each example, but %s has the shape %s", value_label(x),
                   value_shape(diags, x));
        return false;
    }
    node->output[0]->type = type_make(DT_F32, x->type.rank - 1, x->type.dim + 1);
    return true;
}

void sum_batch_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    memset(out[0]->data, 0, (size_t)out[0]->elements * sizeof(double));
    for (int64_t i = 0; i < in[0]->elements; i++)
        out[0]->data[i % out[0]->elements] += in[0]->data[i];
}

void sum_batch_lower(struct lowering *l, const struct node *node)
{
    struct kindex *index[KERNEL_MAX_RANK];
    uint32_t rank = lower_axes(l, node->output[0], index);
    index[rank] = lower_live(l);
    lower_define(l, node, 0, "Y", "g", index, lx_tree(l, index[rank], lower_read_at(l, node->input[0], "X", index)));
}
