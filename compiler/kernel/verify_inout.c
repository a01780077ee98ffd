/* The inout rule: an inout buffer is read only at the element that is written, so that elements may be computed in any
 * order and by any thread. Reads through lets are followed: each let has a list of the inout buffers that it reads. */
#include "verify.h"

#include <string.h>

/* The indices of the place where an expression stands. */
struct place {
    struct kindex *const *index;
    uint32_t rank;
};

static bool find_position(const struct place *place, const struct kexpr *subscript, uint32_t *out)
{
    for (uint32_t i = 0; i < place->rank; i++) {
        if (subscript->op == KX_INDEX && subscript->index == place->index[i]) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Records a read: of the buffer itself, or `through` a let. */
static bool add_use(struct kverifier *v, struct klet_state *state, const struct place *place, const struct kexpr *expr,
                    const struct kbuffer *buffer, const struct kinout_use *through)
{
    struct kinout_use use = {.buffer = buffer, .old = through ? through->old : !v->stored[buffer->number]};
    const char *name = diag_escape(v->arena, buffer->name, strlen(buffer->name));
    for (uint32_t d = 0; d < buffer->rank; d++) {
        bool plain = find_position(place, expr->arg[through ? through->position[d] : d], &use.position[d]);
        for (uint32_t e = 0; e < d; e++)
            plain = plain && use.position[e] != use.position[d];
        if (!plain) {
            kverify_error(v, expr->span, "inout %s may be read only at the element that is written", name);
            return false;
        }
    }
    for (size_t i = 0; i < state->uses.count; i++) {
        if (state->uses.at[i].buffer != buffer)
            continue;
        if (memcmp(state->uses.at[i].position, use.position, sizeof use.position) == 0) {
            state->uses.at[i].old |= use.old;
            return true;
        }
        kverify_error(v, expr->span, "inout %s is read at two different elements", name);
        return false;
    }
    vec_push(v->arena, &state->uses, use);
    return true;
}

static bool collect(struct kverifier *v, struct klet_state *state, const struct place *place, const struct kexpr *expr)
{
    if (expr->op == KX_LOAD && expr->buffer->access == KA_INOUT)
        return add_use(v, state, place, expr, expr->buffer, NULL);
    if (expr->op == KX_LET) {
        const struct klet_state *let = kverify_let(v, expr->let);
        for (size_t i = 0; let && i < let->uses.count; i++)
            if (!add_use(v, state, place, expr, let->uses.at[i].buffer, &let->uses.at[i]))
                return false;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (!collect(v, state, place, expr->arg[i]))
            return false;
    if (expr->op != KX_REDUCE)
        return true;
    const struct kreduce *r = expr->reduce;
    for (uint32_t i = 0; i < r->conditions; i++)
        if (!collect(v, state, place, r->condition[i].value))
            return false;
    return (!r->from || collect(v, state, place, r->from)) && collect(v, state, place, r->term[0]) &&
           (!r->term[1] || collect(v, state, place, r->term[1]));
}

void kverify_inout_let(struct kverifier *v, struct klet_state *state)
{
    collect(v, state, &(struct place){state->let->index, state->let->rank}, state->let->value);
}

/* Whether both stores run over one index space, so that each element's stores can be done together. */
static bool same_space(const struct kstatement *a, const struct kstatement *b)
{
    bool same = a->rank == b->rank;
    for (uint32_t d = 0; same && d < a->rank; d++)
        same = strcmp(a->index[d]->name, b->index[d]->name) == 0 && a->index[d]->extent == b->index[d]->extent;
    return same;
}

void kverify_inout_store(struct kverifier *v, const struct kstatement *statement)
{
    struct klet_state state = {0};
    if (!collect(v, &state, &(struct place){statement->index, statement->rank}, statement->value))
        return;
    for (size_t i = 0; i < state.uses.count; i++) {
        const struct kinout_use *use = &state.uses.at[i];
        const struct kstatement *writer = use->old ? v->stored[use->buffer->number] : NULL;
        const char *name = diag_escape(v->arena, use->buffer->name, strlen(use->buffer->name));
        bool own = use->buffer == statement->buffer || use->buffer == statement->buffer2;
        bool fits = use->buffer->rank == statement->rank, here = fits;
        for (uint32_t d = 0; here && d < statement->rank; d++)
            here = use->position[d] == d;
        if (!fits || (own && !here))
            kverify_error(v, statement->value->span, "inout %s may be read only at the element that is written", name);
        else if (writer && !(here && same_space(writer, statement)))
            kverify_error(v, statement->value->span,
                          "the old value of inout %s is read behind the store to it, over other indices than it has",
                          name);
    }
}
