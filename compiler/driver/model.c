/* The model that the entries' programs make together: one numbering of the data slots, one place for the state, and the
 * tables of xent/model.h. Programs are planned one by one, and each knows only the state that it uses; here the state is
 * laid out once for all, so that a pass over the test set leaves parameters and momentum where they are. */
#include "compile.h"

#include <assert.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static int64_t align(int64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int64_t var_bytes(const struct kvar *var)
{
    return var->layout.elements * (var->type == KT_U8 || var->type == KT_BOOL ? 1 : 4);
}

static struct kvar *var_named(const struct kprogram *program, const char *name)
{
    for (size_t i = 0; i < program->vars.count; i++)
        if (!strcmp(program->vars.at[i]->name, name))
            return program->vars.at[i];
    return NULL;
}

static const char *leaf_name(const struct value *leaf)
{
    return node_attr(leaf->node, "name")->string;
}

/* ---- data ---- */

enum { SLOT_INPUT, SLOT_PICK, SLOT_TARGET };

static void number_slots(const struct xent_compilation *c, const struct kprogram *program)
{
    for (size_t i = 0; i < program->vars.count; i++) {
        struct kvar *var = program->vars.at[i];
        if (var->place != KP_DATA)
            continue;
        if (!strcmp(var->name, c->ir->input->name))
            var->slot = SLOT_INPUT;
        else if (c->ir->target && !strcmp(var->name, c->ir->target->name))
            var->slot = SLOT_TARGET;
        else
            var->slot = SLOT_PICK;
    }
}

static void describe_feeds(struct xent_compilation *c)
{
    const struct model_ir *ir = c->ir;
    const struct tensor_type *in = &ir->input->type;
    struct xent_feed *feed = ARENA_ARRAY(&c->arena, struct xent_feed, 3);
    feed[SLOT_INPUT] = (struct xent_feed){
        .name = leaf_name(ir->input),
        .kind = XENT_FEED_INPUT,
        .dtype = in->dtype == DT_U8 ? XENT_U8 : XENT_F32,
        .rank = in->rank - 1,
    };
    for (uint32_t d = 1; d < in->rank; d++)
        feed[SLOT_INPUT].shape[d - 1] = in->dim[d];
    feed[SLOT_PICK] = (struct xent_feed){.name = "pick", .kind = XENT_FEED_PICK, .dtype = XENT_I32};
    if (ir->target) {
        const struct tensor_type *type = &ir->target->type;
        bool prob = type->dtype == DT_PROB;
        feed[SLOT_TARGET] = (struct xent_feed){
            .name = leaf_name(ir->target),
            .kind = prob ? XENT_FEED_PROB_TARGET : XENT_FEED_CLASS_TARGET,
            .dtype = prob ? XENT_F32 : XENT_I32,
            .rank = prob,
            .classes = (uint32_t)type->classes,
            .shape = {prob ? type->classes : 0},
            .ignore_index = ir->has_ignore_index && ir->ignore_index >= INT32_MIN && ir->ignore_index <= INT32_MAX
                                ? (int32_t)ir->ignore_index
                                : INT32_MIN,
        };
    }
    c->model.feed = feed;
    c->model.feeds = ir->target ? 3 : 2;
}

/* ---- tensors ---- */

/* `batched`: the var has the batch as its last dimension, the tensor as its first. */
static struct xent_tensor describe(const struct kvar *var, const char *name, enum xent_role role, bool batched)
{
    static const uint32_t dtypes[] = {[KT_F32] = XENT_F32, [KT_I32] = XENT_I32, [KT_U8] = XENT_U8, [KT_BOOL] = XENT_U8};
    struct xent_tensor tensor = {
        .name = name,
        .role = role,
        .dtype = dtypes[var->type],
        .rank = var->rank,
        .digits = var->layout.count,
        .offset = (uint64_t)var->offset,
        .bytes = (uint64_t)var_bytes(var),
    };
    uint32_t turn = batched && var->rank ? 1 : 0;
    for (uint32_t d = 0; d < var->rank; d++)
        tensor.shape[(d + turn) % var->rank] = var->extent[d];
    for (uint32_t i = 0; i < var->layout.count; i++) {
        const struct kdigit *digit = &var->layout.digit[i];
        tensor.digit[i] = (struct xent_digit){(digit->dim + turn) % var->rank, digit->div, digit->mod, 0, digit->stride};
    }
    return tensor;
}

/* ---- state ---- */

struct state {
    const struct kvar *var; /* of the first entry that has it */
    struct xent_tensor tensor;
};
struct state_list {
    VEC(struct state) list;
};

static bool same_layout(const struct klayout *a, const struct klayout *b)
{
    if (a->count != b->count || a->elements != b->elements)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->digit[i].dim != b->digit[i].dim || a->digit[i].div != b->digit[i].div ||
            a->digit[i].mod != b->digit[i].mod || a->digit[i].stride != b->digit[i].stride)
            return false;
    return true;
}

static void add_state(struct xent_compilation *c, struct state_list *states, const struct node *leaf, enum xent_role role)
{
    const char *name = leaf_name(leaf->output[0]);
    struct state state = {0};
    for (size_t e = 0; e < c->count; e++) {
        const struct kvar *var = var_named(c->entries[e].context.program, leaf->output[0]->name);
        if (!var || var->place != KP_STATE)
            continue;
        assert(!state.var || same_layout(&state.var->layout, &var->layout));
        state.var = state.var ? state.var : var;
    }
    if (!state.var) { /* no entry reads it, but it is saved and loaded: dense */
        struct kvar *var = ARENA_NEW(&c->arena, struct kvar);
        const struct tensor_type *type = &leaf->output[0]->type;
        *var = (struct kvar){.name = leaf->output[0]->name, .type = KT_F32, .rank = type->rank, .place = KP_STATE};
        memcpy(var->extent, type->dim, sizeof type->dim);
        var->layout = klayout_dense(var->rank, var->extent);
        state.var = var;
    }
    state.tensor = describe(state.var, name, role, false);
    if (role == XENT_ROLE_PARAMETER) {
        state.tensor.init_bound = (float)node_float(leaf, "bound");
        state.tensor.init_stream = (uint32_t)states->list.count;
    }
    vec_push(&c->arena, &states->list, state);
}

/* Parameters in the source's order, then what the optimizer keeps. */
static void collect_state(struct xent_compilation *c, struct state_list *states)
{
    const struct graph *graph = c->ir->graph;
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (op_is(graph->nodes.at[i], "param"))
            add_state(c, states, graph->nodes.at[i], XENT_ROLE_PARAMETER);
    for (size_t e = 0; e < c->count; e++) {
        graph = c->entries[e].context.graph;
        for (size_t i = 0; c->entries[e].kind == ENTRY_STEP && i < graph->nodes.count; i++)
            if (op_is(graph->nodes.at[i], "state"))
                add_state(c, states, graph->nodes.at[i], XENT_ROLE_OPTIMIZER);
    }
}

/* Puts the state where `states` says, and the program's scratch behind it. */
static int64_t place_program(struct kprogram *program, const struct state_list *states, int64_t state_bytes)
{
    int64_t lowest = INT64_MAX, end = state_bytes;
    for (size_t i = 0; i < program->vars.count; i++)
        if (program->vars.at[i]->place == KP_ARENA && program->vars.at[i]->offset < lowest)
            lowest = program->vars.at[i]->offset;
    for (size_t i = 0; i < program->vars.count; i++) {
        struct kvar *var = program->vars.at[i];
        if (var->place == KP_ARENA)
            var->offset += state_bytes - lowest / ALIGNMENT * ALIGNMENT;
        for (size_t k = 0; var->place == KP_STATE && k < states->list.count; k++)
            if (!strcmp(states->list.at[k].var->name, var->name))
                var->offset = (int64_t)states->list.at[k].tensor.offset;
        if (var->place != KP_DATA && align(var->offset + var_bytes(var)) > end)
            end = align(var->offset + var_bytes(var));
    }
    program->arena_bytes = end;
    return end;
}

static void place_state(struct xent_compilation *c)
{
    struct state_list states = {0};
    collect_state(c, &states);
    int64_t bytes = 0;
    struct xent_tensor *tensor = ARENA_ARRAY(&c->arena, struct xent_tensor, states.list.count);
    for (size_t i = 0; i < states.list.count; i++) {
        states.list.at[i].tensor.offset = (uint64_t)bytes;
        tensor[i] = states.list.at[i].tensor;
        bytes = align(bytes + (int64_t)tensor[i].bytes);
    }
    c->model.state = tensor;
    c->model.states = (uint32_t)states.list.count;
    c->model.arena_align = ALIGNMENT;
    c->model.arena_bytes = (uint64_t)bytes;
    for (size_t e = 0; e < c->count; e++) {
        uint64_t end = (uint64_t)place_program(c->entries[e].context.program, &states, bytes);
        if (end > c->model.arena_bytes)
            c->model.arena_bytes = end;
    }
}

/* ---- entries ---- */

static const struct {
    bool shown;
    enum xent_role role;
} shown_results[] = {
    [RESULT_OUTPUT] = {true, XENT_ROLE_OUTPUT},
    [RESULT_LOGITS] = {true, XENT_ROLE_LOGITS},
    [RESULT_LOSS] = {true, XENT_ROLE_LOSS},
    [RESULT_EXAMPLE_LOSS] = {true, XENT_ROLE_EXAMPLE_LOSS},
    [RESULT_EXAMPLE_WEIGHT] = {true, XENT_ROLE_EXAMPLE_WEIGHT},
    [RESULT_METRIC] = {true, XENT_ROLE_METRIC},
    [RESULT_INPUT_GRADIENT] = {true, XENT_ROLE_INPUT_GRADIENT},
    [RESULT_UPDATE] = {false, 0},
};

static struct xent_entry describe_entry(struct xent_compilation *c, const struct compiled_entry *compiled)
{
    const struct kprogram *program = compiled->context.program;
    const struct graph *graph = compiled->context.graph;
    struct xent_tensor *tensor = ARENA_ARRAY(&c->arena, struct xent_tensor, graph->results.count);
    uint32_t tensors = 0, capacity = c->batch;
    for (size_t i = 0; i < graph->results.count; i++) {
        const struct result *result = &graph->results.at[i];
        if ((size_t)result->role >= sizeof shown_results / sizeof *shown_results || !shown_results[result->role].shown)
            continue;
        const struct kvar *var = var_named(program, result->value->name);
        assert(var);
        tensor[tensors++] = describe(var, result->name, shown_results[result->role].role, result->value->type.rank > 0);
    }
    const char **names = ARENA_ARRAY(&c->arena, const char *, program->scalars.count);
    for (size_t i = 0; i < program->scalars.count; i++) {
        names[i] = program->scalars.at[i]->name;
        if (!strcmp(names[i], "live") && program->scalars.at[i]->limit)
            capacity = (uint32_t)program->scalars.at[i]->limit;
    }
    return (struct xent_entry){
        .name = entry_names[compiled->kind],
        .capacity = capacity,
        .batch = c->batch,
        .scalars = (uint32_t)program->scalars.count,
        .tensors = tensors,
        .scalar_names = names,
        .tensor = tensor,
        .flops = (uint64_t)program->flops,
    };
}

/* The numbers of the optimizer that the entry `step` asks for. */
static void choose_scalars(struct xent_compilation *c, const struct xent_entry *step)
{
    const struct train_config *train = &c->ir->train;
    const struct xent_scalar_value known[] = {
        {"lr", (float)train->lr},
        {"momentum", (float)train->momentum},
        {"dampening", (float)train->dampening},
        {"weight_decay", (float)train->weight_decay},
    };
    for (uint32_t i = 0; i < step->scalars; i++)
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (!strcmp(step->scalar_names[i], known[k].name))
                c->scalars[c->scalar_count++] = known[k];
}

void compile_join(struct xent_compilation *c)
{
    c->model.abi_version = XENT_ABI_VERSION;
    c->model.size = sizeof c->model;
    c->model.name = c->ir->graph->name;
    const struct result *loss = graph_result(c->ir->graph, RESULT_LOSS);
    c->model.reduction = loss ? (uint32_t)node_int(loss->value->node, "reduction") : UINT32_MAX;
    describe_feeds(c);
    for (size_t i = 0; i < c->count; i++)
        number_slots(c, c->entries[i].context.program);
    place_state(c);
    struct xent_entry *entry = ARENA_ARRAY(&c->arena, struct xent_entry, c->count);
    for (size_t i = 0; i < c->count; i++) {
        entry[i] = describe_entry(c, &c->entries[i]);
        if (c->entries[i].kind == ENTRY_STEP)
            choose_scalars(c, &entry[i]);
    }
    c->model.entry = entry;
    c->model.entries = (uint32_t)c->count;
}
