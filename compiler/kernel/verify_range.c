/* Interval arithmetic over index expressions, sharpened by what conditions and guards say. Bounds saturate at 2^62. */
#include "verify.h"

static const int64_t LIMIT = (int64_t)1 << 62;

static int64_t clamp(int64_t value)
{
    return value > LIMIT ? LIMIT : value < -LIMIT ? -LIMIT : value;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (a < 0 ? -LIMIT : LIMIT) : clamp(sum);
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? ((a < 0) == (b < 0) ? LIMIT : -LIMIT) : clamp(product);
}

/* 1 when both have the same terms, -1 when one is the other's negative, else 0. */
static int same_terms(const struct kaffine *a, const struct kaffine *b)
{
    int sign = 0;
    if (a->count != b->count)
        return 0;
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t j = 0;
        while (j < b->count && !kexpr_equal(a->term[i].atom, b->term[j].atom))
            j++;
        if (j == b->count)
            return 0;
        int here = a->term[i].coefficient == b->term[j].coefficient    ? 1
                   : a->term[i].coefficient == -b->term[j].coefficient ? -1
                                                                       : 0;
        if (here == 0 || (sign && here != sign))
            return 0;
        sign = here;
    }
    return sign;
}

static struct krange apply_facts(const struct kverifier *v, const struct kaffine *sum, struct krange range)
{
    for (size_t i = 0; i < v->facts.count; i++) {
        const struct kfact *fact = &v->facts.at[i];
        int sign = same_terms(sum, &fact->sum);
        if (sign == 0)
            continue;
        int64_t least = sign > 0 ? fact->least : -fact->most, most = sign > 0 ? fact->most : -fact->least;
        least = plus(least, sum->constant);
        most = plus(most, sum->constant);
        range.least = least > range.least ? least : range.least;
        range.most = most < range.most ? most : range.most;
    }
    return range;
}

static struct krange everything(const struct kexpr *expr)
{
    if (expr->type == KT_BOOL)
        return (struct krange){0, 1};
    return expr->type == KT_U8 ? (struct krange){0, 255} : (struct krange){INT32_MIN, INT32_MAX};
}

static struct krange hull(struct krange a, struct krange b)
{
    return (struct krange){a.least < b.least ? a.least : b.least, a.most > b.most ? a.most : b.most};
}

static struct krange range_product(struct krange a, struct krange b)
{
    struct krange r = {LIMIT, -LIMIT};
    const int64_t left[] = {a.least, a.most}, right[] = {b.least, b.most};
    for (int i = 0; i < 4; i++) {
        int64_t p = times(left[i / 2], right[i % 2]);
        r = hull(r, (struct krange){p, p});
    }
    return r;
}

static struct krange divided(struct krange a, int64_t by, bool remainder)
{
    if (a.least < 0 || by <= 0)
        return (struct krange){INT32_MIN, INT32_MAX};
    if (!remainder)
        return (struct krange){a.least / by, a.most / by};
    if (a.least / by == a.most / by)
        return (struct krange){a.least % by, a.most % by};
    return (struct krange){0, by - 1};
}

/* Of an expression that is no sum. */
static struct krange atom_range(const struct kverifier *v, const struct kexpr *expr)
{
    switch (expr->op) {
    case KX_INDEX: return (struct krange){0, expr->index->extent - 1};
    case KX_SCALAR:
        return expr->scalar->limit ? (struct krange){1, expr->scalar->limit} : everything(expr);
    case KX_DIV:
    case KX_MOD:
        if (expr->type == KT_I32 && expr->arg[1]->op == KX_CONST_I32)
            return divided(kverify_range(v, expr->arg[0]), expr->arg[1]->i32, expr->op == KX_MOD);
        return everything(expr);
    case KX_MUL: return range_product(kverify_range(v, expr->arg[0]), kverify_range(v, expr->arg[1]));
    case KX_TO_I32: return kverify_range(v, expr->arg[0]);
    case KX_SELECT:
    case KX_WHERE: return hull(kverify_range(v, expr->arg[1]), kverify_range(v, expr->arg[2]));
    case KX_MAX: {
        struct krange a = kverify_range(v, expr->arg[0]), b = kverify_range(v, expr->arg[1]);
        return (struct krange){a.least > b.least ? a.least : b.least, a.most > b.most ? a.most : b.most};
    }
    case KX_AND:
        if (expr->arg[1]->op == KX_CONST_I32 && expr->arg[1]->i32 >= 0)
            return (struct krange){0, expr->arg[1]->i32};
        return everything(expr);
    default: return everything(expr);
    }
}

struct krange kverify_range(const struct kverifier *v, const struct kexpr *expr)
{
    struct kaffine sum;
    if (expr->type != KT_I32 || !kaffine_of(expr, &sum))
        return expr->type == KT_I32 ? (struct krange){-LIMIT, LIMIT} : everything(expr);
    struct krange total = {sum.constant, sum.constant};
    for (uint32_t i = 0; i < sum.count; i++) {
        struct kaffine alone = {.count = 1, .term = {{sum.term[i].atom, 1}}};
        struct krange part = apply_facts(v, &alone, atom_range(v, sum.term[i].atom));
        part = range_product(part, (struct krange){sum.term[i].coefficient, sum.term[i].coefficient});
        total.least = plus(total.least, part.least);
        total.most = plus(total.most, part.most);
    }
    return apply_facts(v, &sum, total);
}

static void add_fact(struct kverifier *v, struct kaffine *sum, int64_t least, int64_t most)
{
    least = plus(least, -sum->constant);
    most = plus(most, -sum->constant);
    sum->constant = 0;
    if (sum->count > 0)
        vec_push(v->arena, &v->facts, (struct kfact){*sum, least, most});
}

void kverify_assume_range(struct kverifier *v, const struct kexpr *value, int64_t least, int64_t most)
{
    struct kaffine sum;
    if (value->type == KT_I32 && kaffine_of(value, &sum))
        add_fact(v, &sum, least, most);
}

void kverify_assume(struct kverifier *v, const struct kexpr *c, bool truth)
{
    if (c->op == KX_NOT) {
        kverify_assume(v, c->arg[0], !truth);
        return;
    }
    if (c->op == (truth ? KX_LAND : KX_LOR)) {
        kverify_assume(v, c->arg[0], truth);
        kverify_assume(v, c->arg[1], truth);
        return;
    }
    if (c->count != 2 || c->arg[0]->type != KT_I32 || c->arg[1]->type != KT_I32)
        return;
    struct kexpr difference = {.op = KX_SUB, .type = KT_I32, .count = 2, .arg = c->arg};
    struct kaffine sum;
    if (!kaffine_of(&difference, &sum))
        return;
    switch (c->op) {
    case KX_LT: add_fact(v, &sum, truth ? -LIMIT : 0, truth ? -1 : LIMIT); break;
    case KX_LE: add_fact(v, &sum, truth ? -LIMIT : 1, truth ? 0 : LIMIT); break;
    case KX_GT: add_fact(v, &sum, truth ? 1 : -LIMIT, truth ? LIMIT : 0); break;
    case KX_GE: add_fact(v, &sum, truth ? 0 : -LIMIT, truth ? LIMIT : -1); break;
    case KX_EQ:
    case KX_NE:
        if (truth == (c->op == KX_EQ))
            add_fact(v, &sum, 0, 0);
        break;
    default: break;
    }
}
