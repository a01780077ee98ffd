/* Needs: the parameters' gradients among the results. Leaves behind: at the end of the graph one sgd or sgd_momentum
 * per gradient, with the state "NAME.momentum" where there is momentum; the updated tensors are results in the
 * gradients' place. Every read of a parameter stands before the update that overwrites it. Does nothing outside the
 * entry step. */
#include "passes.h"
#include "rewrite.h"

#include <string.h>

static struct value *find_param(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (op_is(graph->nodes.at[i], "param") && strcmp(node_attr(graph->nodes.at[i], "name")->string, name) == 0)
            return graph->nodes.at[i]->output[0];
    return NULL;
}

static struct value *add_state(struct graph *graph, const struct value *param, const char *name)
{
    struct node *leaf = graph_add_named(graph, "state", 0, NULL);
    node_set_string(graph, leaf, "name", name);
    leaf->output[0]->type = param->type;
    leaf->span = param->node->span;
    leaf->origin = param->node->origin;
    graph_name_value(graph, leaf->output[0], name);
    return leaf->output[0];
}

static void set_flag(struct node *node, const char *name, bool value)
{
    if (value)
        node_set_int(node, name, 1);
}

static void append(struct pass_context *context, const char *name, struct value *param, struct value *gradient)
{
    struct graph *graph = context->graph;
    const struct optimizer_config *o = &context->optimizer;
    const char *state = arena_printf(context->arena, "%s.momentum", name);
    struct value *input[3] = {param};
    uint32_t inputs = 1;
    if (o->momentum)
        input[inputs++] = add_state(graph, param, state);
    input[inputs++] = gradient;
    struct node *update = graph_add_named(graph, o->momentum ? "sgd_momentum" : "sgd", inputs, input);
    set_flag(update, "weight_decay", o->weight_decay);
    if (o->momentum) { /* without momentum PyTorch ignores dampening, and refuses nesterov */
        set_flag(update, "dampening", o->dampening);
        set_flag(update, "nesterov", o->nesterov);
    }
    update->span = param->node->span;
    update->origin = param->node->origin;
    infer_node(graph, update);
    const char *names[] = {name, state};
    for (uint32_t i = 0; i < update->outputs; i++) {
        graph_name_value(graph, update->output[i], arena_printf(context->arena, "%s.new", names[i]));
        graph_add_result(graph, RESULT_UPDATE, names[i], update->output[i]);
    }
}

/* The parameter that a gradient is of; NULL after an error. */
static struct value *param_of(struct pass_context *context, const struct result *gradient, struct pointer_map *seen)
{
    struct value *param = find_param(context->graph, gradient->name);
    const char *wrong = !param                                              ? "no such parameter"
                        : map_get(seen, param)                              ? "another one before it"
                        : !type_equal(&param->type, &gradient->value->type) ? "its shape is not the parameter's"
                                                                            : NULL;
    if (wrong) {
        diag_error(context->diags, gradient->value->node->span, "there is a gradient of \"%s\", but %s", gradient->name,
                   wrong);
        return NULL;
    }
    map_set(seen, param, param);
    return param;
}

bool pass_append_updates(struct pass_context *context)
{
    struct graph *graph = context->graph;
    if (context->entry != ENTRY_STEP)
        return true;
    if (has_updates(graph)) {
        diag_error(context->diags, graph->span, "the graph @%s has its updates already", graph->name);
        return false;
    }
    size_t count = graph->results.count, kept = 0;
    struct result *results = ARENA_ARRAY(context->arena, struct result, count);
    for (size_t i = 0; i < count; i++) {
        results[i] = graph->results.at[i];
        if (results[i].role != RESULT_GRADIENT)
            graph->results.at[kept++] = results[i];
    }
    graph->results.count = kept;
    struct pointer_map seen;
    map_init(&seen, context->arena);
    for (size_t i = 0; i < count; i++) {
        if (results[i].role != RESULT_GRADIENT)
            continue;
        struct value *param = param_of(context, &results[i], &seen);
        if (!param)
            return false;
        append(context, results[i].name, param, results[i].value);
    }
    return true;
}
