/* Reverse mode. Needs: types, and a loss among the results (any of its three outputs). Leaves behind: the gradient of
 * the loss over every parameter (entry step) or every f32 input (entry gradient) that it depends on, as results; other
 * entries are left alone. Which nodes follow from which is the ops' business (their gradient rules); this driver knows
 * none but `add`, by which gradients that meet are summed. Only what a wanted gradient needs is built.
 *
 *   d loss / d x = sum over the uses of x of (d use / d x) applied to the use's own gradient */
#include "passes.h"
#include "rewrite.h"

#include <ctype.h>

struct differ {
    struct graph *graph;
    struct pointer_map gradient; /* value -> its gradient so far */
    struct pointer_map needed;   /* values that depend on a wanted leaf */
};

static const struct node *find_loss(const struct graph *graph)
{
    for (size_t i = 0; i < graph->results.count; i++)
        if (graph->results.at[i].value->node->op->flags & OP_LOSS)
            return graph->results.at[i].value->node;
    return NULL;
}

static bool is_wanted(const struct node *node, enum entry_kind entry)
{
    if (entry == ENTRY_STEP)
        return op_is(node, "param");
    return op_is(node, "input") && node->output[0]->type.dtype == DT_F32;
}

static void mark_needed(struct differ *d, enum entry_kind entry)
{
    for (size_t i = 0; i < d->graph->nodes.count; i++) {
        struct node *node = d->graph->nodes.at[i];
        bool needed = is_wanted(node, entry);
        for (uint32_t k = 0; k < node->inputs; k++)
            needed = needed || map_get(&d->needed, node->input[k]);
        for (uint32_t k = 0; needed && k < node->outputs; k++)
            map_set(&d->needed, node->output[k], node);
    }
}

static void accumulate(struct differ *d, const struct value *value, struct value *gradient)
{
    struct value *sum = map_get(&d->gradient, value);
    if (sum) {
        struct node *add = graph_add_named(d->graph, "add", 2, (struct value *[]){sum, gradient});
        infer_node(d->graph, add);
        gradient = add->output[0];
    }
    map_set(&d->gradient, value, gradient);
}

/* "l1.weight.grad" for a value that has no name yet. */
static void name_gradient(struct differ *d, const struct value *of, struct value *gradient)
{
    if (isdigit((unsigned char)gradient->name[0]))
        graph_name_value(d->graph, gradient, arena_printf(d->graph->arena, "%s.grad", of->name));
}

static void visit(struct differ *d, struct node *node, bool root)
{
    struct value *out[GRAPH_MAX_OUTPUTS] = {0}, *in[GRAPH_MAX_INPUTS] = {0};
    bool needs[GRAPH_MAX_INPUTS] = {false}, flows = root, wanted = false;
    for (uint32_t i = 0; i < node->outputs; i++) {
        out[i] = map_get(&d->gradient, node->output[i]);
        flows = flows || out[i];
        if (out[i])
            name_gradient(d, node->output[i], out[i]);
    }
    for (uint32_t i = 0; i < node->inputs; i++) {
        needs[i] = map_get(&d->needed, node->input[i]);
        wanted = wanted || needs[i];
    }
    if (!flows || !wanted)
        return;
    size_t before = d->graph->nodes.count;
    op_of(node)->gradient(&(struct gradient_context){d->graph, needs, out, in}, node);
    for (uint32_t i = 0; i < node->inputs; i++)
        if (in[i] && needs[i])
            accumulate(d, node->input[i], in[i]);
    for (size_t i = before; i < d->graph->nodes.count; i++) {
        d->graph->nodes.at[i]->origin = node->origin;
        d->graph->nodes.at[i]->span = node->span;
    }
}

bool pass_autodiff(struct pass_context *context)
{
    if (context->entry != ENTRY_STEP && context->entry != ENTRY_GRADIENT)
        return true;
    struct differ d = {.graph = context->graph};
    const struct node *loss = find_loss(d.graph);
    if (!loss) {
        diag_error(context->diags, d.graph->span, "the graph @%s returns no loss to differentiate", d.graph->name);
        return false;
    }
    enum result_role role = context->entry == ENTRY_STEP ? RESULT_GRADIENT : RESULT_INPUT_GRADIENT;
    if (graph_result(d.graph, role) || has_updates(d.graph)) {
        diag_error(context->diags, d.graph->span, "the graph @%s has its gradients already", d.graph->name);
        diag_help(context->diags, "take it from before: xentc MODEL.net --emit=graph --stop-after=simplify");
        return false;
    }
    map_init(&d.gradient, context->arena);
    map_init(&d.needed, context->arena);
    mark_needed(&d, context->entry);
    size_t forward = d.graph->nodes.count;
    for (size_t i = forward; i-- > 0;)
        visit(&d, d.graph->nodes.at[i], d.graph->nodes.at[i] == loss);
    for (size_t i = 0; i < forward; i++) {
        struct node *leaf = d.graph->nodes.at[i];
        struct value *gradient = is_wanted(leaf, context->entry) ? map_get(&d.gradient, leaf->output[0]) : NULL;
        if (gradient)
            graph_add_result(d.graph, role, node_attr(leaf, "name")->string, gradient);
    }
    return true;
}
