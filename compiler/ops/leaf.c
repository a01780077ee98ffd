/* Leaves, which have the type that their text says, and copies: the batch's rows gathered from the data set, and a
 * value laid out anew. */
#include "rules.h"

#include <string.h>

bool leaf_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    return type_fits(node, diags, &node->output[0]->type, node->attr[0].string ? node->attr[0].string : "its value");
}

void leaf_reference(const struct node *node, const struct reference_tensor *const *in,
                    struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)in, (void)out, (void)scalars; /* bound by reference_run */
}

bool same_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph, (void)diags;
    node->output[0]->type = node->input[0]->type;
    return true;
}

void copy_reference(const struct node *node, const struct reference_tensor *const *in,
                    struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    memcpy(out[0]->data, in[0]->data, (size_t)in[0]->elements * sizeof *out[0]->data);
}

/* A gathered row of the data set, or a value laid out anew: what is it called? */
static const char *copy_name(const struct value *of, bool data)
{
    if (!data)
        return "Xt";
    return of->type.dtype == DT_CLASS ? "t" : of->type.dtype == DT_PROB ? "T" : "X";
}

void copy_lower(struct lowering *l, const struct node *node)
{
    const struct value *from = node->input[0];
    bool data = lower_is_data(l, from);
    const char *set = from->type.dtype == DT_CLASS || from->type.dtype == DT_PROB ? "targets" : "data";
    struct kindex *index[KERNEL_MAX_RANK] = {0};
    lower_axes(l, from, index);
    struct kexpr *x = lower_read_at(l, from, data ? set : "X", index);
    lower_define(l, node, 0, copy_name(from, data), "p", index, x);
}
