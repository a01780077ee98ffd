/* Expressions over tiles: one register per point, elementwise operations shared through the memo, reductions evaluated
 * once for all the points that differ. */
#include "loops_internal.h"

#include <assert.h>
#include <string.h>

/* ---- what an expression depends on ---- */

/* An index's value, and which of its lanes are read where it has any. */
static void signature_index(struct builder *b, const struct lindex *index, const struct point *point,
                            struct lsignature *out)
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

/* ---- comparisons of integers that the ranges decide ---- */

static bool is_static_integer(const struct kexpr *expr)
{
    if (expr->type != KT_I32)
        return false;
    switch (expr->op) {
    case KX_CONST_I32:
    case KX_INDEX:
        return true;
    case KX_ADD:
    case KX_SUB:
    case KX_MUL:
        return is_static_integer(expr->arg[0]) && is_static_integer(expr->arg[1]);
    case KX_DIV:
    case KX_MOD:
        return is_static_integer(expr->arg[0]) && expr->arg[1]->op == KX_CONST_I32;
    default:
        return false;
    }
}

/* -1 unknown, else the truth of `x op y` */
static int decide(enum kop op, int64_t least, int64_t most)
{ /* of x - y */
    switch (op) {
    case KX_LT:
        return most < 0 ? 1 : least >= 0 ? 0 : -1;
    case KX_LE:
        return most <= 0 ? 1 : least > 0 ? 0 : -1;
    case KX_GT:
        return least > 0 ? 1 : most <= 0 ? 0 : -1;
    case KX_GE:
        return least >= 0 ? 1 : most < 0 ? 0 : -1;
    case KX_EQ:
        return least == 0 && most == 0 ? 1 : least > 0 || most < 0 ? 0 : -1;
    case KX_NE:
        return least == 0 && most == 0 ? 0 : least > 0 || most < 0 ? 1 : -1;
    default:
        return -1;
    }
}

static void eval_elementwise(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                             const struct lvalue **out);

static const struct lvalue *compare_statically(struct builder *b, const struct kexpr *expr, const struct point *point)
{
    if (expr->count != 2 || !is_static_integer(expr->arg[0]) || !is_static_integer(expr->arg[1]))
        return NULL;
    struct lindex x = eval_index(b, expr->arg[0], point), y = eval_index(b, expr->arg[1], point);
    if (x.lane || y.lane || x.vector || y.vector)
        return NULL;
    struct laffine difference = affine_add(b, &x.base, &y.base, -1);
    int truth = decide(expr->op, affine_least(&difference), affine_most(&difference));
    return truth < 0 ? NULL : value_bool(b, truth);
}

static void eval_comparison(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                            const struct lvalue **out)
{
    struct point *open = ARENA_ARRAY(b->arena, struct point, count);
    uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, count), n = 0;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = compare_statically(b, expr, &point[i]);
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

/* ---- branches ---- */

static struct point *with_mask(struct builder *b, uint32_t count, const struct point *point,
                               const struct lvalue *const *condition, bool truth)
{
    struct point *p = ARENA_ARRAY(b->arena, struct point, count);
    for (uint32_t i = 0; i < count; i++) {
        p[i] = point[i];
        if (condition[i]->width == 1)
            continue;
        p[i].spare = false;
        const struct lvalue *c = condition[i];
        if (!truth)
            c = value_kop(b, KX_NOT, KT_BOOL, 1, &c);
        p[i].mask = p[i].mask ? value_binary(b, KX_LAND, KT_BOOL, p[i].mask, c) : c;
    }
    return p;
}

/* Runtime branch on a scalar condition shared by all the points. */
static void eval_if(struct builder *b, const struct lvalue *condition, const struct kexpr *then,
                    const struct kexpr *otherwise, uint32_t count, const struct point *point,
                    const struct lvalue **out)
{
    struct lcarried *yield = ARENA_ARRAY(b->arena, struct lcarried, count);
    for (uint32_t i = 0; i < count; i++) {
        bool wide = eval_is_wide(b, then, point[i].env) || eval_is_wide(b, otherwise, point[i].env) || point[i].mask;
        yield[i].phi = value_phi(b, then->type, wide ? b->lanes : 1);
        out[i] = yield[i].phi;
    }
    struct lstatement *branch = loops_emit(b, LS_IF);
    branch->value = condition;
    branch->carries = count;
    branch->carried = yield;
    struct lblock *outer = b->block;
    for (int side = 0; side < 2; side++) {
        const struct lvalue **result = ARENA_ARRAY(b->arena, const struct lvalue *, count);
        size_t mark = scope_open(b);
        b->block = side ? &branch->otherwise : &branch->body;
        eval(b, side ? otherwise : then, count, point, result);
        for (uint32_t i = 0; i < count; i++) {
            const struct lvalue *r = yield[i].phi->width > 1 ? value_splat(b, result[i]) : result[i];
            *(side ? &yield[i].next : &yield[i].first) = r;
        }
        scope_close(b, mark);
    }
    b->block = outer;
}

static bool is_plain(const struct kexpr *expr)
{
    return expr->op == KX_CONST_F32 || expr->op == KX_CONST_I32 || expr->op == KX_CONST_BOOL;
}

/* `then` where the condition holds, else `otherwise`, reading only what the condition lets be read. */
static void eval_where(struct builder *b, const struct lvalue *const *condition, const struct kexpr *then,
                       const struct kexpr *otherwise, uint32_t count, const struct point *point,
                       const struct lvalue **out)
{
    bool *done = ARENA_ARRAY(b->arena, bool, count);
    for (uint32_t i = 0; i < count; i++) {
        if (done[i])
            continue;
        /* the points of one kind together: same known condition, same scalar condition, or all wide ones */
        bool known = false, truth = value_is_bool(condition[i], &known);
        uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, count), n = 0;
        for (uint32_t j = i; j < count; j++) {
            bool known_j = false, truth_j = value_is_bool(condition[j], &known_j);
            bool alike = truth ? truth_j && known_j == known
                               : !truth_j && (condition[i]->width == 1 ? condition[j] == condition[i]
                                                                       : condition[j]->width > 1);
            if (!done[j] && alike) {
                done[j] = true;
                pick[n++] = j;
            }
        }
        struct point *p = ARENA_ARRAY(b->arena, struct point, n);
        const struct lvalue **c = ARENA_ARRAY(b->arena, const struct lvalue *, n);
        const struct lvalue **r = ARENA_ARRAY(b->arena, const struct lvalue *, n);
        for (uint32_t j = 0; j < n; j++) {
            p[j] = point[pick[j]];
            c[j] = condition[pick[j]];
        }
        if (truth) {
            eval(b, known ? then : otherwise, n, p, r);
        } else if (condition[i]->width == 1 && !(is_plain(then) && is_plain(otherwise))) {
            eval_if(b, condition[i], then, otherwise, n, p, r);
        } else {
            const struct lvalue **s = ARENA_ARRAY(b->arena, const struct lvalue *, n);
            eval(b, then, n, is_plain(then) ? p : with_mask(b, n, p, c, true), r);
            eval(b, otherwise, n, is_plain(otherwise) ? p : with_mask(b, n, p, c, false), s);
            for (uint32_t j = 0; j < n; j++)
                r[j] = value_kop(b, KX_SELECT, then->type, 3, (const struct lvalue *[]){c[j], r[j], s[j]});
        }
        for (uint32_t j = 0; j < n; j++)
            out[pick[j]] = r[j];
    }
}

/* ---- lets and functions ---- */

void eval_let(struct builder *b, const struct klet *let, uint32_t count, const struct point *point,
              struct lindex *const *args, const struct lvalue **out)
{
    struct point *inner = ARENA_ARRAY(b->arena, struct point, count);
    for (uint32_t i = 0; i < count; i++) {
        inner[i] = point[i];
        inner[i].env = NULL;
        for (uint32_t k = 0; k < let->rank; k++)
            inner[i].env = env_index(b, inner[i].env, let->index[k], args[i][k]);
    }
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
            if (key[j].words.count == k.words.count &&
                memcmp(key[j].words.at, k.words.at, k.words.count * sizeof *k.words.at) == 0)
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

bool loops_reduces(const struct kexpr *expr)
{
    if (expr->op == KX_REDUCE || (expr->op == KX_LET && loops_reduces(expr->let->value)))
        return true;
    for (uint32_t i = 0; i < expr->count; i++)
        if (loops_reduces(expr->arg[i]))
            return true;
    return false;
}

void eval_reductions(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point)
{
    if (!loops_reduces(expr))
        return;
    const struct lvalue **unused = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    if (expr->op == KX_REDUCE || expr->op == KX_POSITION) {
        eval(b, expr, count, point, unused);
    } else if (expr->op == KX_LET) {
        struct point *inner = ARENA_ARRAY(b->arena, struct point, count);
        for (uint32_t i = 0; i < count; i++) {
            inner[i] = point[i];
            inner[i].env = NULL;
            for (uint32_t k = 0; k < expr->count; k++)
                inner[i].env = env_index(b, inner[i].env, expr->let->index[k], eval_index(b, expr->arg[k], &point[i]));
        }
        eval_reductions(b, expr->let->value, count, inner);
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
        while (j < n && !(key[j].words.count == k.words.count &&
                          memcmp(key[j].words.at, k.words.at, k.words.count * sizeof *k.words.at) == 0))
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
        if (is_static_integer(expr)) {
            for (uint32_t i = 0; i < count; i++) {
                struct lindex x = eval_index(b, expr, &point[i]);
                out[i] = value_index(b, &x);
            }
            return;
        }
        eval_elementwise(b, expr, count, point, out);
    }
}
