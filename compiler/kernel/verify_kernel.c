/* Kernels and functions: buffers, statements, who is written when, schedules. */
#include "syntax.h"
#include "verify.h"

#include <string.h>

static struct span kernel_span(const struct kverifier *v)
{
    return v->kernel && v->kernel->spans.count ? v->kernel->spans.at[0] : (struct span){0};
}

static const char *escaped(struct kverifier *v, const char *name)
{
    return diag_escape(v->arena, name, strlen(name));
}

/* Buffers, scalars and lets of a kernel have names of their own: the text tells them apart by name alone. */
static bool check_name(struct kverifier *v, struct span span, const char *name)
{
    uint32_t found = 0;
    for (size_t i = 0; i < v->kernel->buffers.count; i++)
        found += strcmp(v->kernel->buffers.at[i]->name, name) == 0;
    for (size_t i = 0; i < v->kernel->scalars.count; i++)
        found += strcmp(v->kernel->scalars.at[i]->name, name) == 0;
    for (size_t i = 0; i < v->lets.count; i++)
        found += strcmp(v->lets.at[i].let->name, name) == 0;
    if (found > 1)
        kverify_error(v, span, "two things are called %s", escaped(v, name));
    return found <= 1;
}

static void check_buffers(struct kverifier *v)
{
    bool outputs = false;
    for (size_t i = 0; i < v->kernel->buffers.count; i++) {
        const struct kbuffer *buffer = v->kernel->buffers.at[i];
        struct span span = kernel_span(v);
        if (buffer->number != i)
            kverify_error(v, span, "%s has the number %u, but is buffer %zu", escaped(v, buffer->name),
                          buffer->number, i);
        if (buffer->type == KT_BOOL)
            kverify_error(v, span, "%s: there are no buffers of bool", escaped(v, buffer->name));
        if (outputs && buffer->access != KA_OUT)
            kverify_error(v, span, "%s stands behind an output", escaped(v, buffer->name));
        outputs |= buffer->access == KA_OUT;
        kverify_shape(v, span, buffer->name, buffer->rank, buffer->extent, &buffer->layout, buffer->access == KA_IN);
        check_name(v, span, buffer->name);
    }
    for (size_t i = 0; i < v->kernel->scalars.count; i++) {
        const struct kscalar *scalar = v->kernel->scalars.at[i];
        if (scalar->number != i)
            kverify_error(v, kernel_span(v), "%s has the number %u, but is scalar %zu", escaped(v, scalar->name),
                          scalar->number, i);
        if (scalar->type == KT_U8)
            kverify_error(v, kernel_span(v), "%s: there are no scalars of u8", escaped(v, scalar->name));
        if (scalar->limit && (scalar->type != KT_I32 || scalar->limit < 1 || scalar->limit > INT32_MAX))
            kverify_error(v, kernel_span(v), "%s: a limit is for i32 and between 1 and %d", escaped(v, scalar->name),
                          INT32_MAX);
        check_name(v, kernel_span(v), scalar->name);
    }
}

static bool is_taken(const struct kverifier *v, const char *name)
{
    bool taken = false;
    for (size_t i = 0; i < v->kernel->buffers.count; i++)
        taken |= strcmp(v->kernel->buffers.at[i]->name, name) == 0;
    for (size_t i = 0; i < v->kernel->scalars.count; i++)
        taken |= strcmp(v->kernel->scalars.at[i]->name, name) == 0;
    for (size_t i = 0; i < v->lets.count; i++)
        taken |= strcmp(v->lets.at[i].let->name, name) == 0;
    for (size_t i = 0; i < v->scope.count; i++)
        taken |= strcmp(v->scope.at[i]->name, name) == 0;
    return taken;
}

bool kverify_enter(struct kverifier *v, struct span span, const struct kindex *index)
{
    if (is_taken(v, index->name)) {
        kverify_error(v, span, "two things in one place are called %s", escaped(v, index->name));
        return false;
    }
    vec_push(v->arena, &v->scope, index);
    return true;
}

/* Brings the indices of a let or store into scope. */
static bool enter(struct kverifier *v, struct span span, struct kindex *const *index, uint32_t rank)
{
    v->scope.count = 0;
    v->facts.count = 0;
    for (uint32_t i = 0; i < rank; i++) {
        const char *name = escaped(v, index[i]->name);
        if (index[i]->extent < 1 || index[i]->extent > INT32_MAX || index[i]->bound) {
            kverify_error(v, span, "the extent of %s is not a constant between 1 and %d", name, INT32_MAX);
            return false;
        }
        if (!kverify_enter(v, span, index[i]))
            return false;
    }
    return true;
}

static void check_let(struct kverifier *v, const struct kstatement *statement)
{
    struct klet_state state = {.let = statement->let};
    int64_t places = 4;
    if (!enter(v, statement->span, state.let->index, state.let->rank))
        return;
    for (uint32_t i = 0; i < state.let->rank; i++) {
        if (__builtin_mul_overflow(places, state.let->index[i]->extent, &places)) {
            kverify_error(v, statement->span, "%s is too large", escaped(v, state.let->name));
            return;
        }
    }
    if (kverify_expr(v, state.let->value) && kverify_size(v, state.let->value, &state.expansion))
        kverify_inout_let(v, &state);
    vec_push(v->arena, &v->lets, state);
    check_name(v, statement->span, state.let->name);
}

/* The target of a store: writable, not yet written, indexed by all of its dimensions. */
static bool check_target(struct kverifier *v, const struct kstatement *statement, const struct kbuffer *buffer)
{
    const char *name = escaped(v, buffer->name);
    if (buffer->number >= v->kernel->buffers.count || v->kernel->buffers.at[buffer->number] != buffer) {
        kverify_error(v, statement->span, "%s is no buffer of this kernel", name);
        return false;
    }
    if (buffer->access == KA_IN) {
        kverify_error(v, statement->span, "%s is an input and cannot be written", name);
        return false;
    }
    if (v->stored[buffer->number]) {
        kverify_error(v, statement->span, "%s is written twice", name);
        return false;
    }
    bool fits = statement->rank == buffer->rank;
    for (uint32_t d = 0; fits && d < buffer->rank; d++)
        fits = statement->index[d]->extent == buffer->extent[d];
    if (!fits)
        kverify_error(v, statement->span, "the indices do not run over the extents of %s", name);
    return fits;
}

static bool value_fits(const struct kbuffer *buffer, enum ktype type)
{
    return buffer->type == type || (buffer->type == KT_U8 && type == KT_I32);
}

static int64_t positions(const struct kreduce *reduce)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < reduce->indices; i++)
        count *= reduce->index[i]->extent;
    return count;
}

static void check_value(struct kverifier *v, const struct kstatement *statement)
{
    const struct kexpr *value = statement->value;
    const struct kbuffer *second = statement->buffer2;
    if (!value_fits(statement->buffer, value->type))
        kverify_error(v, value->span, "%s holds %s, but the value is %s", escaped(v, statement->buffer->name),
                      ksyntax_type(statement->buffer->type), ksyntax_type(value->type));
    if (!second)
        return;
    if (value->op != KX_REDUCE || value->reduce->kind != KR_MAX_AT)
        kverify_error(v, value->span, "only max_at is stored to two buffers");
    else if (second->type == KT_F32)
        kverify_error(v, value->span, "%s takes positions: it is i32 or u8", escaped(v, second->name));
    else if (second->type == KT_U8 && positions(value->reduce) > 255)
        kverify_error(v, value->span, "%s is u8, which cannot count %lld positions", escaped(v, second->name),
                      (long long)positions(value->reduce));
}

/* A list fills rows: the last index counts the places in one and means nothing within it. */
static bool check_names(struct kverifier *v, const struct kstatement *statement)
{
    const struct kreduce *list = kstatement_list(statement);
    v->list = list ? statement->value : NULL;
    if (!list || list->indices == 0) /* an error that is found below */
        return true;
    const char *name = escaped(v, statement->buffer->name);
    if (statement->buffer2 || statement->buffer->access != KA_OUT) {
        kverify_error(v, statement->span, "a list is stored to one buffer, an output");
        return false;
    }
    if (statement->rank == 0 || statement->index[statement->rank - 1]->extent - 1 != list->index[0]->extent) {
        kverify_error(v, statement->span, "the rows of %s have %llu places: the length of the list, and all of %s",
                      name, (unsigned long long)list->index[0]->extent + 1, escaped(v, list->index[0]->name));
        return false;
    }
    v->scope.count--;
    return true;
}

static void check_store(struct kverifier *v, const struct kstatement *statement)
{
    if (!check_target(v, statement, statement->buffer) ||
        (statement->buffer2 && !check_target(v, statement, statement->buffer2)) ||
        !enter(v, statement->span, statement->index, statement->rank) || !check_names(v, statement))
        return;
    if (statement->buffer == statement->buffer2) {
        kverify_error(v, statement->span, "%s is written twice", escaped(v, statement->buffer->name));
        return;
    }
    struct kexpansion expansion;
    if (kverify_expr(v, statement->value) && kverify_size(v, statement->value, &expansion)) {
        check_value(v, statement);
        kverify_inout_store(v, statement);
    }
    v->stored[statement->buffer->number] = statement;
    if (statement->buffer2)
        v->stored[statement->buffer2->number] = statement;
}

/* ---- schedules ---- */

struct names {
    VEC(const char *) list;
};

static void collect_reduce_names(struct kverifier *v, const struct kexpr *expr, struct names *names)
{
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        for (uint32_t i = 0; i < r->indices; i++)
            vec_push(v->arena, &names->list, r->index[i]->name);
        if (r->from)
            collect_reduce_names(v, r->from, names);
        for (int t = 0; t < 2; t++)
            if (r->term[t])
                collect_reduce_names(v, r->term[t], names);
    }
    for (uint32_t i = 0; i < expr->count; i++)
        collect_reduce_names(v, expr->arg[i], names);
}

static void collect_names(struct kverifier *v, struct names *names)
{
    for (size_t i = 0; i < v->kernel->statements.count; i++) {
        const struct kstatement *s = v->kernel->statements.at[i];
        uint32_t rank = s->kind == KS_LET ? s->let->rank : s->rank;
        for (uint32_t d = 0; d < rank; d++)
            vec_push(v->arena, &names->list, (s->kind == KS_LET ? s->let->index : s->index)[d]->name);
        collect_reduce_names(v, s->kind == KS_LET ? s->let->value : s->value, names);
    }
}

/* Where the schedule's text says this name; derived schedules have none. */
static struct span scheduled_span(struct kverifier *v, const char *name)
{
    const struct kschedule *schedule = &v->kernel->schedule;
    for (size_t i = 0; i < schedule->written.count; i++)
        if (schedule->written.at[i].name == name)
            return schedule->written.at[i].span;
    return kernel_span(v);
}

static bool check_scheduled_name(struct kverifier *v, const struct names *names, const char *what, const char *name)
{
    for (size_t i = 0; i < names->list.count; i++)
        if (strcmp(names->list.at[i], name) == 0)
            return true;
    kverify_error(v, scheduled_span(v, name), "the schedule names %s, which is no %s of the kernel", escaped(v, name),
                  what);
    diag_did_you_mean(v->diags, name, names->list.at, names->list.count);
    return false;
}

static bool check_once(struct kverifier *v, const char *clause, const char *before, const char *name)
{
    if (strcmp(before, name) != 0)
        return true;
    kverify_error(v, scheduled_span(v, name), "the schedule names %s twice in its %s", escaped(v, name), clause);
    return false;
}

static void check_sizes(struct kverifier *v, const struct names *names, const char *clause, const struct ktile *tile,
                        size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        good = check_scheduled_name(v, names, "index", tile[i].index);
        for (size_t k = 0; k < i && good; k++)
            good = check_once(v, clause, tile[k].index, tile[i].index);
        if (tile[i].size < 1 || tile[i].size > INT32_MAX)
            kverify_error(v, scheduled_span(v, tile[i].index),
                          "the size %lld of %s in the schedule is not between 1 and %d", (long long)tile[i].size,
                          escaped(v, tile[i].index), INT32_MAX);
    }
}

static void check_scheduled_names(struct kverifier *v, const struct names *names, const char *what, const char *clause,
                                  const char *const *name, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        good = check_scheduled_name(v, names, what, name[i]);
        for (size_t k = 0; k < i && good; k++)
            good = check_once(v, clause, name[k], name[i]);
    }
}

static void check_schedule(struct kverifier *v)
{
    const struct kschedule *s = &v->kernel->schedule;
    struct names indices = {0}, buffers = {0};
    collect_names(v, &indices);
    for (size_t i = 0; i < v->kernel->buffers.count; i++)
        vec_push(v->arena, &buffers.list, v->kernel->buffers.at[i]->name);
    if (s->lanes)
        check_scheduled_name(v, &indices, "index", s->lanes);
    check_scheduled_names(v, &indices, "index", "parallel", s->parallel.at, s->parallel.count);
    check_sizes(v, &indices, "tile", s->tile.at, s->tile.count);
    check_sizes(v, &indices, "block", s->block.at, s->block.count);
    check_scheduled_names(v, &indices, "index", "order", s->order.at, s->order.count);
    check_scheduled_names(v, &indices, "index", "unroll", s->unroll.at, s->unroll.count);
    check_scheduled_names(v, &buffers, "buffer", "prefetch", s->prefetch.at, s->prefetch.count);
}

bool kernel_verify_schedule(const struct kprogram *program, const struct kernel *kernel, struct diag_list *diags)
{
    size_t errors = diags->errors;
    struct kverifier v = {.arena = diags->arena, .diags = diags, .program = program, .kernel = kernel};
    check_schedule(&v);
    return diags->errors == errors;
}

/* ---- entries ---- */

void kverify_kernel(struct kverifier *v)
{
    size_t errors = v->diags->errors;
    v->lets.count = 0;
    v->too_large = false;
    v->stored = ARENA_ARRAY(v->arena, const struct kstatement *, v->kernel->buffers.count);
    check_buffers(v);
    if (v->diags->errors != errors)
        return;
    for (size_t i = 0; i < v->kernel->statements.count; i++) {
        const struct kstatement *statement = v->kernel->statements.at[i];
        if (statement->kind == KS_LET)
            check_let(v, statement);
        else
            check_store(v, statement);
    }
    for (size_t i = 0; v->diags->errors == errors && i < v->kernel->buffers.count; i++)
        if (v->kernel->buffers.at[i]->access != KA_IN && !v->stored[i])
            kverify_error(v, kernel_span(v), "%s is never written", escaped(v, v->kernel->buffers.at[i]->name));
    if (v->kernel->scheduled)
        check_schedule(v);
}

void kverify_function(struct kverifier *v)
{
    v->lets.count = 0;
    v->too_large = false;
    v->scope.count = 0;
    v->facts.count = 0;
    for (int op = 0; op < KX_COUNT; op++)
        if (strcmp(ksyntax_text((enum kop)op), v->function->name) == 0)
            kverify_error(v, v->function->body->span, "there is an operator of this name");
    for (int kind = 0; kind < KSYNTAX_REDUCE_KINDS; kind++)
        if (strcmp(ksyntax_reduce((enum kreduce_kind)kind), v->function->name) == 0)
            kverify_error(v, v->function->body->span, "there is a reduction of this name");
    for (uint32_t i = 0; i < v->function->lets; i++) {
        const struct klet *let = v->function->let[i];
        if (let->rank > 0)
            kverify_error(v, let->value->span, "%s: the lets of a function have no indices", escaped(v, let->name));
        struct klet_state state = {.let = let};
        if (kverify_expr(v, let->value))
            kverify_size(v, let->value, &state.expansion);
        vec_push(v->arena, &v->lets, state);
    }
    struct kexpansion expansion;
    if (kverify_expr(v, v->function->body))
        kverify_size(v, v->function->body, &expansion);
}
