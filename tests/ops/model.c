/* Loading and running the tests' models. */
#include "model.h"
#include "build.h"
#include "lang.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xent/model.h>

/* Prints what went wrong. */
static void scratch_report(struct scratch *s, const char *where)
{
    fprintf(stderr, "%s:\n%s", where, scratch_messages(s));
}

uint64_t chance_below(struct chance *chance, uint64_t end)
{
    uint64_t z = chance->state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % end;
}

/* Uniform in [-1, 1). */
static double chance_next(struct chance *chance)
{
    return (double)(float)((double)chance_below(chance, 1u << 24) / (1 << 23) - 1);
}

char **model_list(struct arena *arena, size_t *out_count)
{
    size_t nets, graphs;
    char **net = golden_list(arena, XENT_SOURCE_DIR "/tests/ops/models", ".net", &nets);
    char **xir = golden_list(arena, XENT_SOURCE_DIR "/tests/ops/models", ".xir", &graphs);
    char **all = ARENA_ARRAY(arena, char *, nets + graphs);
    for (size_t i = 0; i < nets + graphs; i++)
        all[i] = i < nets ? net[i] : xir[i - nets];
    *out_count = nets + graphs;
    return all;
}

static struct graph *load(struct scratch *s, uint32_t file, bool is_graph)
{
    struct interner names;
    interner_init(&names, &s->arena);
    if (is_graph)
        return graph_parse(&s->arena, &s->diags, op_set(), file);
    struct ast_file *ast = lang_parse(&s->arena, &s->diags, &names, file);
    struct model_ir *model = ast ? build_model(&s->arena, &s->diags, ast, op_set()) : NULL;
    return model ? model->graph : NULL;
}

struct graph *model_load(struct scratch *s, const char *path)
{
    struct graph *graph = load(s, golden_source(&s->map, &s->arena, path), strstr(path, ".xir"));
    if (!graph)
        scratch_report(s, path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
    return graph;
}

struct graph *model_text(struct scratch *s, const char *name, const char *text)
{
    struct graph *graph = load(s, source_add(&s->map, name, text, strlen(text)), false);
    if (!graph)
        scratch_report(s, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
    return graph;
}

/* ---- values ---- */

static bool is_data(const struct node *node)
{
    return op_is(node, "input") || op_is(node, "target");
}

/* Probabilities of an example add up to 1. */
static void make_distributions(struct leaf *leaf)
{
    int64_t classes = leaf->type->classes;
    for (int64_t m = 0; m < leaf->elements / classes; m++) {
        double sum = 0;
        for (int64_t c = 0; c < classes; c++)
            sum += leaf->data[m * classes + c] = (leaf->data[m * classes + c] + 1) / 2;
        for (int64_t c = 0; c < classes; c++)
            leaf->data[m * classes + c] = (double)(float)(leaf->data[m * classes + c] / sum);
    }
}

struct leaf *values_find(const struct values *values, const char *name)
{
    for (size_t i = 0; i < values->leaves.count; i++)
        if (strcmp(values->leaves.at[i].name, name) == 0)
            return &values->leaves.at[i];
    return NULL;
}

/* Half of them are 0. */
static uint64_t some_byte(struct chance *chance)
{
    return chance_below(chance, 2) * chance_below(chance, 256);
}

void values_random(struct scratch *s, const struct graph *graph, int64_t examples, uint64_t seed, struct values *inout)
{
    struct chance chance = {seed + inout->leaves.count};
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *node = graph->nodes.at[i];
        if (!(node->op->flags & OP_LEAF) || values_find(inout, node_attr(node, "name")->string))
            continue;
        struct leaf leaf = {.name = node_attr(node, "name")->string, .type = &node->output[0]->type};
        leaf.elements = type_elements(leaf.type) * (is_data(node) ? examples : 1);
        leaf.data = ARENA_ARRAY(&s->arena, double, (size_t)leaf.elements);
        for (int64_t k = 0; k < leaf.elements; k++)
            leaf.data[k] = leaf.type->dtype == DT_U8      ? (double)some_byte(&chance)
                           : leaf.type->dtype == DT_CLASS ? (double)chance_below(&chance, (uint64_t)leaf.type->classes)
                                                          : chance_next(&chance);
        if (leaf.type->dtype == DT_PROB)
            make_distributions(&leaf);
        vec_push(&s->arena, &inout->leaves, leaf);
    }
}

/* ---- runs ---- */

struct pass_context model_passes(struct scratch *s, const struct graph *model, enum entry_kind entry,
                                 const struct optimizer_config *optimizer, int64_t batch, const char *names)
{
    static const struct ktarget target = {
        .lanes = 16, .registers = 32, .fma = true, .masks = true, .l1_bytes = 32768, .l2_bytes = 1 << 20};
    const struct pass *passes[32];
    size_t count = 0;
    char *copy = arena_strdup(&s->arena, names), *rest = NULL;
    for (char *name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        passes[count++] = pass_named(name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(passes[count - 1]);
    }
    struct pass_context context = {.arena = &s->arena, .diags = &s->diags, .entry = entry, .batch = batch,
                                   .target = &target};
    context.learns = entry == ENTRY_STEP || entry == ENTRY_GRADIENT;
    context.graph = graph_clone(&s->arena, model, model->name);
    if (optimizer)
        context.optimizer = *optimizer;
    bool ok = pass_run(&context, passes, count, NULL, NULL);
    if (!ok)
        scratch_report(s, model->name);
    CU_ASSERT_TRUE_FATAL(ok);
    return context;
}

struct reference *model_reference(struct scratch *s, const struct graph *graph, const struct values *values,
                                  const int32_t *pick, int64_t examples, const struct reference_scalars *scalars)
{
    size_t count = values->leaves.count;
    struct reference_binding *bindings = ARENA_ARRAY(&s->arena, struct reference_binding, count);
    for (size_t i = 0; i < count; i++) {
        const struct leaf *leaf = &values->leaves.at[i];
        bindings[i] = (struct reference_binding){leaf->name, leaf->data};
        if (leaf->type->rank == 0 || leaf->type->dim[0] != DIM_N || !pick)
            continue;
        int64_t row = type_elements(leaf->type);
        double *rows = ARENA_ARRAY(&s->arena, double, (size_t)(row * examples));
        for (int64_t m = 0; m < examples; m++)
            memcpy(rows + m * row, leaf->data + pick[m] * row, (size_t)row * sizeof *rows);
        bindings[i].data = rows;
    }
    struct reference *reference = reference_run(graph, examples, bindings, count, scalars);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reference);
    return reference;
}

static const void *feed_data(struct scratch *s, const struct leaf *leaf)
{
    size_t count = (size_t)leaf->elements;
    uint8_t *bytes = ARENA_ARRAY(&s->arena, uint8_t, count);
    int32_t *ints = ARENA_ARRAY(&s->arena, int32_t, count);
    float *floats = ARENA_ARRAY(&s->arena, float, count);
    for (size_t i = 0; i < count; i++) {
        floats[i] = (float)leaf->data[i];
        ints[i] = leaf->type->dtype == DT_CLASS ? (int32_t)leaf->data[i] : 0;
        bytes[i] = leaf->type->dtype == DT_U8 ? (uint8_t)leaf->data[i] : 0;
    }
    if (leaf->type->dtype == DT_U8)
        return bytes;
    return leaf->type->dtype == DT_CLASS ? (const void *)ints : floats;
}

static void next_index(int64_t *index, const int64_t *extent, uint32_t rank)
{
    for (uint32_t d = rank; d-- > 0;) {
        if (++index[d] < extent[d])
            return;
        index[d] = 0;
    }
}

static void write_state(char *arena, const struct lowered_state *state, const struct leaf *leaf)
{
    int64_t index[KERNEL_MAX_RANK] = {0};
    for (int64_t i = 0; i < leaf->elements; i++) {
        float *base = (float *)(void *)(arena + state->var->offset);
        base[klayout_address(&state->var->layout, index)] = (float)leaf->data[i];
        next_index(index, state->var->extent, state->var->rank);
    }
}

static void fill_scalars(const struct kprogram *program, int64_t live, const struct reference_scalars *from,
                         union xent_scalar *out)
{
    static const struct reference_scalars none;
    from = from ? from : &none;
    for (size_t i = 0; i < program->scalars.count; i++) {
        const char *name = program->scalars.at[i]->name;
        if (strcmp(name, "live") == 0)
            out[i].i = (int32_t)live;
        else if (strcmp(name, "first") == 0)
            out[i].i = from->first;
        else
            out[i].f = (float)(strcmp(name, "lr") == 0         ? from->lr
                               : strcmp(name, "momentum") == 0 ? from->momentum
                               : strcmp(name, "dampening") == 0 ? from->dampening
                                                                : from->weight_decay);
    }
}

void *model_interpret(struct scratch *s, const struct pass_context *context, const struct values *values,
                      const int32_t *pick, int64_t live, const struct reference_scalars *scalars)
{
    const struct lowered *lowered = context->lowered;
    size_t bytes = (size_t)(context->program->arena_bytes + 63) / 64 * 64;
    char *arena = aligned_alloc(64, bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(arena);
    memset(arena, 0xff, bytes); /* NaN everywhere: what is read was written */
    for (size_t i = 0; i < lowered->states.count; i++)
        write_state(arena, &lowered->states.at[i], values_find(values, lowered->states.at[i].name));
    const void *data[XENT_MAX_DATA] = {0};
    int32_t *lanes = ARENA_ARRAY(&s->arena, int32_t, (size_t)lowered->capacity);
    memcpy(lanes, pick, (size_t)live * sizeof *lanes);
    for (size_t i = 0; i < lowered->feeds.count; i++)
        data[i] = lowered->feeds.at[i].type ? feed_data(s, values_find(values, lowered->feeds.at[i].name)) : lanes;
    union xent_scalar scalar[XENT_MAX_SCALARS];
    fill_scalars(context->program, live, scalars, scalar);
    struct kinterpreter *interpreter = kernel_interpreter_create(context->program);
    CU_ASSERT_PTR_NOT_NULL_FATAL(interpreter);
    kernel_interpret(interpreter, arena, data, scalar);
    kernel_interpreter_destroy(interpreter);
    return arena;
}

double result_at(const struct lowered_result *result, const void *arena, const int64_t *index)
{
    const char *at = (const char *)arena + result->var->offset;
    int64_t address = klayout_address(&result->layout, index);
    return result->var->type == KT_F32 ? (double)((const float *)(const void *)at)[address]
                                       : (double)((const int32_t *)(const void *)at)[address];
}
