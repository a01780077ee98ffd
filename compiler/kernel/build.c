/* Constructors of expressions. They fold nothing, so that the text says what was asked for, and set the type from the
 * arguments; whether those fit is the verifier's question. */
#include "kernel.h"

#include <string.h>

static struct kexpr *new_expr(struct arena *arena, enum kop op, enum ktype type, uint32_t count)
{
    struct kexpr *expr = ARENA_NEW(arena, struct kexpr);
    expr->op = op;
    expr->type = type;
    expr->count = count;
    if (count > 0)
        expr->arg = ARENA_ARRAY(arena, struct kexpr *, count);
    return expr;
}

static struct kexpr *new_subscripted(struct arena *arena, enum kop op, enum ktype type, uint32_t count,
                                     struct kexpr *const *args)
{
    struct kexpr *expr = new_expr(arena, op, type, count);
    if (count > 0)
        memcpy(expr->arg, args, count * sizeof *args);
    return expr;
}

struct kexpr *kx_f32(struct arena *arena, float value)
{
    struct kexpr *expr = new_expr(arena, KX_CONST_F32, KT_F32, 0);
    expr->f32 = value;
    return expr;
}

struct kexpr *kx_i32(struct arena *arena, int32_t value)
{
    struct kexpr *expr = new_expr(arena, KX_CONST_I32, KT_I32, 0);
    expr->i32 = value;
    return expr;
}

struct kexpr *kx_bool(struct arena *arena, bool value)
{
    struct kexpr *expr = new_expr(arena, KX_CONST_BOOL, KT_BOOL, 0);
    expr->i32 = value;
    return expr;
}

struct kexpr *kx_index(struct arena *arena, struct kindex *index)
{
    struct kexpr *expr = new_expr(arena, KX_INDEX, KT_I32, 0);
    expr->index = index;
    return expr;
}

struct kexpr *kx_scalar(struct arena *arena, const struct kscalar *scalar)
{
    struct kexpr *expr = new_expr(arena, KX_SCALAR, scalar->type, 0);
    expr->scalar = scalar;
    return expr;
}

struct kexpr *kx_load(struct arena *arena, const struct kbuffer *buffer, struct kexpr *const *subscript)
{
    struct kexpr *expr = new_subscripted(arena, KX_LOAD, buffer->type, buffer->rank, subscript);
    expr->buffer = buffer;
    return expr;
}

struct kexpr *kx_let(struct arena *arena, const struct klet *let, struct kexpr *const *subscript)
{
    struct kexpr *expr = new_subscripted(arena, KX_LET, let->value->type, let->rank, subscript);
    expr->let = let;
    return expr;
}

struct kexpr *kx_unary(struct arena *arena, enum kop op, struct kexpr *a)
{
    enum ktype type = a->type;
    switch (op) {
    case KX_NOT: type = KT_BOOL; break;
    case KX_TO_F32:
    case KX_FROM_BITS: type = KT_F32; break;
    case KX_TO_I32:
    case KX_BITS: type = KT_I32; break;
    case KX_TO_U8: type = KT_U8; break;
    default: break;
    }
    return new_subscripted(arena, op, type, 1, &a);
}

struct kexpr *kx_binary(struct arena *arena, enum kop op, struct kexpr *a, struct kexpr *b)
{
    enum ktype type = op >= KX_EQ && op <= KX_LOR ? KT_BOOL : a->type;
    return new_subscripted(arena, op, type, 2, (struct kexpr *[]){a, b});
}

struct kexpr *kx_ternary(struct arena *arena, enum kop op, struct kexpr *a, struct kexpr *b, struct kexpr *c)
{
    enum ktype type = op == KX_FMA ? a->type : b->type;
    return new_subscripted(arena, op, type, 3, (struct kexpr *[]){a, b, c});
}

struct kexpr *kx_call(struct arena *arena, const struct kfunction *function, struct kexpr *const *args)
{
    struct kexpr *expr = new_subscripted(arena, KX_CALL, function->body->type, function->parameters, args);
    expr->function = function;
    return expr;
}

struct kexpr *kx_reduce(struct arena *arena, const struct kreduce *reduce)
{
    struct kreduce *copy = ARENA_NEW(arena, struct kreduce);
    struct kindex **index = ARENA_ARRAY(arena, struct kindex *, reduce->indices);
    struct kcondition *condition = ARENA_ARRAY(arena, struct kcondition, reduce->conditions);
    *copy = *reduce;
    if (reduce->indices > 0)
        memcpy(index, reduce->index, reduce->indices * sizeof *index);
    if (reduce->conditions > 0)
        memcpy(condition, reduce->condition, reduce->conditions * sizeof *condition);
    copy->index = index;
    copy->condition = condition;
    enum ktype type = reduce->kind == KR_LIST ? KT_I32 : reduce->term[0]->type;
    struct kexpr *expr = new_expr(arena, KX_REDUCE, type, 0);
    expr->reduce = copy;
    return expr;
}

struct kexpr *kx_position(struct arena *arena, struct kexpr *max_at)
{
    return new_subscripted(arena, KX_POSITION, KT_I32, 1, &max_at);
}

const struct kreduce *kstatement_list(const struct kstatement *s)
{
    bool list = s->kind == KS_STORE && s->value->op == KX_REDUCE && s->value->reduce->kind == KR_LIST;
    return list ? s->value->reduce : NULL;
}

bool kexpr_has(const struct kexpr *expr, uint64_t ops)
{
    _Static_assert(KX_COUNT <= 64, "an operator has a bit");
    if (ops >> expr->op & 1 || (expr->op == KX_LET && kexpr_has(expr->let->value, ops)))
        return true;
    for (uint32_t i = 0; i < expr->count; i++)
        if (kexpr_has(expr->arg[i], ops))
            return true;
    return false;
}

struct kindex *kindex_new(struct arena *arena, const char *name, int64_t extent, const struct kscalar *bound)
{
    struct kindex *index = ARENA_NEW(arena, struct kindex);
    *index = (struct kindex){.name = name, .extent = extent, .bound = bound};
    return index;
}
