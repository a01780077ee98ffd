/* Which values lie in memory, where, and in which layout. */
#include "lower_places.h"
#include "lower.h"
#include "schedule.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

static const struct value *root_of(const struct value *value)
{
    while (value->node->op->flags & OP_VIEW)
        value = value->node->input[0];
    return value;
}

static bool is_batched(const struct value *value)
{
    return value->type.rank > 0 && value->type.dim[0] == DIM_N;
}

const struct kvar *places_find(const struct places *p, const struct value *value)
{
    return map_get(&p->var, value);
}

/* ---- buffers ---- */

static const char *unique_name(const struct places *p, const char *name)
{
    const char *stem = isdigit((unsigned char)name[0]) ? arena_printf(p->program->arena, "t%s", name) : name;
    const char *candidate = stem;
    for (int number = 2;; number++) {
        bool taken = false;
        for (size_t i = 0; i < p->program->vars.count; i++)
            taken = taken || strcmp(p->program->vars.at[i]->name, candidate) == 0;
        if (!taken)
            return candidate;
        candidate = arena_printf(p->program->arena, "%s.%d", stem, number);
    }
}

static struct kvar *add_var(struct places *p, const char *name, enum kplace place, enum ktype type, uint32_t rank,
                            const int64_t *extent)
{
    struct kvar *var = ARENA_NEW(p->program->arena, struct kvar);
    *var = (struct kvar){.name = unique_name(p, name), .type = type, .rank = rank, .place = place};
    for (uint32_t d = 0; d < rank; d++)
        var->extent[d] = extent[d];
    var->layout = klayout_dense(rank, extent);
    vec_push(p->program->arena, &p->program->vars, var);
    return var;
}

static void give_bytes(struct places *p, struct kvar *var)
{
    var->offset = p->next_byte;
    p->next_byte += lower_bytes(var);
}

/* ---- data sets ---- */

static struct kvar *add_data(struct places *p, const struct value *value, uint32_t slot)
{
    int64_t extent[KERNEL_MAX_RANK];
    for (uint32_t d = 0; d < value->type.rank; d++)
        extent[d] = d == 0 ? KERNEL_UNKNOWN : value->type.dim[d];
    struct kvar *var = add_var(p, value->name, KP_DATA, lower_type(value), value->type.rank, extent);
    var->slot = slot;
    return var;
}

/* What the loss on this target leaves out. */
static int32_t ignored(const struct graph *model, const struct value *target)
{
    for (size_t i = 0; i < model->nodes.count; i++) {
        const struct node *node = model->nodes.at[i];
        for (uint32_t k = 0; k < node->inputs && (node->op->flags & OP_LOSS); k++)
            if (node->input[k] == target)
                return (int32_t)node_int(node, "ignore_index");
    }
    return -100;
}

static const struct value *same_leaf(const struct graph *graph, const struct value *leaf)
{
    const char *name = node_attr(leaf->node, "name")->string;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *node = graph->nodes.at[i];
        if (node->op == leaf->node->op && strcmp(node_attr(node, "name")->string, name) == 0)
            return node->output[0];
    }
    return NULL;
}

static void add_feeds(struct places *p, const struct graph *model)
{
    static const char *const kinds[] = {"input", "target"};
    for (int kind = 0; kind < 2; kind++)
        for (size_t i = 0; i < model->nodes.count; i++) {
            const struct node *node = model->nodes.at[i];
            if (!op_is(node, kinds[kind]))
                continue;
            const struct value *leaf = node->output[0], *used = same_leaf(p->context->graph, leaf);
            struct kvar *var = add_data(p, leaf, (uint32_t)p->lowered->feeds.count);
            if (used)
                map_set(&p->var, used, var);
            vec_push(p->program->arena, &p->lowered->feeds,
                     (struct lowered_feed){node_attr(node, "name")->string, var, &leaf->type, ignored(model, leaf)});
        }
    struct kvar *pick = add_var(p, "pick", KP_DATA, KT_I32, 1, &p->lowered->capacity);
    pick->slot = (uint32_t)p->lowered->feeds.count;
    p->pick = pick;
    vec_push(p->program->arena, &p->lowered->feeds, (struct lowered_feed){.name = "pick", .var = pick});
}

/* ---- state ---- */

static struct klayout weight_layout(const struct places *p, const struct kvar *var)
{
    return p->plan.features ? lower_layout_outputs(var->rank, var->extent, &p->plan)
                            : lower_layout_weight(var->rank, var->extent);
}

/* `weight`: the parameter that it is, or that it is the optimizer's state of. */
static struct kvar *add_state(struct places *p, const struct value *leaf, const char *weight, bool optimizer,
                              uint32_t stream)
{
    const char *name = node_attr(leaf->node, "name")->string;
    struct kvar *var = add_var(p, name, KP_STATE, KT_F32, leaf->type.rank, leaf->type.dim);
    bool zeros = !p->plan.features && lower_skips_zeros(p->context, weight);
    var->layout = zeros ? lower_layout_zeros(var->rank, var->extent, &p->plan) : weight_layout(p, var);
    give_bytes(p, var);
    double bound = optimizer ? 0 : node_float(leaf->node, "bound");
    vec_push(p->program->arena, &p->lowered->states, (struct lowered_state){name, var, optimizer, bound, stream});
    return var;
}

static const char *updated_with(const struct graph *graph, const struct value *state)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        for (uint32_t k = 1; (graph->nodes.at[i]->op->flags & OP_IN_PLACE) && k < graph->nodes.at[i]->inputs; k++)
            if (graph->nodes.at[i]->input[k] == state)
                return node_attr(graph->nodes.at[i]->input[0]->node, "name")->string;
    return "";
}

/* Parameters, then momenta in the same order. Each entry leaves room for both. */
static void add_states(struct places *p, const struct graph *model)
{
    const struct graph *graph = p->context->graph;
    uint32_t parameters = 0;
    for (size_t i = 0; i < model->nodes.count; i++) {
        if (!op_is(model->nodes.at[i], "param"))
            continue;
        const struct value *leaf = model->nodes.at[i]->output[0], *used = same_leaf(graph, leaf);
        struct kvar *var = add_state(p, leaf, node_attr(leaf->node, "name")->string, false, parameters++);
        if (used)
            map_set(&p->var, used, var);
    }
    int64_t bytes = p->next_byte;
    uint32_t momenta = 0;
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (op_is(graph->nodes.at[i], "state")) {
            const struct value *leaf = graph->nodes.at[i]->output[0];
            map_set(&p->var, leaf, add_state(p, leaf, updated_with(graph, leaf), true, momenta++));
        }
    if (p->context->optimizer.momentum && p->next_byte < 2 * bytes)
        p->next_byte = 2 * bytes;
    p->lowered->state_bytes = p->next_byte;
}

/* ---- values ---- */

static bool is_needed(const struct graph *graph, const struct value *value)
{
    for (size_t i = 0; i < graph->results.count; i++)
        if (graph->results.at[i].value == value)
            return true;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *user = graph->nodes.at[i];
        for (uint32_t k = 0; k < user->inputs; k++) {
            if (user->input[k] != value)
                continue;
            if (user->op->flags & OP_VIEW) {
                if (is_needed(graph, user->output[0]))
                    return true;
            } else if ((value->node->op->flags & OP_VIEW) || strcmp(user->kernel, value->node->kernel) != 0) {
                return true;
            }
        }
    }
    return false;
}

/* Some shape in which this memory is seen has several feature dimensions. */
static bool is_image(const struct graph *graph, const struct value *root)
{
    if (root->type.rank > 2)
        return true;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *node = graph->nodes.at[i];
        if ((node->op->flags & OP_VIEW) && node->output[0]->type.rank > 2 && root_of(node->output[0]) == root)
            return true;
    }
    return false;
}

static bool is_viewed(const struct graph *graph, const struct value *root)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        if ((graph->nodes.at[i]->op->flags & OP_VIEW) && root_of(graph->nodes.at[i]->output[0]) == root)
            return true;
    return false;
}

static bool is_read_by(const struct graph *graph, const struct value *value, const char *op)
{
    for (size_t i = 0; i < graph->nodes.count; i++)
        for (uint32_t k = 0; op_is(graph->nodes.at[i], op) && k < graph->nodes.at[i]->inputs; k++)
            if (graph->nodes.at[i]->input[k] == value)
                return true;
    return false;
}

static struct klayout layout_of(const struct places *p, const struct value *value, const struct kvar *var)
{
    bool copy = op_is(root_of(value)->node, "relayout");
    if (!is_batched(value) && !(copy && p->plan.features))
        return weight_layout(p, var);
    if (!is_batched(value))
        return lower_layout_inputs(var->rank, var->extent);
    if (p->plan.features)
        return lower_layout_example(var->rank, var->extent, is_viewed(p->context->graph, root_of(value)));
    if (copy && is_read_by(p->context->graph, value, "linear_zeros_dw"))
        return lower_layout_zeros(var->rank, var->extent, &p->plan);
    if (copy)
        return lower_layout_features(var->rank, var->extent, p->lanes);
    return lower_layout_batch(var->rank, var->extent, is_image(p->context->graph, root_of(value)),
                              is_viewed(p->context->graph, root_of(value)), p->plan.panel);
}

static void place_value(struct places *p, const struct value *value)
{
    const struct node *node = value->node;
    if (node->op->flags & OP_IN_PLACE) {
        map_set(&p->var, value, map_get(&p->var, node->input[value->output]));
        return;
    }
    if (!is_needed(p->context->graph, value))
        return;
    const struct kvar *root = node->op->flags & OP_VIEW ? map_get(&p->var, root_of(value)) : NULL;
    if (root && root->place == KP_DATA) {
        map_set(&p->var, value, add_data(p, value, root->slot));
        return;
    }
    int64_t extent[KERNEL_MAX_RANK];
    uint32_t rank = lower_extents(value, p->lowered->capacity, extent);
    struct kvar *var = add_var(p, value->name, KP_ARENA, lower_type(value), rank, extent);
    var->layout = layout_of(p, value, var);
    if (root) {
        assert(root->layout.elements == var->layout.elements);
        var->offset = root->offset;
        vec_push(p->program->arena, &p->lowered->views, (struct lowered_view){var, root});
    } else {
        give_bytes(p, var);
    }
    map_set(&p->var, value, var);
}

const struct kvar *places_scratch(struct places *p, const char *name, enum ktype type, uint32_t rank,
                                  const int64_t *extent)
{
    struct kvar *var = add_var(p, name, KP_ARENA, type, rank, extent);
    give_bytes(p, var);
    return var;
}

const struct kvar *places_table(struct places *p, const char *name, int64_t count, const float *value)
{
    for (size_t i = 0; i < p->program->vars.count; i++) {
        const struct kvar *var = p->program->vars.at[i];
        if (var->place == KP_CONST && var->rank == 1 && var->extent[0] == count &&
            memcmp(var->value, value, (size_t)count * sizeof *value) == 0)
            return var;
    }
    struct kvar *var = add_var(p, name, KP_CONST, KT_F32, 1, &count);
    var->value = value;
    return var;
}

void places_init(struct places *p, struct pass_context *context, struct kprogram *program, struct lowered *lowered)
{
    *p = (struct places){.context = context, .program = program, .lowered = lowered};
    p->lanes = context->target ? context->target->lanes : 0;
    p->plan = lowered->plan;
    map_init(&p->var, program->arena);
    const struct graph *model = context->model ? context->model : context->graph;
    add_feeds(p, model);
    add_states(p, model);
    for (size_t i = 0; i < context->graph->nodes.count; i++) {
        const struct node *node = context->graph->nodes.at[i];
        for (uint32_t o = 0; o < node->outputs && !(node->op->flags & OP_LEAF); o++)
            place_value(p, node->output[o]);
    }
}
