/* Construction and rewriting of graphs. Nodes stay in an order that can be executed as long as callers insert them
 * behind their inputs; graph_verify checks it. */
#include "graph.h"
#include "map.h"

#include <assert.h>
#include <string.h>

struct graph *graph_create(struct arena *arena, const struct op_set *ops, const char *name)
{
    struct graph *graph = ARENA_NEW(arena, struct graph);
    *graph = (struct graph){.name = arena_strdup(arena, name), .arena = arena, .ops = ops};
    interner_init(&graph->names, arena);
    return graph;
}

const struct op_info *graph_op(const struct graph *graph, const char *name)
{
    for (uint32_t i = 0; i < graph->ops->count; i++)
        if (strcmp(graph->ops->info[i]->name, name) == 0)
            return graph->ops->info[i];
    return NULL;
}

bool op_is(const struct node *node, const char *name)
{
    return strcmp(node->op->name, name) == 0;
}

static struct node *insert_at(struct graph *graph, size_t at, const struct op_info *op, uint32_t inputs,
                              struct value *const *input)
{
    assert(inputs <= GRAPH_MAX_INPUTS && op->outputs <= GRAPH_MAX_OUTPUTS && op->attrs <= GRAPH_MAX_ATTRS);
    struct node *node = ARENA_NEW(graph->arena, struct node);
    node->op = op;
    node->inputs = inputs;
    node->outputs = op->outputs;
    for (uint32_t i = 0; i < inputs; i++)
        node->input[i] = input[i];
    for (uint32_t i = 0; i < op->outputs; i++) {
        struct value *value = node->output[i] = ARENA_NEW(graph->arena, struct value);
        value->node = node;
        value->output = i;
        graph_name_value(graph, value, arena_printf(graph->arena, "%u", graph->next_number++));
    }
    vec_push(graph->arena, &graph->nodes, NULL);
    memmove(graph->nodes.at + at + 1, graph->nodes.at + at, (graph->nodes.count - 1 - at) * sizeof *graph->nodes.at);
    graph->nodes.at[at] = node;
    return node;
}

static size_t position_of(const struct graph *graph, const struct node *node)
{
    size_t i = 0;
    while (i < graph->nodes.count && graph->nodes.at[i] != node)
        i++;
    assert(i < graph->nodes.count);
    return i;
}

struct node *graph_add(struct graph *graph, const struct op_info *op, uint32_t inputs, struct value *const *input)
{
    return insert_at(graph, graph->nodes.count, op, inputs, input);
}

struct node *graph_add_named(struct graph *graph, const char *op, uint32_t inputs, struct value *const *input)
{
    const struct op_info *info = graph_op(graph, op);
    assert(info);
    return graph_add(graph, info, inputs, input);
}

struct node *graph_insert_before(struct graph *graph, struct node *place, const struct op_info *op, uint32_t inputs,
                                 struct value *const *input)
{
    return insert_at(graph, position_of(graph, place), op, inputs, input);
}

struct node *graph_insert_after(struct graph *graph, struct node *place, const struct op_info *op, uint32_t inputs,
                                struct value *const *input)
{
    return insert_at(graph, position_of(graph, place) + 1, op, inputs, input);
}

void graph_remove(struct graph *graph, struct node *node)
{
    for (uint32_t i = 0; i < node->outputs; i++)
        assert(graph_count_uses(graph, node->output[i]) == 0);
    size_t at = position_of(graph, node);
    memmove(graph->nodes.at + at, graph->nodes.at + at + 1, (graph->nodes.count - at - 1) * sizeof *graph->nodes.at);
    graph->nodes.count--;
}

void graph_replace_uses(struct graph *graph, struct value *old, struct value *by)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        for (uint32_t k = 0; k < graph->nodes.at[i]->inputs; k++)
            if (graph->nodes.at[i]->input[k] == old)
                graph->nodes.at[i]->input[k] = by;
    for (size_t i = 0; i < graph->results.count; i++)
        if (graph->results.at[i].value == old)
            graph->results.at[i].value = by;
}

size_t graph_count_uses(const struct graph *graph, const struct value *value)
{
    size_t uses = 0;
    for (size_t i = 0; i < graph->nodes.count; i++)
        for (uint32_t k = 0; k < graph->nodes.at[i]->inputs; k++)
            uses += graph->nodes.at[i]->input[k] == value;
    for (size_t i = 0; i < graph->results.count; i++)
        uses += graph->results.at[i].value == value;
    return uses;
}

struct graph *graph_clone(struct arena *arena, const struct graph *graph, const char *name)
{
    struct graph *copy = graph_create(arena, graph->ops, name);
    copy->span = graph->span;
    struct pointer_map twin;
    map_init(&twin, arena);
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *from = graph->nodes.at[i];
        struct node *node = ARENA_NEW(arena, struct node);
        *node = *from;
        for (uint32_t k = 0; k < node->inputs; k++)
            node->input[k] = map_get(&twin, from->input[k]);
        for (uint32_t k = 0; k < node->outputs; k++) {
            struct value *value = node->output[k] = ARENA_NEW(arena, struct value);
            *value = *from->output[k];
            value->node = node;
            value->name = intern_string(&copy->names, value->name);
            map_set(&twin, from->output[k], value);
        }
        vec_push(arena, &copy->nodes, node);
    }
    for (size_t i = 0; i < graph->results.count; i++) {
        struct result result = graph->results.at[i];
        result.value = map_get(&twin, result.value);
        vec_push(arena, &copy->results, result);
    }
    copy->next_number = graph->next_number;
    return copy;
}

void graph_name_value(struct graph *graph, struct value *value, const char *name)
{
    size_t before = graph->names.count;
    value->name = intern_string(&graph->names, name);
    for (uint32_t suffix = 2; graph->names.count == before; suffix++)
        value->name = intern_string(&graph->names, arena_printf(graph->arena, "%s_%u", name, suffix));
}

void graph_add_result(struct graph *graph, enum result_role role, const char *name, struct value *value)
{
    vec_push(graph->arena, &graph->results, (struct result){role, arena_strdup(graph->arena, name), value});
}

const struct result *graph_result(const struct graph *graph, enum result_role role)
{
    for (size_t i = 0; i < graph->results.count; i++)
        if (graph->results.at[i].role == role)
            return &graph->results.at[i];
    return NULL;
}

bool type_equal(const struct tensor_type *a, const struct tensor_type *b)
{
    return a->dtype == b->dtype && a->rank == b->rank && a->classes == b->classes &&
           memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0;
}

int64_t type_elements(const struct tensor_type *type)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < type->rank; i++)
        if (type->dim[i] != DIM_N && __builtin_mul_overflow(count, type->dim[i], &count))
            return -1;
    return count;
}
