/* Views: the same elements in the same order with another shape per example; no code. */
#include "rules.h"

bool flatten_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct value *x = node->input[0];
    if (x->type.rank < 1 || x->type.dim[0] != DIM_N || x->type.dtype == DT_CLASS || x->type.dtype == DT_PROB) {
        diag_error(diags, node->span, "flatten needs a tensor per example, but %s is none", value_label(x));
        note_made(diags, x);
        return false;
    }
    if (!type_fits(node, diags, &x->type, "the vector"))
        return false;
    node->output[0]->type = type_make(x->type.dtype, 2, (int64_t[]){DIM_N, type_elements(&x->type)});
    return true;
}

bool reshape_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct value *x = node->input[0];
    const struct attr *shape = node_attr(node, "shape");
    struct tensor_type type = {.dtype = x->type.dtype, .rank = shape->count + 1, .dim = {DIM_N}};
    bool ok = x->type.rank > 0 && x->type.dim[0] == DIM_N && shape->count + 1 <= GRAPH_MAX_RANK;
    for (uint32_t i = 0; ok && i < shape->count; i++) {
        type.dim[i + 1] = shape->ints[i];
        ok = shape->ints[i] >= 1;
    }
    if (!ok || type_elements(&type) != type_elements(&x->type)) {
        diag_error(diags, node->span, "reshape: %s has the shape %s, which has not as many elements as asked for",
                   value_label(x), value_shape(diags, x));
        note_made(diags, x);
        return false;
    }
    node->output[0]->type = type;
    return true;
}

void view_gradient(struct gradient_context *g, const struct node *node)
{
    const struct tensor_type *type = &node->input[0]->type;
    if (!g->needs[0] || !g->out_gradient[0])
        return;
    struct node *dx = grad_node(g, node, "reshape", g->out_gradient[0], NULL);
    node_set_ints(g->graph, dx, "shape", type->rank - 1, type->dim + 1);
    g->in_gradient[0] = finish_node(g->graph, dx);
}
