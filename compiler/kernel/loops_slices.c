/* Long sums a slice at a time: `block k 256` lets all tiles of a nest pass over the first 256 terms of their sums, then
 * over the next 256, so that what a slice reads stays in a cache for all tiles. Between slices the sums wait, as they
 * are, in the elements that they are for; their order does not change, and no bit does. */
#include "loops_internal.h"

/* The only sum of `expr` that is computed whatever the data are; NULL: there is none, or more than one. */
static struct kexpr *only_sum(struct kexpr *expr)
{
    if (expr->op == KX_REDUCE)
        return expr;
    struct kexpr *found = NULL;
    for (uint32_t i = 0; i < expr->count; i++) {
        if (!loops_reduces(expr->arg[i]))
            continue;
        if (found || expr->op == KX_WHERE || expr->op == KX_LAND || expr->op == KX_LOR || expr->op == KX_LET)
            return NULL;
        found = only_sum(expr->arg[i]);
        if (!found)
            return NULL;
    }
    return found;
}

struct kexpr *loops_sliced_sum(const struct kstatement *store)
{
    struct kexpr *sum = store->buffer2 || store->buffer->access != KA_OUT ? NULL : only_sum(store->value);
    if (!sum || sum->type != KT_F32 || store->buffer->type != KT_F32)
        return NULL;
    const struct kreduce *r = sum->reduce;
    if ((r->kind != KR_SUM && r->kind != KR_SUM_FMA) || r->index[0]->bound || (r->from && loops_reduces(r->from)) ||
        loops_reduces(r->term[0]) || (r->term[1] && loops_reduces(r->term[1])))
        return NULL;
    for (uint32_t c = 0; c < r->conditions; c++)
        if (loops_mentions(r->condition[c].value, r->index[0]))
            return NULL;
    return loops_index_named(store, r->index[0]->name) ? NULL : sum;
}

bool loops_find_slice(const struct kschedule *schedule, const struct kstatement *const *store, uint32_t stores,
                      struct slice *out)
{
    struct kexpr *sum = stores == 1 ? loops_sliced_sum(store[0]) : NULL;
    if (!sum)
        return false;
    const struct kindex *index = sum->reduce->index[0];
    int64_t size = loops_size_named(schedule->block.at, schedule->block.count, index->name, index->extent);
    *out = (struct slice){.sum = sum, .size = size};
    return size < index->extent && !loops_unrolls(schedule, index);
}

const struct kexpr *loops_slice_resumes(struct arena *arena, const struct kstatement *store)
{
    struct kexpr *subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < store->rank; i++)
        subscript[i] = kx_index(arena, store->index[i]);
    return kx_load(arena, store->buffer, subscript);
}
