/* Expressions over tiles: one register per point, elementwise operations shared through the memo, reductions evaluated
 * once for all the points that differ. */
#include "loops_internal.h"

#include <assert.h>

/* ---- lets and functions ---- */

static void eval_let(struct builder *b, const struct klet *let, uint32_t count, const struct point *point,
                     struct lindex *const *args, const struct lvalue **out)
{
    struct point *inner = ARENA_ARRAY(b->arena, struct point, count);
    for (uint32_t i = 0; i < count; i++)
        inner[i] = let_point(b, let, args[i], UINT32_MAX, &point[i]);
    eval(b, let->value, count, inner, out);
}

/* The memo holds lets by their arguments, so a let is evaluated once per scope, at its definition's values. */
static void eval_let_reference(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                               const struct lvalue **out)
{
    struct point *todo = ARENA_ARRAY(b->arena, struct point, count);
    struct lindex **args = ARENA_ARRAY(b->arena, struct lindex *, count);
    const struct lvalue **result = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    struct lsignature *key = ARENA_ARRAY(b->arena, struct lsignature, count);
    uint32_t *same_as = ARENA_ARRAY(b->arena, uint32_t, count), n = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct lindex *a = ARENA_ARRAY(b->arena, struct lindex, expr->count ? expr->count : 1);
        struct lsignature k = {0};
        vec_push(b->arena, &k.words, (uint64_t)(uintptr_t)expr->let);
        vec_push(b->arena, &k.words, (uint64_t)(uintptr_t)point[i].mask);
        for (uint32_t d = 0; d < expr->count; d++) {
            a[d] = eval_index(b, expr->arg[d], &point[i]);
            signature_index(b, &a[d], &point[i], &k);
        }
        uint64_t hash;
        out[i] = memo_find(b, k.words.at, (uint32_t)k.words.count, &hash);
        same_as[i] = UINT32_MAX;
        if (out[i])
            continue;
        for (uint32_t j = 0; j < n; j++)
            if (signature_equal(&key[j], &k))
                same_as[i] = j;
        if (same_as[i] == UINT32_MAX) {
            key[n] = k;
            todo[n] = point[i];
            args[n] = a;
            same_as[i] = n++;
        }
    }
    if (n == 0)
        return;
    eval_let(b, expr->let, n, todo, args, result);
    for (uint32_t j = 0; j < n; j++) {
        uint64_t hash;
        if (!memo_find(b, key[j].words.at, (uint32_t)key[j].words.count, &hash))
            memo_add(b, key[j].words.at, (uint32_t)key[j].words.count, hash, result[j]);
    }
    for (uint32_t i = 0; i < count; i++)
        if (same_as[i] != UINT32_MAX)
            out[i] = result[same_as[i]];
}

static const struct lvalue *eval_function(struct builder *b, const struct kexpr *expr,
                                          const struct lvalue *const *arg)
{
    const struct kfunction *f = expr->function;
    struct point p = {.valid = b->lanes};
    for (uint32_t i = 0; i < f->parameters; i++)
        p.env = env_value(b, p.env, BIND_SCALAR, f->parameter[i], arg[i]);
    for (uint32_t i = 0; i < f->lets; i++)
        p.env = env_value(b, p.env, BIND_LET, f->let[i], eval_one(b, f->let[i]->value, &p));
    return eval_one(b, f->body, &p);
}

void eval_reductions(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point)
{
    if (!loops_reduces(expr))
        return;
    const struct lvalue **unused = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    if (expr->op == KX_REDUCE || expr->op == KX_POSITION) {
        eval(b, expr, count, point, unused);
    } else if (expr->op == KX_LET) {
        eval_reductions(b, expr->let->value, count, let_points(b, expr, UINT32_MAX, count, point));
    } else {
        uint32_t sure = expr->op == KX_WHERE || expr->op == KX_LAND || expr->op == KX_LOR ? 1 : expr->count;
        for (uint32_t k = 0; k < sure; k++)
            eval_reductions(b, expr->arg[k], count, point);
    }
}

/* ---- reductions: only the points that differ, and what was computed before is found again ---- */

static void eval_reduction(struct builder *b, const struct kexpr *expr, bool position, uint32_t count,
                           const struct point *point, const struct lvalue **out)
{
    struct point *todo = ARENA_ARRAY(b->arena, struct point, count);
    struct lsignature *key = ARENA_ARRAY(b->arena, struct lsignature, count);
    uint32_t *same_as = ARENA_ARRAY(b->arena, uint32_t, count), n = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct lsignature k = {0};
        vec_push(b->arena, &k.words, position);
        eval_signature(b, expr, &point[i], &k);
        uint64_t hash;
        out[i] = memo_find(b, k.words.at, (uint32_t)k.words.count, &hash);
        if (out[i])
            continue;
        uint32_t j = 0;
        while (j < n && !signature_equal(&key[j], &k))
            j++;
        if (j == n) {
            key[n] = k;
            todo[n++] = point[i];
        }
        same_as[i] = j;
    }
    if (n == 0)
        return;
    bool max_at = expr->reduce->kind == KR_MAX_AT;
    const struct lvalue **value = ARENA_ARRAY(b->arena, const struct lvalue *, n);
    const struct lvalue **at = ARENA_ARRAY(b->arena, const struct lvalue *, n);
    eval_reduce(b, expr, n, todo, value, max_at ? at : NULL);
    for (uint32_t j = 0; j < n; j++)
        for (uint64_t second = 0; second <= max_at; second++) {
            uint64_t hash;
            key[j].words.at[0] = second;
            if (!memo_find(b, key[j].words.at, (uint32_t)key[j].words.count, &hash))
                memo_add(b, key[j].words.at, (uint32_t)key[j].words.count, hash, second ? at[j] : value[j]);
        }
    for (uint32_t i = 0; i < count; i++)
        if (!out[i])
            out[i] = position ? at[same_as[i]] : value[same_as[i]];
}

/* ---- everything ---- */

static void eval_elementwise(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                             const struct lvalue **out)
{
    const struct lvalue **arg[4] = {0};
    for (int loops = 1; loops >= 0; loops--) /* what needs loops first: nothing else lives across them */
        for (uint32_t k = 0; k < expr->count; k++)
            if (loops_reduces(expr->arg[k]) == loops) {
                arg[k] = ARENA_ARRAY(b->arena, const struct lvalue *, count);
                eval(b, expr->arg[k], count, point, arg[k]);
            }
    for (uint32_t i = 0; i < count; i++) {
        const struct lvalue *a[4];
        for (uint32_t k = 0; k < expr->count; k++)
            a[k] = arg[k][i];
        out[i] = expr->op == KX_CALL ? eval_function(b, expr, a)
                                     : value_kop(b, expr->op, expr->type, expr->count, a);
    }
}

static void eval_comparison(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                            const struct lvalue **out)
{
    struct point *open = ARENA_ARRAY(b->arena, struct point, count);
    uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, count), n = 0;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = eval_statically(b, expr, &point[i]);
        if (!out[i]) {
            open[n] = point[i];
            pick[n++] = i;
        }
    }
    const struct lvalue **result = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    eval_elementwise(b, expr, n, open, result);
    for (uint32_t i = 0; i < n; i++)
        out[pick[i]] = result[i];
}

void eval(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
          const struct lvalue **out)
{
    switch (expr->op) {
    case KX_CONST_F32:
    case KX_CONST_I32:
    case KX_CONST_BOOL:
        for (uint32_t i = 0; i < count; i++)
            out[i] = expr->op == KX_CONST_F32   ? value_f32(b, expr->f32)
                     : expr->op == KX_CONST_I32 ? value_i32(b, expr->i32)
                                                : value_bool(b, expr->i32);
        return;
    case KX_INDEX:
        for (uint32_t i = 0; i < count; i++)
            out[i] = value_index(b, &env_find(point[i].env, expr->index)->index);
        return;
    case KX_SCALAR:
        for (uint32_t i = 0; i < count; i++) {
            const struct loop_env *e = env_find(point[i].env, expr->scalar);
            out[i] = e ? e->value : value_scalar(b, expr->scalar);
        }
        return;
    case KX_LOAD:
        for (uint32_t i = 0; i < count; i++)
            out[i] = eval_load(b, expr, &point[i]);
        return;
    case KX_LET:
        if (count && env_find(point[0].env, expr->let)) { /* of a function */
            for (uint32_t i = 0; i < count; i++)
                out[i] = env_find(point[i].env, expr->let)->value;
            return;
        }
        eval_let_reference(b, expr, count, point, out);
        return;
    case KX_REDUCE:
        eval_reduction(b, expr, false, count, point, out);
        return;
    case KX_POSITION:
        assert(expr->arg[0]->op == KX_REDUCE);
        eval_reduction(b, expr->arg[0], true, count, point, out);
        return;
    case KX_WHERE:
    case KX_LAND:
    case KX_LOR: {
        const struct lvalue **condition = ARENA_ARRAY(b->arena, const struct lvalue *, count);
        eval(b, expr->arg[0], count, point, condition);
        struct kexpr *constant = kx_bool(b->arena, expr->op == KX_LOR);
        if (expr->op == KX_WHERE)
            eval_where(b, condition, expr->arg[1], expr->arg[2], count, point, out);
        else if (expr->op == KX_LAND)
            eval_where(b, condition, expr->arg[1], constant, count, point, out);
        else
            eval_where(b, condition, constant, expr->arg[1], count, point, out);
        return;
    }
    case KX_EQ:
    case KX_NE:
    case KX_LT:
    case KX_LE:
    case KX_GT:
    case KX_GE:
        eval_comparison(b, expr, count, point, out);
        return;
    default:
        /* i32 arithmetic on indices stays in integers, where it costs nothing */
        if (eval_is_static_integer(expr)) {
            for (uint32_t i = 0; i < count; i++) {
                struct lindex x = eval_index(b, expr, &point[i]);
                out[i] = value_index(b, &x);
            }
            return;
        }
        eval_elementwise(b, expr, count, point, out);
    }
}
