/* Integers that are affine in loop variables, kept normal: terms in the order of their creation, no zero factors, so
 * that equal integers are equal structures. Division and remainder are resolved as far as ranges and factors allow. */
#include "loops_internal.h"


struct laffine affine_constant(int64_t value)
{
    return (struct laffine){.constant = value};
}

struct laffine affine_term(struct builder *b, const struct lterm *term, int64_t factor)
{
    struct lproduct *p = ARENA_NEW(b->arena, struct lproduct);
    *p = (struct lproduct){term, factor};
    return (struct laffine){.count = factor != 0, .product = p};
}

struct laffine affine_add(struct builder *b, const struct laffine *x, const struct laffine *y, int64_t factor)
{
    struct laffine sum = {.constant = x->constant + factor * y->constant};
    if (x->count + y->count == 0)
        return sum;
    struct lproduct *p = ARENA_ARRAY(b->arena, struct lproduct, x->count + y->count);
    uint32_t i = 0, j = 0, n = 0;
    while (i < x->count || j < y->count) {
        if (i < x->count && j < y->count && x->product[i].term == y->product[j].term) {
            int64_t f = x->product[i].factor + factor * y->product[j].factor;
            if (f)
                p[n++] = (struct lproduct){x->product[i].term, f};
            i++, j++;
        } else if (j == y->count ||
                   (i < x->count && x->product[i].term->number < y->product[j].term->number)) {
            p[n++] = x->product[i++];
        } else {
            p[n++] = (struct lproduct){y->product[j].term, factor * y->product[j].factor};
            j++;
        }
    }
    sum.count = n;
    sum.product = p;
    return sum;
}

struct laffine affine_scale(struct builder *b, const struct laffine *x, int64_t factor)
{
    struct laffine zero = {0};
    if (factor == 0)
        return zero;
    return affine_add(b, &zero, x, factor);
}

int64_t affine_least(const struct laffine *x)
{
    int64_t sum = x->constant;
    for (uint32_t i = 0; i < x->count; i++)
        sum += x->product[i].factor * (x->product[i].factor > 0 ? x->product[i].term->least : x->product[i].term->most);
    return sum;
}

int64_t affine_most(const struct laffine *x)
{
    int64_t sum = x->constant;
    for (uint32_t i = 0; i < x->count; i++)
        sum += x->product[i].factor * (x->product[i].factor > 0 ? x->product[i].term->most : x->product[i].term->least);
    return sum;
}

bool affine_equal(const struct laffine *x, const struct laffine *y)
{
    if (x->constant != y->constant || x->count != y->count)
        return false;
    for (uint32_t i = 0; i < x->count; i++)
        if (x->product[i].term != y->product[i].term || x->product[i].factor != y->product[i].factor)
            return false;
    return true;
}

bool affine_is_multiple(const struct laffine *x, int64_t of)
{
    if (x->constant % of)
        return false;
    for (uint32_t i = 0; i < x->count; i++)
        if (x->product[i].factor % of)
            return false;
    return true;
}

static const struct lterm *term_new(struct builder *b, struct lterm term)
{
    for (size_t i = 0; i < b->terms.count; i++) {
        const struct lterm *t = b->terms.at[i];
        if (t->kind == term.kind && t->var == term.var && t->scalar == term.scalar && t->value == term.value &&
            t->divisor == term.divisor && affine_equal(&t->of, &term.of))
            return t;
    }
    struct lterm *t = ARENA_NEW(b->arena, struct lterm);
    *t = term;
    t->number = (uint32_t)b->terms.count;
    vec_push(b->arena, &b->terms, t);
    return t;
}

const struct lterm *term_var(struct builder *b, const char *name, int64_t least, int64_t most)
{
    struct lvar *var = ARENA_NEW(b->arena, struct lvar);
    *var = (struct lvar){name, b->out->vars++};
    return term_new(b, (struct lterm){.kind = LT_VAR, .var = var, .least = least, .most = most < least ? least : most});
}

static const struct lterm *term_scalar(struct builder *b, const struct kscalar *scalar)
{
    return term_new(b, (struct lterm){.kind = LT_SCALAR, .scalar = scalar, .most = scalar->limit});
}

const struct lterm *term_value(struct builder *b, const struct lvalue *value, int64_t least, int64_t most)
{
    return term_new(b, (struct lterm){.kind = LT_VALUE, .value = value, .least = least, .most = most});
}

static int64_t floor_mod(int64_t a, int64_t d)
{
    return (a % d + d) % d;
}

/* x = divisor * out_quotient + out_rest, the rest's factors and constant in [0, divisor) */
static void split(struct builder *b, const struct laffine *x, int64_t divisor, struct laffine *out_quotient,
                  struct laffine *out_rest)
{
    struct laffine quotient = affine_constant((x->constant - floor_mod(x->constant, divisor)) / divisor);
    struct laffine rest = affine_constant(floor_mod(x->constant, divisor));
    for (uint32_t i = 0; i < x->count; i++) {
        int64_t f = x->product[i].factor, r = floor_mod(f, divisor);
        if (f < 0 && r) { /* keep small negative factors whole: their quotient would not cancel */
            struct laffine t = affine_term(b, x->product[i].term, f);
            rest = affine_add(b, &rest, &t, 1);
            continue;
        }
        struct laffine q = affine_term(b, x->product[i].term, (f - r) / divisor);
        struct laffine t = affine_term(b, x->product[i].term, r);
        quotient = affine_add(b, &quotient, &q, 1);
        rest = affine_add(b, &rest, &t, 1);
    }
    *out_quotient = quotient;
    *out_rest = rest;
}

static int64_t gcd(int64_t a, int64_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* The part of the rest's constant that can neither carry nor be carried into: all else is a multiple of something
 * larger that divides the divisor too, as in (16 n + 3) / 48. That is *out_common, 16. */
static int64_t separate(struct laffine *rest, int64_t divisor, int64_t *out_common)
{
    int64_t common = divisor;
    for (uint32_t i = 0; i < rest->count; i++)
        common = gcd(common, rest->product[i].factor);
    int64_t small = rest->constant % common;
    rest->constant -= small;
    *out_common = common;
    return small;
}

struct laffine affine_div(struct builder *b, const struct laffine *x, int64_t divisor)
{
    if (divisor == 1)
        return *x;
    struct laffine quotient, rest;
    split(b, x, divisor, &quotient, &rest);
    int64_t least = affine_least(&rest), most = affine_most(&rest);
    if (least >= 0 && most < divisor)
        return quotient;
    if (least < 0) { /* the rest alone may be negative: divide the whole */
        rest = *x;
        quotient = affine_constant(0);
        most = affine_most(x);
    }
    int64_t common = 1;
    if (least >= 0)
        separate(&rest, divisor, &common);
    const struct lterm *t = term_new(b, (struct lterm){.kind = LT_DIV, .of = rest, .divisor = divisor,
                                                       .most = most < 0 ? 0 : most / divisor});
    struct laffine a = affine_term(b, t, 1);
    return affine_add(b, &quotient, &a, 1);
}

struct laffine affine_div_up(struct builder *b, const struct laffine *x, int64_t divisor)
{
    struct laffine up = *x;
    up.constant += divisor - 1;
    return affine_div(b, &up, divisor);
}

struct laffine affine_mod(struct builder *b, const struct laffine *x, int64_t divisor)
{
    if (divisor == 1)
        return affine_constant(0);
    struct laffine quotient, rest;
    split(b, x, divisor, &quotient, &rest);
    int64_t least = affine_least(&rest), most = affine_most(&rest);
    if (least >= 0 && most < divisor)
        return rest;
    if (least < 0) {
        rest = *x;
        most = affine_most(x);
    }
    int64_t common = 1, small = least >= 0 ? separate(&rest, divisor, &common) : 0;
    most = most - small < divisor - common ? most - small : divisor - common;
    const struct lterm *t = term_new(b, (struct lterm){.kind = LT_MOD, .of = rest, .divisor = divisor,
                                                       .most = most < 0 ? 0 : most});
    struct laffine remainder = affine_term(b, t, 1);
    remainder.constant += small;
    return remainder;
}

struct laffine affine_floor_div(struct builder *b, const struct laffine *x, int64_t divisor)
{
    if (divisor == 1)
        return *x;
    int64_t least = affine_least(x), lift = least < 0 ? (-least + divisor - 1) / divisor : 0;
    struct laffine lifted = *x;
    lifted.constant += lift * divisor;
    struct laffine q = affine_div(b, &lifted, divisor);
    q.constant -= lift;
    return q;
}

static bool term_depends(const struct lterm *term, const struct lterm *var)
{
    if (term == var)
        return true;
    for (uint32_t i = 0; i < term->of.count; i++)
        if (term_depends(term->of.product[i].term, var))
            return true;
    return false;
}

bool affine_split(struct builder *b, const struct laffine *x, const struct lterm *var, int64_t *out_factor,
                  struct laffine *out_rest)
{
    *out_factor = 0;
    for (uint32_t i = 0; i < x->count; i++) {
        if (x->product[i].term == var)
            *out_factor = x->product[i].factor;
        else if (term_depends(x->product[i].term, var))
            return false;
    }
    struct laffine part = affine_term(b, var, *out_factor);
    *out_rest = affine_add(b, x, &part, -1);
    return true;
}

struct laffine affine_extent(struct builder *b, const struct kindex *index)
{
    return index->bound ? affine_term(b, term_scalar(b, index->bound), 1) : affine_constant(index->extent);
}
