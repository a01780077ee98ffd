/* Shorthands by which lower rules write expressions. */
#include "rules.h"

struct kexpr *lx_f32(struct lowering *l, double value)
{
    return kx_f32(l->arena, (float)value);
}

struct kexpr *lx_i32(struct lowering *l, int64_t value)
{
    return kx_i32(l->arena, (int32_t)value);
}

struct kexpr *lx_at(struct lowering *l, struct kindex *index)
{
    return kx_index(l->arena, index);
}

struct kexpr *lx_load(struct lowering *l, const struct kbuffer *buffer, struct kindex *const *index)
{
    struct kexpr *subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < buffer->rank; i++)
        subscript[i] = kx_index(l->arena, index[i]);
    return kx_load(l->arena, buffer, subscript);
}

struct kexpr *lx_let(struct lowering *l, const struct klet *let, struct kindex *const *index)
{
    struct kexpr *subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < let->rank; i++)
        subscript[i] = kx_index(l->arena, index[i]);
    return kx_let(l->arena, let, subscript);
}

struct kexpr *lx_unary(struct lowering *l, enum kop op, struct kexpr *a)
{
    return kx_unary(l->arena, op, a);
}

struct kexpr *lx_binary(struct lowering *l, enum kop op, struct kexpr *a, struct kexpr *b)
{
    return kx_binary(l->arena, op, a, b);
}

struct kexpr *lx_fma(struct lowering *l, struct kexpr *a, struct kexpr *b, struct kexpr *c)
{
    return kx_ternary(l->arena, KX_FMA, a, b, c);
}

struct kexpr *lx_select(struct lowering *l, struct kexpr *condition, struct kexpr *a, struct kexpr *b)
{
    return kx_ternary(l->arena, KX_SELECT, condition, a, b);
}

struct kexpr *lx_where(struct lowering *l, struct kexpr *condition, struct kexpr *a, struct kexpr *b)
{
    return kx_ternary(l->arena, KX_WHERE, condition, a, b);
}

struct kexpr *lx_both(struct lowering *l, struct kexpr *a, struct kexpr *b)
{
    return !a ? b : !b ? a : lx_binary(l, KX_LAND, a, b);
}

struct kexpr *lx_affine(struct lowering *l, int64_t factor, struct kexpr *a, int64_t constant)
{
    if (factor != 1)
        a = lx_binary(l, KX_MUL, lx_i32(l, factor), a);
    if (constant > 0)
        a = lx_binary(l, KX_ADD, a, lx_i32(l, constant));
    if (constant < 0)
        a = lx_binary(l, KX_SUB, a, lx_i32(l, -constant));
    return a;
}

struct kexpr *lx_tree(struct lowering *l, struct kindex *m, struct kexpr *term)
{
    return kx_reduce(l->arena, &(struct kreduce){.kind = KR_SUM_TREE, .indices = 1, .index = &m, .term = {term}});
}

struct kexpr *lower_call(struct lowering *l, const char *function, struct kexpr *a)
{
    return kx_call(l->arena, kernel_function(l->program, function), &a);
}
