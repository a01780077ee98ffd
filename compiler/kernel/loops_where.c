/* Values under a condition: comparisons that ranges decide, and for the others a branch where the condition is scalar,
 * masks and a choice where it differs from lane to lane. */
#include "loops_internal.h"

bool eval_is_static_integer(const struct kexpr *expr)
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
        return eval_is_static_integer(expr->arg[0]) && eval_is_static_integer(expr->arg[1]);
    case KX_DIV:
    case KX_MOD:
        return eval_is_static_integer(expr->arg[0]) && expr->arg[1]->op == KX_CONST_I32;
    default:
        return false;
    }
}

/* -1 unknown, else the truth of `x op y`; the range is that of x - y. */
static int decide(enum kop op, int64_t least, int64_t most)
{
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

const struct lvalue *eval_statically(struct builder *b, const struct kexpr *expr, const struct point *point)
{
    if (expr->count != 2 || !eval_is_static_integer(expr->arg[0]) || !eval_is_static_integer(expr->arg[1]))
        return NULL;
    struct lindex x = eval_index(b, expr->arg[0], point), y = eval_index(b, expr->arg[1], point);
    if (x.lane || y.lane || x.vector || y.vector)
        return NULL;
    struct laffine difference = affine_add(b, &x.base, &y.base, -1);
    int truth = decide(expr->op, affine_least(&difference), affine_most(&difference));
    return truth < 0 ? NULL : value_bool(b, truth);
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
    struct frame branch = branch_open(b, condition);
    branch_carry(b, &branch, count, out);
    for (int side = 0; side < 2; side++) {
        if (side)
            branch_otherwise(b, &branch);
        eval(b, side ? otherwise : then, count, point, out);
        for (uint32_t i = 0; i < count; i++)
            if (point[i].mask || eval_is_wide(b, then, point[i].env) || eval_is_wide(b, otherwise, point[i].env))
                out[i] = value_splat(b, out[i]);
    }
    branch_close(b, &branch);
}

static bool is_plain(const struct kexpr *expr)
{
    return expr->op == KX_CONST_F32 || expr->op == KX_CONST_I32 || expr->op == KX_CONST_BOOL;
}

void eval_where(struct builder *b, const struct lvalue *const *condition, const struct kexpr *then,
                const struct kexpr *otherwise, uint32_t count, const struct point *point, const struct lvalue **out)
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
