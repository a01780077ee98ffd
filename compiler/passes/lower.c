/* Needs: `fuse`, a batch size. Leaves behind: context->program, complete and correct: kernels, a buffer for every value
 * between them, calls in an order with as few steps as possible, a barrier after each call (place_barriers keeps those
 * that are needed), every buffer at a place of its own (plan_memory lets them share); and context->lowered.
 *
 * A kernel is called as soon as all that it reads is there, and an update behind all that read the old weights: calls
 * that do not depend on each other stand side by side, and the barriers between are as few as the longest chain. */
#include "lower.h"
#include "lower_places.h"
#include "passes.h"
#include "schedule.h"

#include <assert.h>
#include <string.h>

enum { LARGEST_BATCH = 1 << 24 }; /* with 2^31 features: no size overflows */

struct group { /* of nodes: a kernel */
    const char *name;
    VEC(const struct node *) nodes;
    VEC(struct group *) behind; /* these must be called before */
    uint32_t level;             /* length of the longest chain before it; UINT32_MAX: not yet known */
    enum { UNSEEN, OPEN, DONE } seen;
    struct kcall call;
};
struct lowerer {
    struct pass_context *context;
    struct places places;
    VEC(struct group *) groups; /* in the order of their first nodes */
};

/* ---- groups and their order ---- */

static struct group *group_of(const struct lowerer *l, const struct node *node)
{
    for (size_t i = 0; node->kernel && i < l->groups.count; i++)
        if (strcmp(l->groups.at[i]->name, node->kernel) == 0)
            return l->groups.at[i];
    return NULL;
}

static void must_follow(struct lowerer *l, struct group *later, struct group *earlier)
{
    if (earlier && earlier != later)
        vec_push(l->context->arena, &later->behind, earlier);
}

static void collect_groups(struct lowerer *l)
{
    const struct graph *graph = l->context->graph;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *node = graph->nodes.at[i];
        if (node->op->flags & (OP_LEAF | OP_VIEW))
            continue;
        struct group *group = group_of(l, node);
        if (!group) {
            group = ARENA_NEW(l->context->arena, struct group);
            group->name = node->kernel;
            group->level = UINT32_MAX;
            vec_push(l->context->arena, &l->groups, group);
        }
        vec_push(l->context->arena, &group->nodes, node);
    }
}

static void collect_dependences(struct lowerer *l, struct group *group, const struct node *node)
{
    const struct graph *graph = l->context->graph;
    for (uint32_t k = 0; k < node->inputs; k++) {
        const struct value *value = node->input[k];
        while (value->node->op->flags & OP_VIEW)
            value = value->node->input[0];
        must_follow(l, group, group_of(l, value->node));
    }
    for (uint32_t k = 0; (node->op->flags & OP_IN_PLACE) && k < node->outputs; k++)
        for (size_t i = 0; i < graph->nodes.count; i++)
            for (uint32_t j = 0; j < graph->nodes.at[i]->inputs; j++)
                if (graph->nodes.at[i]->input[j] == node->input[k])
                    must_follow(l, group, group_of(l, graph->nodes.at[i]));
}

/* In a text kernels may read each other's values. True for those, and for what reads theirs. */
static bool waits_forever(struct group *group)
{
    if (group->seen != UNSEEN)
        return group->seen == OPEN;
    group->seen = OPEN;
    for (size_t i = 0; i < group->behind.count; i++)
        if (waits_forever(group->behind.at[i]))
            return true;
    group->seen = DONE;
    return false;
}

static uint32_t level_of(struct group *group)
{
    if (group->level != UINT32_MAX)
        return group->level;
    uint32_t level = 0;
    for (size_t i = 0; i < group->behind.count; i++) {
        uint32_t before = level_of(group->behind.at[i]);
        if (before + 1 > level)
            level = before + 1;
    }
    return group->level = level;
}

/* ---- kernels ---- */

static struct lower_place find_place(void *context, const struct value *value)
{
    const struct places *places = context;
    const struct kvar *var = places_find(places, value);
    return (struct lower_place){var, var && var->place == KP_DATA ? places->pick : NULL};
}

static const struct kvar *make_scratch(void *context, const char *name, enum ktype type, uint32_t rank,
                                       const int64_t *extent)
{
    return places_scratch(context, name, type, rank, extent);
}

static const struct kvar *make_table(void *context, const char *name, int64_t count, const float *value)
{
    return places_table(context, name, count, value);
}

static void add_span(struct arena *arena, struct kernel *kernel, struct span span)
{
    for (size_t i = 0; i < kernel->spans.count; i++)
        if (memcmp(&kernel->spans.at[i], &span, sizeof span) == 0)
            return;
    if (span.file)
        vec_push(arena, &kernel->spans, span);
}

static void lower_group(struct lowerer *l, struct group *group)
{
    struct kprogram *program = l->places.program;
    struct kernel *kernel = ARENA_NEW(program->arena, struct kernel);
    kernel->name = group->name;
    for (size_t i = 0; i < group->nodes.count; i++)
        add_span(program->arena, kernel, group->nodes.at[i]->span);
    struct lowering lowering = {.arena = program->arena,
                                .program = program,
                                .kernel = kernel,
                                .graph = l->context->graph,
                                .capacity = l->places.lowered->capacity,
                                .place = find_place,
                                .scratch = make_scratch,
                                .table = make_table,
                                .context = &l->places};
    lower_kernel(&lowering, group->nodes.at, group->nodes.count);
    group->call.kernel = kernel;
    group->call.argument = ARENA_ARRAY(program->arena, const struct kvar *, lowering.formals.count);
    for (size_t i = 0; i < lowering.formals.count; i++)
        group->call.argument[i] = lowering.formals.at[i].var;
    vec_push(program->arena, &program->kernels, kernel);
}

/* ---- scalars ---- */

static const struct kscalar *program_scalar(const struct kprogram *program, const char *name)
{
    for (size_t i = 0; i < program->scalars.count; i++)
        if (strcmp(program->scalars.at[i]->name, name) == 0)
            return program->scalars.at[i];
    return NULL;
}

static bool is_used(const struct kprogram *program, const char *name)
{
    for (size_t i = 0; i < program->kernels.count; i++)
        for (size_t k = 0; k < program->kernels.at[i]->scalars.count; k++)
            if (strcmp(program->kernels.at[i]->scalars.at[k]->name, name) == 0)
                return true;
    return false;
}

/* In the order of the model's ABI; those that no kernel reads do not exist, but `live` always does. */
static void add_scalars(struct kprogram *program, int64_t capacity)
{
    static const struct {
        const char *name;
        enum ktype type;
    } known[] = {{"live", KT_I32},      {"lr", KT_F32},           {"momentum", KT_F32},
                 {"dampening", KT_F32}, {"weight_decay", KT_F32}, {"first", KT_I32}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (i > 0 && !is_used(program, known[i].name))
            continue;
        struct kscalar *scalar = ARENA_NEW(program->arena, struct kscalar);
        *scalar = (struct kscalar){known[i].name, known[i].type, i == 0 ? capacity : 0,
                                   (uint32_t)program->scalars.count};
        vec_push(program->arena, &program->scalars, scalar);
    }
}

static void pass_scalars(struct kprogram *program, struct kcall *call)
{
    size_t count = call->kernel->scalars.count;
    call->scalar = ARENA_ARRAY(program->arena, const struct kscalar *, count);
    for (size_t i = 0; i < count; i++) {
        call->scalar[i] = program_scalar(program, call->kernel->scalars.at[i]->name);
        assert(call->scalar[i]);
    }
}

/* ---- results ---- */

/* [features…, N] seen as [N, features…] */
static void face_caller(struct lowered_result *result)
{
    const struct kvar *var = result->var;
    bool batched = result->type->rank > 0 && result->type->dim[0] == DIM_N;
    result->rank = var->rank;
    result->layout = var->layout;
    for (uint32_t d = 0; d < var->rank; d++)
        result->shape[batched ? (d + 1) % var->rank : d] = var->extent[d];
    for (uint32_t i = 0; batched && i < result->layout.count; i++)
        result->layout.digit[i].dim = (result->layout.digit[i].dim + 1) % var->rank;
}

static void add_results(struct lowerer *l)
{
    const struct graph *graph = l->context->graph;
    for (size_t i = 0; i < graph->results.count; i++) {
        const struct result *r = &graph->results.at[i];
        struct lowered_result result = {.role = r->role, .name = r->name, .type = &r->value->type};
        result.var = places_find(&l->places, r->value);
        assert(result.var);
        face_caller(&result);
        vec_push(l->context->arena, &l->places.lowered->results, result);
    }
}

/* Lists name places of the batch's memory, and groups have places of it, which a text may have wrong. */
static bool lists_fit(const struct pass_context *context, int64_t capacity)
{
    bool fit = true;
    for (size_t i = 0; i < context->graph->nodes.count; i++) {
        const struct node *node = context->graph->nodes.at[i];
        bool makes = op_is(node, "nonzero_inputs") || op_is(node, "nonzero_examples") || op_is(node, "group_bytes");
        bool sums = op_is(node, "conv2d_dw") || op_is(node, "conv2d_dw_each");
        const struct value *columns = op_is(node, "conv2d_zeros") ? node->input[3]
                                      : sums && node->inputs > 2  ? node->input[2]
                                                                  : NULL;
        int64_t groups = (capacity + KERNEL_TREE_GROUP - 1) / KERNEL_TREE_GROUP;
        bool fits = (!makes || node_int(node, "capacity") == capacity) &&
                    (!op_is(node, "linear_zeros") || node->input[1]->type.dim[0] == (capacity + 3) / 4) &&
                    (!columns || columns->type.dim[1] == groups) &&
                    (!op_is(node, "linear_zeros_dw") || node->input[2]->type.dim[1] == capacity + 1);
        if (!fits)
            diag_error(context->diags, node->span, "%s: it is not of a batch with places for %lld examples",
                       node->op->name, (long long)capacity);
        fit = fit && fits;
    }
    return fit;
}

/* A text may have been fused in part or not at all. */
static bool has_kernels(const struct pass_context *context)
{
    for (size_t i = 0; i < context->graph->nodes.count; i++) {
        const struct node *node = context->graph->nodes.at[i];
        if ((node->op->flags & (OP_LEAF | OP_VIEW)) || node->kernel)
            continue;
        diag_error(context->diags, node->span, "%s: it is in no kernel; the pass fuse, before lower, puts it in one",
                   node->op->name);
        return false;
    }
    return true;
}

/* ---- the pass ---- */

static void add_calls(struct lowerer *l)
{
    struct kprogram *program = l->places.program;
    uint32_t last = 0;
    for (size_t i = 0; i < l->groups.count; i++) {
        uint32_t level = level_of(l->groups.at[i]);
        last = level > last ? level : last;
    }
    for (uint32_t level = 0; level <= last; level++)
        for (size_t i = 0; i < l->groups.count; i++) {
            if (l->groups.at[i]->level != level)
                continue;
            if (program->calls.count > 0)
                vec_push(program->arena, &program->calls, (struct kcall){0});
            pass_scalars(program, &l->groups.at[i]->call);
            vec_push(program->arena, &program->calls, l->groups.at[i]->call);
        }
}

bool pass_lower(struct pass_context *context)
{
    struct arena *arena = context->arena;
    if (context->batch < 1 || context->batch > LARGEST_BATCH) {
        diag_error(context->diags, (struct span){0}, "a batch has from 1 to %d examples, not %lld", LARGEST_BATCH,
                   (long long)context->batch);
        return false;
    }
    if (!has_kernels(context))
        return false;
    struct kprogram *program = ARENA_NEW(arena, struct kprogram);
    struct lowered *lowered = ARENA_NEW(arena, struct lowered);
    program->name = context->graph->name;
    program->arena = arena;
    program->arith = context->target && !context->target->fma ? KARITH_MULADD : KARITH_FMA;
    lowered->batch = context->batch;
    lowered->plan = lower_plan(context);
    lowered->capacity = lowered->plan.capacity;
    if (!lists_fit(context, lowered->capacity))
        return false;
    program->note = lowered->plan.why;
    struct lowerer l = {.context = context};
    places_init(&l.places, context, program, lowered);
    collect_groups(&l);
    for (size_t i = 0; i < l.groups.count; i++)
        for (size_t k = 0; k < l.groups.at[i]->nodes.count; k++)
            collect_dependences(&l, l.groups.at[i], l.groups.at[i]->nodes.at[k]);
    for (size_t i = 0; i < l.groups.count; i++) {
        struct group *group = l.groups.at[i];
        if (waits_forever(group)) {
            diag_error(context->diags, group->nodes.at[0]->span,
                       "the kernel %s cannot be called: it and kernels whose values it reads wait for each other",
                       group->name);
            return false;
        }
        lower_group(&l, group);
    }
    for (size_t i = 0; i < context->graph->nodes.count; i++)
        program->flops += op_flops(context->graph->nodes.at[i], context->batch);
    add_scalars(program, lowered->capacity);
    add_calls(&l);
    add_results(&l);
    program->arena_bytes = l.places.next_byte;
    context->program = program;
    context->lowered = lowered;
    return true;
}
