/* Builds one kernel from the definitions that the rules make: which values are stored, which are lets, which go
 * straight into the one expression that reads them; buffers in the order of a call; unambiguous index names. */
#include "rules.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

/* ---- values as kernels see them ---- */

uint32_t lower_extents(const struct value *value, int64_t capacity, int64_t out[KERNEL_MAX_RANK])
{
    const struct tensor_type *type = &value->type;
    bool batched = type->rank > 0 && type->dim[0] == DIM_N;
    for (uint32_t d = batched; d < type->rank; d++)
        out[d - batched] = type->dim[d];
    if (batched)
        out[type->rank - 1] = capacity;
    return type->rank;
}

enum ktype lower_type(const struct value *value)
{
    switch (value->type.dtype) {
    case DT_U8: return KT_U8;
    case DT_I32: return max_pool2d_small(value) ? KT_U8 : KT_I32;
    case DT_CLASS: return KT_I32;
    default: return KT_F32;
    }
}

/* ---- names ---- */

static bool name_taken(const struct lowering *l, const char *name)
{
    for (size_t i = 0; i < l->formals.count; i++)
        if (strcmp(l->formals.at[i].buffer->name, name) == 0)
            return true;
    for (size_t i = 0; i < l->kernel->scalars.count; i++)
        if (strcmp(l->kernel->scalars.at[i]->name, name) == 0)
            return true;
    for (size_t i = 0; i < l->kernel->statements.count; i++) {
        const struct kstatement *s = l->kernel->statements.at[i];
        if (s->kind == KS_LET && strcmp(s->let->name, name) == 0)
            return true;
    }
    return false;
}

static const char *fresh_name(const struct lowering *l, const char *name)
{
    const char *candidate = name;
    for (int i = 2; name_taken(l, candidate); i++)
        candidate = arena_printf(l->arena, "%s%d", name, i);
    return candidate;
}

/* ---- buffers ---- */

static struct kbuffer *formal(struct lowering *l, const struct kvar *var, const char *name, enum kaccess access)
{
    for (size_t i = 0; i < l->formals.count; i++)
        if (l->formals.at[i].var == var)
            return l->formals.at[i].buffer;
    struct kbuffer *buffer = ARENA_NEW(l->arena, struct kbuffer);
    *buffer = (struct kbuffer){.name = fresh_name(l, name), .type = var->type, .access = access, .rank = var->rank};
    memcpy(buffer->extent, var->extent, sizeof buffer->extent);
    buffer->layout = var->layout;
    vec_push(l->arena, &l->formals, (struct lower_formal){buffer, var});
    return buffer;
}

static void store(struct lowering *l, const struct kbuffer *buffer, const struct kbuffer *buffer2,
                  struct kindex *const *index, struct kexpr *value)
{
    struct kstatement *s = ARENA_NEW(l->arena, struct kstatement);
    *s = (struct kstatement){.kind = KS_STORE, .buffer = buffer, .buffer2 = buffer2, .rank = buffer->rank,
                             .value = value};
    for (uint32_t d = 0; d < buffer->rank; d++)
        s->index[d] = index[d];
    s->span = l->node->span;
    vec_push(l->arena, &l->kernel->statements, s);
}

/* ---- definitions ---- */

static struct lower_definition *definition_of(struct lowering *l, const struct value *value)
{
    for (size_t i = 0; i < l->definitions.count; i++)
        if (l->definitions.at[i].value == value)
            return &l->definitions.at[i];
    return NULL;
}

static bool same_kernel(const struct lowering *l, const struct node *node)
{
    return node->kernel && strcmp(node->kernel, l->kernel->name) == 0;
}

static size_t uses_inside(const struct lowering *l, const struct value *value)
{
    size_t uses = 0;
    for (size_t i = 0; i < l->graph->nodes.count; i++) {
        const struct node *node = l->graph->nodes.at[i];
        for (uint32_t k = 0; k < node->inputs; k++)
            uses += node->input[k] == value && same_kernel(l, node);
    }
    return uses;
}

/* The running rule alone reads it, element by element: its expression can stand where it is read. */
static bool pending(const struct lowering *l, const struct lower_definition *d)
{
    return d && !d->let && (l->node->op->flags & OP_ELEMENTWISE) && uses_inside(l, d->value) == 1;
}

static const struct klet *definition_let(struct lowering *l, struct lower_definition *d)
{
    if (!d->let)
        d->let = lower_let(l, d->let_name, d->rank, d->index, d->expr);
    return d->let;
}

static struct kexpr *substitute(struct lowering *l, struct kexpr *e, const struct lower_definition *d,
                                struct kexpr *const *by)
{
    if (e->op == KX_INDEX) {
        for (uint32_t i = 0; i < d->rank; i++)
            if (d->index[i] == e->index)
                return by[i];
        return e;
    }
    struct kexpr *copy = ARENA_NEW(l->arena, struct kexpr);
    *copy = *e;
    copy->arg = ARENA_ARRAY(l->arena, struct kexpr *, e->count);
    for (uint32_t i = 0; i < e->count; i++)
        copy->arg[i] = substitute(l, e->arg[i], d, by);
    if (e->op != KX_REDUCE)
        return copy;
    struct kreduce r = *e->reduce;
    struct kcondition *conditions = ARENA_ARRAY(l->arena, struct kcondition, r.conditions);
    for (uint32_t i = 0; i < r.conditions; i++)
        conditions[i] = (struct kcondition){substitute(l, r.condition[i].value, d, by), r.condition[i].limit};
    r.condition = conditions;
    r.from = r.from ? substitute(l, r.from, d, by) : NULL;
    for (int i = 0; i < 2; i++)
        r.term[i] = r.term[i] ? substitute(l, r.term[i], d, by) : NULL;
    return kx_reduce(l->arena, &r);
}

static bool same_indices(const struct lower_definition *d, struct kexpr *const *by)
{
    for (uint32_t i = 0; i < d->rank; i++)
        if (by[i]->op != KX_INDEX || by[i]->index != d->index[i])
            return false;
    return true;
}

struct kexpr *lower_read(struct lowering *l, const struct value *value, const char *name,
                         struct kexpr *const *subscript)
{
    struct lower_definition *d = definition_of(l, value);
    if (pending(l, d))
        return same_indices(d, subscript) ? d->expr : substitute(l, d->expr, d, subscript);
    if (d)
        return kx_let(l->arena, definition_let(l, d), subscript);
    struct lower_place place = l->place(l->context, value);
    assert(place.var);
    struct kbuffer *buffer = formal(l, place.var, name, KA_IN);
    if (!place.pick)
        return kx_load(l->arena, buffer, subscript);
    /* [features…, m] of the batch is [pick[m], features…] of the data set */
    struct kexpr *row[KERNEL_MAX_RANK], *m = subscript[buffer->rank - 1];
    row[0] = kx_load(l->arena, formal(l, place.pick, "pick", KA_IN), &m);
    for (uint32_t i = 1; i < buffer->rank; i++)
        row[i] = subscript[i - 1];
    return kx_load(l->arena, buffer, row);
}

struct kexpr *lower_read_at(struct lowering *l, const struct value *value, const char *name,
                            struct kindex *const *index)
{
    struct kexpr *subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < value->type.rank; i++)
        subscript[i] = kx_index(l->arena, index[i]);
    return lower_read(l, value, name, subscript);
}

void lower_define(struct lowering *l, const struct node *node, uint32_t output, const char *name, const char *let_name,
                  struct kindex *const *index, struct kexpr *expr)
{
    const struct value *value = node->output[output];
    struct lower_place place = l->place(l->context, value);
    size_t uses = uses_inside(l, value);
    struct lower_definition d = {.value = value, .rank = value->type.rank, .expr = expr, .let_name = let_name};
    for (uint32_t i = 0; i < d.rank; i++)
        d.index[i] = index[i];
    if (place.var && uses > 0)
        expr = lx_let(l, definition_let(l, &d), index);
    if (place.var)
        store(l, formal(l, place.var, name, KA_OUT), NULL, index, expr);
    if (uses > 0)
        vec_push(l->arena, &l->definitions, d);
}

void lower_define_max_at(struct lowering *l, const struct node *node, const char *name, const char *position_name,
                         struct kindex *const *index, struct kexpr *max_at)
{
    const struct kvar *best = l->place(l->context, node->output[0]).var;
    const struct kvar *position = l->place(l->context, node->output[1]).var;
    if (best && position && uses_inside(l, node->output[0]) == 0) {
        struct kbuffer *first = formal(l, best, name, KA_OUT);
        store(l, first, formal(l, position, position_name, KA_OUT), index, max_at);
        return;
    }
    lower_define(l, node, 0, name, "best", index, max_at);
    lower_define(l, node, 1, position_name, "at", index, kx_position(l->arena, max_at));
}

void lower_update(struct lowering *l, const struct node *node, uint32_t input, uint32_t output, const char *name,
                  struct kindex *const *index, struct kexpr *expr)
{
    const struct kvar *var = l->place(l->context, node->output[output]).var;
    assert(var && var == l->place(l->context, node->input[input]).var);
    struct kbuffer *buffer = formal(l, var, name, KA_INOUT);
    buffer->access = KA_INOUT;
    store(l, buffer, NULL, index, expr);
}

struct kexpr *lower_updated(struct lowering *l, const struct value *output, struct kindex *const *index)
{
    const struct kvar *var = l->place(l->context, output).var;
    struct kexpr *subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < output->type.rank; i++)
        subscript[i] = kx_index(l->arena, index[i]);
    return kx_load(l->arena, formal(l, var, "V", KA_INOUT), subscript);
}

/* ---- indices, lets, scalars ---- */

struct kindex *lower_index(struct lowering *l, const char *name, int64_t extent)
{
    return kindex_new(l->arena, name, extent, NULL);
}

struct kindex *lower_batch(struct lowering *l)
{
    return lower_index(l, LOWER_BATCH_INDEX, l->capacity);
}

static struct kscalar *scalar_named(struct lowering *l, const char *name, enum ktype type, int64_t limit)
{
    for (size_t i = 0; i < l->kernel->scalars.count; i++)
        if (strcmp(l->kernel->scalars.at[i]->name, name) == 0)
            return l->kernel->scalars.at[i];
    struct kscalar *scalar = ARENA_NEW(l->arena, struct kscalar);
    *scalar = (struct kscalar){.name = name, .type = type, .limit = limit,
                               .number = (uint32_t)l->kernel->scalars.count};
    vec_push(l->arena, &l->kernel->scalars, scalar);
    return scalar;
}

struct kindex *lower_live(struct lowering *l)
{
    return kindex_new(l->arena, LOWER_BATCH_INDEX, l->capacity, scalar_named(l, "live", KT_I32, l->capacity));
}

struct kexpr *lower_scalar(struct lowering *l, const char *name, enum ktype type)
{
    return kx_scalar(l->arena, scalar_named(l, name, type, strcmp(name, "live") == 0 ? l->capacity : 0));
}

uint32_t lower_axes(struct lowering *l, const struct value *value, struct kindex *out[KERNEL_MAX_RANK])
{
    static const char *const feature[][KERNEL_MAX_RANK] = {
        {0}, {"n"}, {"y", "x"}, {"c", "y", "x"}, {"c", "z", "y", "x"}, {"b", "c", "z", "y", "x"}};
    static const char *const weight[][KERNEL_MAX_RANK] = {
        {0}, {"n"}, {"n", "k"}, {"n", "k", "j"}, {"o", "c", "i", "j"}, {"o", "c", "h", "i", "j"},
        {"o", "c", "h", "i", "j", "k"}};
    struct lower_definition *d = definition_of(l, value);
    int64_t extent[KERNEL_MAX_RANK];
    uint32_t rank = lower_extents(value, l->capacity, extent);
    bool batched = rank > 0 && value->type.dim[0] == DIM_N, reuse = pending(l, d);
    for (uint32_t i = 0; i < rank; i++) {
        const char *name = !batched        ? weight[rank][i]
                           : i + 1 == rank ? LOWER_BATCH_INDEX
                                           : feature[rank - 1][i];
        out[i] = reuse ? d->index[i] : lower_index(l, name, extent[i]);
    }
    return rank;
}

const struct klet *lower_let(struct lowering *l, const char *name, uint32_t rank, struct kindex *const *index,
                             struct kexpr *value)
{
    struct klet *let = ARENA_NEW(l->arena, struct klet);
    *let = (struct klet){.name = fresh_name(l, name), .rank = rank, .value = value};
    for (uint32_t i = 0; i < rank; i++)
        let->index[i] = index[i];
    struct kstatement *s = ARENA_NEW(l->arena, struct kstatement);
    *s = (struct kstatement){.kind = KS_LET, .let = let, .span = l->node->span};
    vec_push(l->arena, &l->kernel->statements, s);
    return let;
}

const struct lower_note *lower_noted(const struct lowering *l, const void *key, const char *name)
{
    for (size_t i = 0; i < l->notes.count; i++)
        if (l->notes.at[i].key == key && strcmp(l->notes.at[i].name, name) == 0)
            return &l->notes.at[i];
    return NULL;
}

void lower_note_let(struct lowering *l, const void *key, const char *name, const struct klet *let)
{
    vec_push(l->arena, &l->notes, (struct lower_note){key, name, let, NULL});
}

const struct kbuffer *lower_stage(struct lowering *l, const void *key, const char *name, const struct value *value,
                                  uint32_t rank, struct kindex *const *index, struct kexpr *expr)
{
    const struct kvar *var = value ? l->place(l->context, value).var : NULL;
    int64_t extent[KERNEL_MAX_RANK];
    for (uint32_t d = 0; d < rank; d++)
        extent[d] = index[d]->extent;
    if (!var)
        var = l->scratch(l->context, arena_printf(l->arena, "%s.%s", l->kernel->name, name), KT_F32, rank, extent);
    const struct kbuffer *buffer = formal(l, var, name, KA_OUT);
    store(l, buffer, NULL, index, expr);
    vec_push(l->arena, &l->notes, (struct lower_note){key, name, NULL, buffer});
    return buffer;
}

/* ---- numbers that the model gives ---- */

static bool all_same(const float *number, int64_t first, int64_t end)
{
    return memcmp(number + first, number + first + 1, (size_t)(end - first - 1) * sizeof *number) == 0;
}

static struct kexpr *select_number(struct lowering *l, const float *number, int64_t first, int64_t end,
                                   struct kexpr *at)
{
    if (all_same(number, first, end))
        return kx_f32(l->arena, number[first]);
    int64_t middle = first + (end - first) / 2;
    return lx_select(l, lx_binary(l, KX_LT, at, lx_i32(l, middle)), select_number(l, number, first, middle, at),
                     select_number(l, number, middle, end, at));
}

struct kexpr *lower_numbers(struct lowering *l, const char *name, const double *numbers, int64_t count,
                            struct kexpr *at)
{
    enum { SELECTED = 4 };
    float *number = ARENA_ARRAY(l->arena, float, count);
    for (int64_t i = 0; i < count; i++)
        number[i] = (float)numbers[i];
    if (count <= SELECTED || all_same(number, 0, count))
        return select_number(l, number, 0, count, at);
    const struct kvar *var = l->table(l->context, arena_printf(l->arena, "%s.%s", l->kernel->name, name), count,
                                      number);
    return kx_load(l->arena, formal(l, var, name, KA_IN), &at);
}

bool lower_wanted(const struct lowering *l, const struct value *value)
{
    return l->place(l->context, value).var != NULL;
}

bool lower_is_data(const struct lowering *l, const struct value *value)
{
    return l->place(l->context, value).pick != NULL;
}

/* ---- the kernel, finished ---- */

static void order_buffers(struct lowering *l)
{
    VEC(struct lower_formal) sorted = {0};
    static const enum kaccess order[] = {KA_IN, KA_INOUT, KA_OUT};
    for (size_t a = 0; a < 3; a++)
        for (size_t i = 0; i < l->formals.count; i++)
            if (l->formals.at[i].buffer->access == order[a]) {
                l->formals.at[i].buffer->number = (uint32_t)sorted.count;
                vec_push(l->arena, &sorted, l->formals.at[i]);
                vec_push(l->arena, &l->kernel->buffers, l->formals.at[i].buffer);
            }
    for (size_t i = 0; i < sorted.count; i++)
        l->formals.at[i] = sorted.at[i];
}

struct index_names {
    VEC(struct kindex *) all;       /* of the kernel */
    VEC(struct kindex *) statement; /* of the current statement */
};

static void meet_index(struct lowering *l, struct index_names *names, struct kindex *index)
{
    for (size_t i = 0; i < names->statement.count; i++)
        if (names->statement.at[i] == index)
            return;
    bool clash = name_taken(l, index->name);
    for (size_t i = 0; i < names->statement.count; i++)
        clash = clash || strcmp(names->statement.at[i]->name, index->name) == 0;
    vec_push(l->arena, &names->statement, index);
    if (clash) {
        const char *stem = index->name;
        for (int number = 2; clash; number++) { /* a name that nothing in the kernel has, for it may be shared */
            index->name = arena_printf(l->arena, "%s%d", stem, number);
            clash = name_taken(l, index->name);
            for (size_t i = 0; i < names->all.count; i++)
                clash = clash || (names->all.at[i] != index && strcmp(names->all.at[i]->name, index->name) == 0);
        }
    }
    vec_push(l->arena, &names->all, index);
}

static void meet_indices(struct lowering *l, struct index_names *names, const struct kexpr *e)
{
    if (e->op == KX_REDUCE) {
        const struct kreduce *r = e->reduce;
        if (r->from)
            meet_indices(l, names, r->from);
        for (uint32_t i = 0; i < r->indices; i++)
            meet_index(l, names, r->index[i]);
        for (uint32_t i = 0; i < r->conditions; i++)
            meet_indices(l, names, r->condition[i].value);
        for (int i = 0; i < 2; i++)
            if (r->term[i])
                meet_indices(l, names, r->term[i]);
    }
    for (uint32_t i = 0; i < e->count; i++)
        meet_indices(l, names, e->arg[i]);
}

static void separate_indices(struct lowering *l)
{
    struct index_names names = {0};
    for (size_t i = 0; i < l->kernel->statements.count; i++) {
        const struct kstatement *s = l->kernel->statements.at[i];
        names.statement.count = 0;
        uint32_t rank = s->kind == KS_LET ? s->let->rank : s->rank;
        for (uint32_t d = 0; d < rank; d++)
            meet_index(l, &names, s->kind == KS_LET ? s->let->index[d] : s->index[d]);
        meet_indices(l, &names, s->kind == KS_LET ? s->let->value : s->value);
    }
}

void lower_kernel(struct lowering *l, const struct node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        l->node = nodes[i];
        assert(op_of(nodes[i])->lower);
        op_of(nodes[i])->lower(l, nodes[i]);
    }
    order_buffers(l);
    separate_indices(l);
}
