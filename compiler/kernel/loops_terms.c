/* The terms of a reduction at given values of its indices: each joins the accumulator of its point, under a mask or a
 * branch where a condition is not known to hold. */
#include "loops_reduce.h"

#include <string.h>

int32_t reduce_positions(const struct kreduce *r)
{
    int64_t positions = 1;
    for (uint32_t i = 0; i < r->indices; i++)
        positions *= r->index[i]->extent;
    return (int32_t)positions;
}

/* not (best >= e) is both while best is no NaN itself */
const struct lvalue *reduce_takes_over(struct builder *b, const struct lvalue *best, const struct lvalue *e)
{
    const struct lvalue *keeps = value_binary(b, KX_GE, KT_BOOL, best, e);
    const struct lvalue *takes = value_kop(b, KX_NOT, KT_BOOL, 1, &keeps);
    if (best->op == LO_CONST && best->f32 == best->f32)
        return takes;
    return value_binary(b, KX_LAND, KT_BOOL, takes, value_binary(b, KX_EQ, KT_BOOL, best, best));
}

uint32_t reduce_alike(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                      uint32_t *out_number)
{
    struct lsignature *known = ARENA_ARRAY(b->arena, struct lsignature, count);
    uint32_t numbers = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct lsignature s = {0};
        eval_signature(b, expr, &point[i], &s);
        uint32_t n = 0;
        while (n < numbers && !signature_equal(&known[n], &s))
            n++;
        if (n == numbers)
            known[numbers++] = s;
        out_number[i] = n;
    }
    return numbers;
}

/* The factor with fewer registers is loaded first and kept, the other one comes one by one, so
 * that a tile of R x V accumulators needs V + 1 registers more. */
void loops_accumulate_products(struct builder *b, const struct kreduce *r, const struct point *point, uint32_t count,
                               const struct lvalue **acc, const uint32_t *pick)
{
    uint32_t *number[2], numbers[2];
    for (int t = 0; t < 2; t++) {
        number[t] = ARENA_ARRAY(b->arena, uint32_t, count);
        numbers[t] = reduce_alike(b, r->term[t], count, point, number[t]);
    }
    int kept = numbers[0] < numbers[1] ? 0 : 1, other = 1 - kept;
    const struct lvalue **x = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    eval(b, r->term[kept], count, point, x);
    for (uint32_t n = 0; n < numbers[other]; n++)
        for (uint32_t i = 0; i < count; i++) {
            if (number[other][i] != n)
                continue;
            const struct lvalue *y, **a = &acc[pick[i]];
            uint32_t width = (*a)->width;
            eval(b, r->term[other], 1, &point[i], &y);
            *a = value_kop(b, KX_FMA, KT_F32, 3, (const struct lvalue *[]){kept ? y : x[i], kept ? x[i] : y, *a});
            if (width > 1)
                *a = value_splat(b, *a);
        }
}

/* acc := acc joined with the terms at these points. at: positions, for max_at. */
static void accumulate(struct builder *b, struct reduce_nest *nest, const struct point *point, uint32_t count,
                       const struct lvalue **acc, const struct lvalue **at, const uint32_t *pick)
{
    const struct kreduce *r = nest->reduce;
    if (r->term[1]) {
        loops_accumulate_products(b, r, point, count, acc, pick);
        return;
    }
    const struct lvalue **x = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    eval(b, r->term[0], count, point, x);
    for (uint32_t i = 0; i < count; i++) {
        const struct lvalue **a = &acc[pick[i]];
        uint32_t width = (*a)->width;
        if (r->kind == KR_MAX_AT) {
            const struct lvalue *e = x[i], *best = *a, *replace = reduce_takes_over(b, best, e);
            if (!r->from && r->conditions) /* nothing taken yet */
                replace = value_binary(b, KX_LOR, KT_BOOL, replace,
                                       value_binary(b, KX_EQ, KT_BOOL, at[pick[i]], value_i32(b, reduce_positions(r))));
            struct laffine position = affine_constant(0);
            for (uint32_t k = 0; k < r->indices; k++) {
                struct laffine scaled = affine_scale(b, &position, r->index[k]->extent);
                position = affine_add(b, &scaled, &env_find(point[i].env, r->index[k])->index.base, 1);
            }
            const struct lvalue *p = value_integer(b, &position);
            *a = value_kop(b, KX_SELECT, KT_F32, 3, (const struct lvalue *[]){replace, e, best});
            at[pick[i]] = value_kop(b, KX_SELECT, KT_I32, 3, (const struct lvalue *[]){replace, p, at[pick[i]]});
        } else {
            *a = value_binary(b, KX_ADD, nest->expr->type, *a, x[i]);
        }
        if (width > 1)
            *a = value_splat(b, *a);
    }
}

void reduce_terms(struct builder *b, struct reduce_nest *nest, const struct point *point, const struct lvalue **acc,
                  const struct lvalue **at)
{
    const struct lvalue **guard = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
    bool *done = ARENA_ARRAY(b->arena, bool, nest->count);
    for (uint32_t i = 0; i < nest->count; i++)
        guard[i] = reduce_guard(b, nest, &point[i], &done[i]); /* a term known to be absent is done */
    uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, nest->count);
    struct point *p = ARENA_ARRAY(b->arena, struct point, nest->count);
    for (uint32_t i = 0; i < nest->count; i++) {
        if (done[i])
            continue;
        uint32_t n = 0;
        for (uint32_t j = i; j < nest->count; j++)
            if (!done[j] && guard[j] == guard[i]) {
                done[j] = true;
                p[n] = point[j];
                pick[n++] = j;
            }
        if (!guard[i]) {
            accumulate(b, nest, p, n, acc, at, pick);
            continue;
        }
        if (guard[i]->width > 1) { /* lanes that take no part keep what they have */
            const struct lvalue **before = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
            const struct lvalue **before_at = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
            memcpy(before, acc, nest->count * sizeof *acc);
            if (at)
                memcpy(before_at, at, nest->count * sizeof *at);
            for (uint32_t j = 0; j < n; j++) {
                p[j].spare = false;
                p[j].mask = p[j].mask ? value_binary(b, KX_LAND, KT_BOOL, p[j].mask, guard[i]) : guard[i];
            }
            accumulate(b, nest, p, n, acc, at, pick);
            for (uint32_t j = 0; j < n; j++) {
                uint32_t k = pick[j];
                acc[k] = value_kop(b, KX_SELECT, acc[k]->type, 3,
                                   (const struct lvalue *[]){guard[i], acc[k], before[k]});
                if (at)
                    at[k] = value_kop(b, KX_SELECT, KT_I32, 3,
                                      (const struct lvalue *[]){guard[i], at[k], before_at[k]});
            }
            continue;
        }
        struct frame branch = branch_open(b, guard[i]);
        for (uint32_t j = 0; j < n; j++) {
            branch_carry(b, &branch, 1, &acc[pick[j]]);
            if (at)
                branch_carry(b, &branch, 1, &at[pick[j]]);
        }
        accumulate(b, nest, p, n, acc, at, pick);
        branch_close(b, &branch);
    }
}

/* ---- what terms are like ---- */

bool loops_term_is_wide(struct builder *b, const struct kreduce *r, const struct point *point)
{
    bool wide = (point->mask && b->lanes > 1) || eval_is_wide(b, r->term[0], point->env) ||
                (r->term[1] && eval_is_wide(b, r->term[1], point->env)) ||
                (r->from && eval_is_wide(b, r->from, point->env));
    for (uint32_t i = 0; i < r->conditions; i++)
        wide |= eval_is_wide(b, r->condition[i].value, point->env);
    return wide;
}

/* Whether all indices that it names have values already: no reduction around it has yet to bind one. */
static bool is_bound(const struct kexpr *expr, const struct loop_env *env)
{
    if (expr->op == KX_REDUCE || (expr->op == KX_INDEX && !env_find(env, expr->index)))
        return false;
    for (uint32_t i = 0; i < expr->count; i++)
        if (!is_bound(expr->arg[i], env))
            return false;
    return true;
}

/* A let can be read anywhere, so this needs no term to be present. */
void reduce_lets_ahead(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point)
{
    if (!loops_reduces(expr) || expr->op == KX_REDUCE)
        return;
    if (expr->op == KX_LET && is_bound(expr, point->env)) {
        eval(b, expr, count, point, ARENA_ARRAY(b->arena, const struct lvalue *, count));
    } else if (expr->op == KX_LET) {
        uint32_t known = 0;
        for (uint32_t k = 0; k < expr->count; k++)
            known |= (uint32_t)is_bound(expr->arg[k], point->env) << k;
        reduce_lets_ahead(b, expr->let->value, count, let_points(b, expr, known, count, point));
    } else {
        uint32_t sure = expr->op == KX_WHERE || expr->op == KX_LAND || expr->op == KX_LOR ? 1 : expr->count;
        for (uint32_t i = 0; i < sure; i++)
            reduce_lets_ahead(b, expr->arg[i], count, point);
    }
}
