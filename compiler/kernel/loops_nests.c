/* Which stores of a kernel share a nest of loops: those over one index space of which none reads, too early or at
 * another element, what another one writes. */
#include "loops_internal.h"

#include <string.h>

const struct kindex *loops_index_named(const struct kstatement *s, const char *name)
{
    for (uint32_t i = 0; i < s->rank; i++)
        if (strcmp(s->index[i]->name, name) == 0)
            return s->index[i];
    return NULL;
}

void loops_order(const struct kschedule *schedule, const struct kstatement *s, uint32_t *out_order)
{
    uint32_t placed = 0, done = 0;
    for (size_t i = 0; i < schedule->order.count; i++)
        for (uint32_t d = 0; d < s->rank; d++)
            if (!(done >> d & 1) && strcmp(schedule->order.at[i], s->index[d]->name) == 0) {
                out_order[placed++] = d;
                done |= 1u << d;
            }
    for (uint32_t d = 0; d < s->rank; d++)
        if (!(done >> d & 1))
            out_order[placed++] = d;
}

bool loops_lists(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

bool loops_unrolls(const struct kschedule *schedule, const struct kindex *index)
{
    return !index->bound && loops_lists(schedule->unroll.at, schedule->unroll.count, index->name);
}

bool loops_shares(const struct builder *b, const struct kindex *index)
{
    const struct kschedule *schedule = &b->kernel->schedule;
    return b->parallel && loops_lists(schedule->parallel.at, schedule->parallel.count, index->name);
}

int64_t loops_size_named(const struct ktile *list, size_t count, const char *name, int64_t otherwise)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].index, name) == 0)
            return list[i].size;
    return otherwise;
}

static bool same_space(const struct kstatement *x, const struct kstatement *y)
{
    if (x->rank != y->rank)
        return false;
    for (uint32_t i = 0; i < x->rank; i++) {
        const struct kindex *other = loops_index_named(y, x->index[i]->name);
        if (!other || other->extent != x->index[i]->extent)
            return false;
    }
    return true;
}

/* Whether expr reads `written` at another element than the one that statement `s` is at. */
static bool reads_elsewhere(const struct kexpr *expr, const struct kbuffer *written, const struct kstatement *writer)
{
    if (expr->op == KX_LOAD && expr->buffer == written)
        for (uint32_t i = 0; i < expr->count; i++)
            if (expr->arg[i]->op != KX_INDEX || strcmp(expr->arg[i]->index->name, writer->index[i]->name) != 0)
                return true;
    if (expr->op == KX_LET && reads_elsewhere(expr->let->value, written, writer))
        return true;
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        for (int i = 0; i < 2; i++)
            if (r->term[i] && reads_elsewhere(r->term[i], written, writer))
                return true;
        if (r->from && reads_elsewhere(r->from, written, writer))
            return true;
        /* an element's own index bound anew by the reduction is another element */
        for (uint32_t i = 0; i < r->indices; i++)
            for (uint32_t k = 0; k < writer->rank; k++)
                if (strcmp(r->index[i]->name, writer->index[k]->name) == 0 && r->term[0] &&
                    loops_reads(r->term[0], written))
                    return true;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (reads_elsewhere(expr->arg[i], written, writer))
            return true;
    return false;
}

static bool finds_load(const struct kexpr *expr, const struct kbuffer *buffer, bool through_lets)
{
    if (expr->op == KX_LOAD && expr->buffer == buffer)
        return true;
    if (expr->op == KX_LET && through_lets && finds_load(expr->let->value, buffer, true))
        return true;
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        const struct kexpr *const part[] = {r->from, r->term[0], r->term[1]};
        for (int i = 0; i < 3; i++)
            if (part[i] && finds_load(part[i], buffer, through_lets))
                return true;
        for (uint32_t i = 0; i < r->conditions; i++)
            if (finds_load(r->condition[i].value, buffer, through_lets))
                return true;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (finds_load(expr->arg[i], buffer, through_lets))
            return true;
    return false;
}

bool loops_reads(const struct kexpr *expr, const struct kbuffer *buffer)
{
    return finds_load(expr, buffer, true);
}

/* Reads it itself, not through a let. */
static bool loads(const struct kexpr *expr, const struct kbuffer *buffer)
{
    return finds_load(expr, buffer, false);
}

/* Whether `let` stands before `store` in the kernel. */
static bool stands_before(const struct kernel *kernel, const struct klet *let, const struct kstatement *store)
{
    for (size_t i = 0; kernel->statements.at[i] != store; i++)
        if (kernel->statements.at[i]->kind == KS_LET && kernel->statements.at[i]->let == let)
            return true;
    return false;
}

/* Whether expr reads what `store` has just written where a tile would evaluate it too early: through a let (a let that
 * stands before the store means the value before it, and may be early), or inside of a reduction. */
static bool reads_late(const struct kernel *kernel, const struct kexpr *expr, const struct kbuffer *written,
                       const struct kstatement *store)
{
    if (expr->op == KX_LET && loops_reads(expr->let->value, written) && !stands_before(kernel, expr->let, store))
        return true;
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        const struct kexpr *const part[] = {r->from, r->term[0], r->term[1]};
        for (int i = 0; i < 3; i++)
            if (part[i] && (loads(part[i], written) || reads_late(kernel, part[i], written, store)))
                return true;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (reads_late(kernel, expr->arg[i], written, store))
            return true;
    return false;
}

static bool joins_nest(const struct kernel *kernel, const struct kstatement *const *store, uint32_t stores,
                       const struct kstatement *next)
{
    if (!same_space(store[0], next) || kstatement_list(store[0]) || kstatement_list(next))
        return false;
    for (uint32_t i = 0; i < stores; i++) {
        const struct kbuffer *const written[] = {store[i]->buffer, store[i]->buffer2};
        for (int k = 0; k < 2; k++)
            if (written[k] && (reads_elsewhere(next->value, written[k], store[i]) ||
                               reads_late(kernel, next->value, written[k], store[i])))
                return false;
        if (reads_elsewhere(store[i]->value, next->buffer, next))
            return false;
    }
    return true;
}

static uint32_t nest_length(const struct kernel *kernel, size_t first, const struct kstatement **out_store)
{
    uint32_t n = 0;
    for (size_t i = first; i < kernel->statements.count; i++) {
        const struct kstatement *s = kernel->statements.at[i];
        if (s->kind != KS_STORE)
            continue;
        if (n && !joins_nest(kernel, out_store, n, s))
            break;
        out_store[n++] = s;
    }
    return n;
}

uint32_t loops_nests(struct arena *arena, const struct kernel *kernel, struct loops_nest **out)
{
    struct loops_nest *nest = ARENA_ARRAY(arena, struct loops_nest, kernel->statements.count + 1);
    uint32_t nests = 0;
    for (size_t next = 0; next < kernel->statements.count;) {
        const struct kstatement **store = ARENA_ARRAY(arena, const struct kstatement *, kernel->statements.count);
        uint32_t stores = nest_length(kernel, next, store);
        if (stores == 0)
            break;
        nest[nests++] = (struct loops_nest){store, stores};
        while (kernel->statements.at[next] != store[stores - 1])
            next++;
        next++;
    }
    *out = nest;
    return nests;
}

static bool nest_reads(const struct loops_nest *reader, const struct loops_nest *writer)
{
    for (uint32_t r = 0; r < reader->stores; r++)
        for (uint32_t w = 0; w < writer->stores; w++)
            if (loops_reads(reader->store[r]->value, writer->store[w]->buffer) ||
                (writer->store[w]->buffer2 && loops_reads(reader->store[r]->value, writer->store[w]->buffer2)))
                return true;
    return false;
}

bool loops_are_independent(const struct loops_nest *nest, uint32_t nests)
{
    for (uint32_t i = 0; i < nests; i++)
        for (uint32_t k = 0; k < nests; k++)
            if (i != k && nest_reads(&nest[i], &nest[k]))
                return false;
    return true;
}
