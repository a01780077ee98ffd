/* What an expression's value depends on at a point of a tile: words that are the same where the value is, whether it
 * may differ from lane to lane, and whether it needs a loop. */
#include "loops_internal.h"

#include <string.h>

void signature_index(struct builder *b, const struct lindex *index, const struct point *point, struct lsignature *out)
{
    vec_push(b->arena, &out->words, (uint64_t)index->base.constant);
    for (uint32_t i = 0; i < index->base.count; i++) {
        vec_push(b->arena, &out->words, (uint64_t)(uintptr_t)index->base.product[i].term);
        vec_push(b->arena, &out->words, (uint64_t)index->base.product[i].factor);
    }
    vec_push(b->arena, &out->words, (uint64_t)index->lane);
    vec_push(b->arena, &out->words, (uint64_t)(uintptr_t)index->vector);
    if (index->lane || index->vector)
        vec_push(b->arena, &out->words, point->valid);
}

static void signature_expr(struct builder *b, const struct kexpr *expr, const struct point *point,
                           struct lsignature *out)
{
    switch (expr->op) {
    case KX_INDEX: {
        const struct loop_env *e = env_find(point->env, expr->index);
        if (!e) /* bound by a reduction inside */
            return;
        vec_push(b->arena, &out->words, (uint64_t)(uintptr_t)expr->index);
        signature_index(b, &e->index, point, out);
        return;
    }
    case KX_SCALAR:
    case KX_LET: {
        const struct loop_env *e = env_find(point->env, expr->op == KX_LET ? (const void *)expr->let : expr->scalar);
        if (e)
            vec_push(b->arena, &out->words, (uint64_t)(uintptr_t)e->value);
        break;
    }
    case KX_LOAD:
        vec_push(b->arena, &out->words, b->version[expr->buffer->number]);
        break;
    case KX_REDUCE: {
        const struct kreduce *r = expr->reduce;
        for (int i = 0; i < 2; i++)
            if (r->term[i])
                signature_expr(b, r->term[i], point, out);
        if (r->from)
            signature_expr(b, r->from, point, out);
        for (uint32_t i = 0; i < r->conditions; i++)
            signature_expr(b, r->condition[i].value, point, out);
        break;
    }
    default:
        break;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        signature_expr(b, expr->arg[i], point, out);
}

void eval_signature(struct builder *b, const struct kexpr *expr, const struct point *point, struct lsignature *out)
{
    vec_push(b->arena, &out->words, (uint64_t)(uintptr_t)expr);
    vec_push(b->arena, &out->words, (uint64_t)(uintptr_t)point->mask);
    signature_expr(b, expr, point, out);
}

bool signature_equal(const struct lsignature *x, const struct lsignature *y)
{
    return x->words.count == y->words.count &&
           memcmp(x->words.at, y->words.at, x->words.count * sizeof *x->words.at) == 0;
}

bool eval_is_wide(struct builder *b, const struct kexpr *expr, const struct loop_env *env)
{
    if (b->lanes == 1)
        return false;
    if (expr->op == KX_INDEX) {
        const struct loop_env *e = env_find(env, expr->index);
        return e && (e->index.lane || e->index.vector);
    }
    if (expr->op == KX_LET || expr->op == KX_SCALAR) {
        const struct loop_env *e = env_find(env, expr->op == KX_LET ? (const void *)expr->let : expr->scalar);
        if (e && e->value->width > 1)
            return true;
    }
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        for (int i = 0; i < 2; i++)
            if (r->term[i] && eval_is_wide(b, r->term[i], env))
                return true;
        if (r->from && eval_is_wide(b, r->from, env))
            return true;
        for (uint32_t i = 0; i < r->conditions; i++)
            if (eval_is_wide(b, r->condition[i].value, env))
                return true;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (eval_is_wide(b, expr->arg[i], env))
            return true;
    return false;
}
