/* Which nests are made in blocks: those whose stores need nothing but scalars, buffers at the same element, and one sum
 * over the batch in the lanes. And how large the blocks are. */
#include "loops_blocks.h"

#include <string.h>

/* What an index within lets means: a dim of the nest. */
struct meaning {
    const struct kindex *index;
    uint32_t dim;
    const struct meaning *outer;
};

struct probe {
    struct builder *b;
    uint32_t rank, flat;        /* flat: from this dim on elements lie side by side in every buffer read or written */
    const struct kexpr *reduce; /* the only sum, found so far */
};

static const struct meaning *meaning_of(const struct meaning *m, const struct kexpr *expr)
{
    while (expr->op == KX_INDEX && m && m->index != expr->index)
        m = m->outer;
    return expr->op == KX_INDEX ? m : NULL;
}

static bool depends(const struct kexpr *expr, const struct kindex *index)
{
    bool found = expr->op == KX_INDEX && expr->index == index;
    if (expr->op == KX_LET) {
        for (uint32_t i = 0; i < expr->count; i++)
            found |= depends(expr->arg[i], index) && depends(expr->let->value, expr->let->index[i]);
        return found;
    }
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        const struct kexpr *const part[] = {r->from, r->term[0], r->term[1]};
        for (int i = 0; i < 3; i++)
            found |= part[i] && depends(part[i], index);
    }
    for (uint32_t i = 0; i < expr->count; i++)
        found |= depends(expr->arg[i], index);
    return found;
}

static void note_layout(struct probe *p, const struct kbuffer *buffer)
{
    int64_t stride[KERNEL_MAX_RANK], next = 1;
    bool plain[KERNEL_MAX_RANK] = {false};
    for (uint32_t i = 0; i < buffer->layout.count; i++) {
        const struct kdigit *g = &buffer->layout.digit[i];
        stride[g->dim] = g->stride;
        plain[g->dim] = g->div <= 1 && g->mod == 0;
    }
    uint32_t flat = p->rank;
    while (flat && plain[flat - 1] && stride[flat - 1] == next)
        next *= buffer->extent[--flat];
    p->flat = flat > p->flat ? flat : p->flat;
}

/* Whether the value at an element needs nothing but scalars, the buffers' elements there, and one sum. */
static bool probe(struct probe *p, const struct kexpr *expr, const struct meaning *m)
{
    switch (expr->op) {
    case KX_INDEX:
    case KX_POSITION:
        return false;
    case KX_LOAD:
        for (uint32_t i = 0; i < expr->count; i++) {
            const struct meaning *of = meaning_of(m, expr->arg[i]);
            if (expr->count != p->rank || !of || of->dim != i)
                return false;
        }
        if (expr->count)
            note_layout(p, expr->buffer);
        return true;
    case KX_LET: {
        const struct meaning *inner = NULL;
        for (uint32_t i = 0; i < expr->count; i++) {
            const struct meaning *of = meaning_of(m, expr->arg[i]);
            if (!of)
                return false;
            struct meaning *bound = ARENA_NEW(p->b->arena, struct meaning);
            *bound = (struct meaning){expr->let->index[i], of->dim, inner};
            inner = bound;
        }
        return probe(p, expr->let->value, inner);
    }
    case KX_REDUCE: {
        uint32_t dims = 0;
        for (; m; m = m->outer)
            if (depends(expr, m->index))
                dims |= 1u << m->dim;
        if (expr->reduce->kind != KR_SUM_TREE || dims != (1u << p->rank) - 1 || (p->reduce && p->reduce != expr) ||
            strcmp(expr->reduce->index[0]->name, p->b->kernel->schedule.lanes) != 0)
            return false;
        p->reduce = expr;
        return true;
    }
    case KX_WHERE:
    case KX_LAND:
    case KX_LOR:
        if (loops_reduces(expr))
            return false;
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (!probe(p, expr->arg[i], m))
            return false;
    return true;
}

bool blocks_find(struct builder *b, const struct kstatement *const *store, uint32_t stores, struct blocks *n)
{
    const struct kschedule *schedule = &b->kernel->schedule;
    if (!schedule->block.count || !schedule->lanes || b->lanes < 4 || store[0]->rank == 0)
        return false;
    *n = (struct blocks){.store = store, .stores = stores, .rank = store[0]->rank};
    struct probe p = {.b = b, .rank = n->rank};
    for (uint32_t s = 0; s < stores; s++) {
        const struct meaning *m = NULL;
        for (uint32_t d = 0; d < n->rank; d++) {
            if (strcmp(store[s]->index[d]->name, store[0]->index[d]->name) != 0)
                return false;
            struct meaning *bound = ARENA_NEW(b->arena, struct meaning);
            *bound = (struct meaning){store[s]->index[d], d, m};
            m = bound;
        }
        if (store[s]->buffer2 || !probe(&p, store[s]->value, m))
            return false;
        note_layout(&p, store[s]->buffer);
        if (!n->reducing && loops_reduces(store[s]->value))
            n->reducing = store[s];
    }
    if (!p.reduce)
        return false;
    n->sum = p.reduce;
    n->elements = 1;
    for (uint32_t d = n->rank; d-- > 0;) {
        struct block_dim *dim = &n->dim[d];
        dim->name = store[0]->index[d]->name;
        dim->extent = store[0]->index[d]->extent;
        dim->tile = loops_size_named(schedule->tile.at, schedule->tile.count, dim->name, 1);
        dim->tile = dim->tile > dim->extent ? dim->extent : dim->tile;
        dim->size = loops_size_named(schedule->block.at, schedule->block.count, dim->name, dim->extent);
        dim->size = dim->size > dim->extent ? dim->extent : dim->size;
        dim->size = (dim->size + dim->tile - 1) / dim->tile * dim->tile;
        dim->size = dim->size > dim->extent ? dim->extent : dim->size;
        dim->blocks = (dim->extent + dim->size - 1) / dim->size;
        dim->scratch = n->elements;
        n->elements *= dim->size;
    }
    n->split = n->rank - 1;
    while (n->split > p.flat && n->dim[n->split].blocks == 1)
        n->split--;
    loops_order(schedule, store[0], n->order);
    return true;
}
