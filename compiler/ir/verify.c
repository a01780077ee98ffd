/* What must hold of every graph, whoever made it: printed by the pass that broke it, or by the parser's caller. */
#include "map.h"
#include "names.h"

#include <string.h>

struct verifier {
    const struct graph *graph;
    struct diag_list *diags;
    struct pointer_map defined;     /* values seen so far */
    struct pointer_map overwritten; /* value -> the node that overwrote it */
    struct pointer_map leaves;      /* interned op and name of a leaf */
    struct interner names;
    bool ok;
};

__attribute__((format(printf, 3, 4))) static void complain(struct verifier *v, const struct node *node,
                                                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *what = arena_vprintf(v->diags->arena, format, args);
    va_end(args);
    struct text text;
    text_init(&text, v->diags->arena);
    graph_print_node(node, &text);
    diag_error(v->diags, node->span, "%s", what);
    diag_note(v->diags, (struct span){0}, "in the graph @%s: %s", v->graph->name, text_string(&text));
    v->ok = false;
}

static void check_type(struct verifier *v, const struct node *node, const struct value *value)
{
    const struct tensor_type *type = &value->type;
    if (type->rank > GRAPH_MAX_RANK) {
        complain(v, node, "%%%s has %u dimensions", value->name, type->rank);
        return;
    }
    for (uint32_t i = 0; i < type->rank; i++)
        if (type->dim[i] != DIM_N ? type->dim[i] < 1 : i > 0)
            complain(v, node, "dimension %u of %%%s cannot be %lld", i, value->name, (long long)type->dim[i]);
    if (type_elements(type) < 0)
        complain(v, node, "%%%s has more elements than can be counted", value->name);
    bool classes = type->dtype == DT_CLASS || type->dtype == DT_PROB;
    if (classes ? type->classes < 1 || type->rank != (type->dtype == DT_CLASS ? 1 : 2) : type->classes != 0)
        complain(v, node, "the classes of %%%s do not fit its type", value->name);
}

static bool attr_valid(const struct attr_info *info, const struct attr *attr)
{
    size_t length;
    switch (info->kind) {
    case ATTR_BOOL:
        return attr->i == 0 || attr->i == 1;
    case ATTR_ENUM:
        return attr->i >= 0 && attr_word(info, attr->i, &length);
    case ATTR_STRING:
        return attr->string;
    case ATTR_INTS:
        return attr->count == 0 || attr->ints;
    case ATTR_FLOATS:
        return attr->count == 0 || attr->floats;
    case ATTR_INT:
    case ATTR_FLOAT:
        break;
    }
    return true;
}

static void check_op(struct verifier *v, const struct node *node)
{
    const struct op_info *op = node->op;
    if (graph_op(v->graph, op->name) != op)
        complain(v, node, "%s is not an op of this graph's table", op->name);
    if (node->inputs < op->min_inputs || node->inputs > op->max_inputs)
        complain(v, node, "%s takes %u%s input%s, not %u", op->name, op->min_inputs,
                 op->min_inputs == op->max_inputs ? "" : " or more", op->min_inputs == 1 ? "" : "s", node->inputs);
    if (node->outputs != op->outputs)
        complain(v, node, "%s does not have %u values", op->name, node->outputs);
    for (uint32_t i = 0; i < op->attrs; i++) {
        if (node->attr[i].set ? !attr_valid(&op->attr[i], &node->attr[i]) : op->attr[i].required)
            complain(v, node, "attribute %s of %s is %s", op->attr[i].name, op->name,
                     node->attr[i].set ? "malformed" : "missing");
    }
    if (node->origin && strpbrk(node->origin, "\n\r"))
        complain(v, node, "an origin is one line");
    if ((op->flags & OP_LEAF) && op->attrs && op->attr[0].kind == ATTR_STRING && node->attr[0].set) {
        const char *named = arena_printf(v->names.arena, "%s %s", op->name, node->attr[0].string);
        const char *key = intern_string(&v->names, named);
        if (map_get(&v->leaves, key))
            complain(v, node, "there are two leaves of the name \"%s\"", node->attr[0].string);
        map_set(&v->leaves, key, (void *)node);
    }
}

static void check_inputs(struct verifier *v, const struct node *node)
{
    for (uint32_t i = 0; i < node->inputs; i++) {
        const struct value *value = node->input[i];
        const struct node *writer = value ? map_get(&v->overwritten, value) : NULL;
        if (!value || !map_get(&v->defined, value))
            complain(v, node, "input %u (%%%s) is not defined above", i, value ? value->name : "?");
        else if (writer)
            complain(v, node, "%%%s is used behind the %s that overwrites it", value->name, writer->op->name);
    }
    if (node->op->flags & OP_IN_PLACE)
        for (uint32_t i = 0; i < node->outputs && i < node->inputs; i++)
            map_set(&v->overwritten, node->input[i], (void *)node);
}

static void check_outputs(struct verifier *v, const struct node *node)
{
    for (uint32_t i = 0; i < node->outputs; i++) {
        struct value *value = node->output[i];
        size_t before = v->names.count;
        intern_string(&v->names, arena_printf(v->names.arena, "%%%s", value->name));
        if (v->names.count == before)
            complain(v, node, "there are two values of the name %%%s", value->name);
        if (value->node != node || value->output != i)
            complain(v, node, "%%%s does not know its node", value->name);
        check_type(v, node, value);
        map_set(&v->defined, value, value);
    }
}

/* The type that a role asks for; rank ~0u: any. */
static const struct tensor_type role_types[] = {
    [RESULT_OUTPUT] = {.rank = ~0u},
    [RESULT_LOGITS] = {.rank = ~0u},
    [RESULT_LOSS] = {.dtype = DT_F32},
    [RESULT_EXAMPLE_LOSS] = {.dtype = DT_F32, .rank = 1, .dim = {DIM_N}},
    [RESULT_EXAMPLE_WEIGHT] = {.dtype = DT_F32, .rank = 1, .dim = {DIM_N}},
    [RESULT_METRIC] = {.dtype = DT_I32, .rank = 1, .dim = {DIM_N}},
    [RESULT_INPUT_GRADIENT] = {.rank = ~0u},
    [RESULT_GRADIENT] = {.rank = ~0u},
    [RESULT_UPDATE] = {.rank = ~0u},
};

static void check_result(struct verifier *v, const struct result *result)
{
    const struct tensor_type *want = &role_types[result->role];
    if (!result->value || !map_get(&v->defined, result->value)) {
        diag_error(v->diags, (struct span){0}, "the result \"%s\" of the graph @%s is not defined", result->name,
                   v->graph->name);
        v->ok = false;
    } else if (want->rank != ~0u && !type_equal(want, &result->value->type)) {
        struct text types[2];
        for (size_t i = 0; i < 2; i++) {
            text_init(&types[i], v->diags->arena);
            type_print(i ? want : &result->value->type, &types[i]);
        }
        complain(v, result->value->node, "%%%s is %s, but the %s \"%s\" must be %s", result->value->name,
                 text_string(&types[0]), result_role_name(result->role), result->name, text_string(&types[1]));
    } else if (map_get(&v->overwritten, result->value)) {
        complain(v, result->value->node, "%%%s is returned, but overwritten before", result->value->name);
    }
}

bool graph_verify(const struct graph *graph, struct diag_list *diags)
{
    struct verifier v = {.graph = graph, .diags = diags, .ok = true};
    map_init(&v.defined, diags->arena);
    map_init(&v.overwritten, diags->arena);
    map_init(&v.leaves, diags->arena);
    interner_init(&v.names, diags->arena);
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *node = graph->nodes.at[i];
        check_op(&v, node);
        check_inputs(&v, node);
        check_outputs(&v, node);
    }
    for (size_t i = 0; i < graph->results.count; i++)
        check_result(&v, &graph->results.at[i]);
    return v.ok;
}
