/* Integers and addresses: index expressions as affine integers plus a multiple of the lane number, and what they make
 * of a buffer's layout. What is not affine becomes a register, and a load by it a gather. */
#include "loops_internal.h"

#include <string.h>

const struct loop_env *env_index(struct builder *b, const struct loop_env *outer, const struct kindex *index,
                                 struct lindex to)
{
    struct loop_env *e = ARENA_NEW(b->arena, struct loop_env);
    *e = (struct loop_env){.kind = BIND_INDEX, .key = index, .index = to, .outer = outer};
    return e;
}

struct point *env_points(struct builder *b, uint32_t count, const struct point *point, const struct kindex *index,
                         struct lindex to)
{
    struct point *bound = ARENA_ARRAY(b->arena, struct point, count);
    for (uint32_t i = 0; i < count; i++) {
        bound[i] = point[i];
        bound[i].env = env_index(b, point[i].env, index, to);
    }
    return bound;
}

const struct loop_env *env_value(struct builder *b, const struct loop_env *outer, enum binding_kind kind,
                                 const void *key, const struct lvalue *value)
{
    struct loop_env *e = ARENA_NEW(b->arena, struct loop_env);
    *e = (struct loop_env){.kind = kind, .key = key, .value = value, .outer = outer};
    return e;
}

const struct loop_env *env_find(const struct loop_env *env, const void *key)
{
    while (env && env->key != key)
        env = env->outer;
    return env;
}

struct point let_point(struct builder *b, const struct klet *let, const struct lindex *args, uint32_t known,
                       const struct point *point)
{
    struct point inner = *point;
    inner.env = NULL;
    for (uint32_t i = 0; i < let->rank; i++)
        if (known >> i & 1)
            inner.env = env_index(b, inner.env, let->index[i], args[i]);
    return inner;
}

struct point *let_points(struct builder *b, const struct kexpr *reference, uint32_t known, uint32_t count,
                         const struct point *point)
{
    struct point *inner = ARENA_ARRAY(b->arena, struct point, count);
    for (uint32_t i = 0; i < count; i++) {
        struct lindex args[KERNEL_MAX_RANK] = {0};
        for (uint32_t k = 0; k < reference->count; k++)
            if (known >> k & 1)
                args[k] = eval_index(b, reference->arg[k], &point[i]);
        inner[i] = let_point(b, reference->let, args, known, &point[i]);
    }
    return inner;
}

static struct lindex index_from_value(struct builder *b, const struct lvalue *value, int64_t most)
{
    if (value->width > 1)
        return (struct lindex){.vector = value};
    const struct lterm *term = term_value(b, value, 0, most);
    return (struct lindex){.base = affine_term(b, term, 1)};
}

const struct lvalue *eval_one(struct builder *b, const struct kexpr *expr, const struct point *point)
{
    const struct lvalue *value;
    eval(b, expr, 1, point, &value);
    return value;
}

/* x / d or x % d with lanes in x: exact while a whole vector falls into one block of d elements */
static bool divide_lanes(struct builder *b, const struct lindex *x, int64_t d, bool remainder, struct lindex *out)
{
    if (x->vector)
        return false;
    if (x->lane == 0) {
        out->base = remainder ? affine_mod(b, &x->base, d) : affine_div(b, &x->base, d);
        return true;
    }
    if (x->lane != 1 || d % b->lanes || !affine_is_multiple(&x->base, b->lanes))
        return false;
    out->base = remainder ? affine_mod(b, &x->base, d) : affine_div(b, &x->base, d);
    out->lane = remainder;
    return true;
}

static struct lindex index_divide(struct builder *b, const struct lindex *x, int64_t d, bool remainder)
{
    struct lindex out = {0};
    if (divide_lanes(b, x, d, remainder, &out))
        return out;
    const struct lvalue *v = value_index(b, x);
    v = value_binary(b, remainder ? KX_MOD : KX_DIV, KT_I32, v, value_i32(b, (int32_t)d));
    return index_from_value(b, v, remainder ? d - 1 : affine_most(&x->base));
}

static struct lindex index_by_registers(struct builder *b, enum kop op, const struct lindex *x, const struct lindex *y)
{
    return index_from_value(b, value_binary(b, op, KT_I32, value_index(b, x), value_index(b, y)), INT32_MAX);
}

struct lindex eval_index(struct builder *b, const struct kexpr *expr, const struct point *point)
{
    switch (expr->op) {
    case KX_CONST_I32:
        return (struct lindex){.base = affine_constant(expr->i32)};
    case KX_INDEX:
        return env_find(point->env, expr->index)->index;
    case KX_ADD:
    case KX_SUB: {
        struct lindex x = eval_index(b, expr->arg[0], point), y = eval_index(b, expr->arg[1], point);
        int64_t sign = expr->op == KX_ADD ? 1 : -1;
        if (y.vector && (sign < 0 || x.vector))
            return index_by_registers(b, expr->op, &x, &y);
        return (struct lindex){affine_add(b, &x.base, &y.base, sign), x.lane + sign * y.lane,
                               x.vector ? x.vector : y.vector};
    }
    case KX_MUL: {
        struct lindex x = eval_index(b, expr->arg[0], point), y = eval_index(b, expr->arg[1], point);
        struct lindex *factor = x.base.count || x.lane || x.vector ? &y : &x, *other = factor == &x ? &y : &x;
        if (factor->base.count || factor->lane || factor->vector || other->vector)
            return index_by_registers(b, expr->op, &x, &y);
        return (struct lindex){affine_scale(b, &other->base, factor->base.constant),
                               other->lane * factor->base.constant, NULL};
    }
    case KX_DIV:
    case KX_MOD: {
        struct lindex x = eval_index(b, expr->arg[0], point), y = eval_index(b, expr->arg[1], point);
        return index_divide(b, &x, y.base.constant, expr->op == KX_MOD);
    }
    case KX_LET: {
        struct lindex *args = ARENA_ARRAY(b->arena, struct lindex, expr->count);
        for (uint32_t i = 0; i < expr->count; i++)
            args[i] = eval_index(b, expr->arg[i], point);
        if (env_find(point->env, expr->let))
            break;
        struct point inner = let_point(b, expr->let, args, UINT32_MAX, point);
        if (expr->let->value->op == KX_LOAD || expr->let->value->op == KX_REDUCE)
            break;
        return eval_index(b, expr->let->value, &inner);
    }
    default:
        break;
    }
    return index_from_value(b, eval_one(b, expr, point), INT32_MAX);
}

/* ---- loads ---- */

struct laddress eval_address(struct builder *b, const struct kbuffer *buffer, const struct lindex *subscript)
{
    struct lindex sum = {0};
    const struct lvalue *single = NULL;
    int64_t stride = 1;
    uint32_t gathers = 0;
    for (uint32_t i = 0; i < buffer->layout.count; i++) {
        const struct kdigit *d = &buffer->layout.digit[i];
        struct lindex x = subscript[d->dim];
        if (d->div > 1)
            x = index_divide(b, &x, d->div, false);
        if (d->mod)
            x = index_divide(b, &x, d->mod, true);
        sum.base = affine_add(b, &sum.base, &x.base, d->stride);
        sum.lane += x.lane * d->stride;
        if (x.vector) {
            gathers++;
            stride = d->stride;
            single = x.vector;
            const struct lvalue *v = d->stride == 1 ? x.vector
                                                    : value_binary(b, KX_MUL, KT_I32, x.vector,
                                                                   value_i32(b, (int32_t)d->stride));
            sum.vector = sum.vector ? value_binary(b, KX_ADD, KT_I32, sum.vector, v) : v;
        }
    }
    struct laddress a = {.place = {.buffer = buffer, .element = sum.base}, .stride = sum.lane};
    if (gathers == 1 && sum.lane == 0) { /* the usual case: rows of a data set, whose address may need 64 bits */
        a.index = single;
        a.stride = stride;
    } else if (sum.vector) {
        struct lindex lanes = {.lane = sum.lane, .vector = sum.vector};
        a.index = sum.lane ? value_index(b, &lanes) : sum.vector;
        a.stride = 1;
    }
    return a;
}

/* Whether every lane's element lies inside the buffer's memory, whatever the loops' variables are. */
static bool address_is_inside(const struct builder *b, const struct laddress *a)
{
    const struct kbuffer *buffer = a->place.buffer;
    if (a->index || (buffer->rank && buffer->extent[0] == KERNEL_UNKNOWN))
        return false;
    int64_t last = a->stride * (b->lanes - 1);
    return affine_least(&a->place.element) + (last < 0 ? last : 0) >= 0 &&
           affine_most(&a->place.element) + (last > 0 ? last : 0) < buffer->layout.elements;
}

static const struct lvalue *valid_mask(struct builder *b, const struct point *point)
{
    const struct lvalue *mask = point->mask ? value_splat(b, point->mask) : NULL;
    if (point->valid < b->lanes) {
        const struct lvalue *in =
            value_binary(b, KX_LT, KT_BOOL, value_lane(b), value_i32(b, (int32_t)point->valid));
        mask = mask ? value_binary(b, KX_LAND, KT_BOOL, mask, in) : in;
    }
    return mask;
}

const struct lvalue *eval_load(struct builder *b, const struct kexpr *expr, const struct point *point)
{
    if (expr == b->turned.load)
        return eval_turned(b, expr, point);
    struct lindex subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < expr->count; i++)
        subscript[i] = eval_index(b, expr->arg[i], point);
    struct laddress a = eval_address(b, expr->buffer, subscript);
    bool masked = point->mask && !(point->spare && !a.index);
    if (!a.index && a.stride == 0 && !masked)
        return value_load(b, &a.place, expr->type, 1, 1, NULL, NULL, false);
    const struct lvalue *mask = NULL;
    if ((masked || point->valid < b->lanes) && !address_is_inside(b, &a))
        mask = valid_mask(b, point);
    if (!a.index && a.stride == 0 && !mask)
        return value_load(b, &a.place, expr->type, 1, 1, NULL, NULL, false);
    bool aligned = a.stride == 1 && !a.index && affine_is_multiple(&a.place.element, b->lanes) &&
                   expr->buffer->extent[0] != KERNEL_UNKNOWN;
    return value_load(b, &a.place, expr->type, b->lanes, a.stride, a.index, mask, aligned);
}
