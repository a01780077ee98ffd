/* Normal form of index arithmetic. */
#include "affine.h"

bool kexpr_equal(const struct kexpr *a, const struct kexpr *b)
{
    if (a == b)
        return true;
    if (a->op != b->op || a->type != b->type || a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!kexpr_equal(a->arg[i], b->arg[i]))
            return false;
    switch (a->op) {
    case KX_CONST_F32: return a->f32 == b->f32;
    case KX_CONST_I32:
    case KX_CONST_BOOL: return a->i32 == b->i32;
    case KX_INDEX: return a->index == b->index;
    case KX_SCALAR: return a->scalar == b->scalar;
    case KX_LOAD: return a->buffer == b->buffer;
    case KX_LET: return a->let == b->let;
    case KX_CALL: return a->function == b->function;
    case KX_REDUCE: return a->reduce == b->reduce; /* others have index variables of their own */
    default: return true;
    }
}

static bool add_term(struct kaffine *sum, const struct kexpr *atom, int64_t coefficient)
{
    for (uint32_t i = 0; i < sum->count; i++) {
        if (!kexpr_equal(sum->term[i].atom, atom))
            continue;
        if (__builtin_add_overflow(sum->term[i].coefficient, coefficient, &sum->term[i].coefficient))
            return false;
        if (sum->term[i].coefficient == 0)
            sum->term[i] = sum->term[--sum->count];
        return true;
    }
    if (coefficient == 0)
        return true;
    if (sum->count == KAFFINE_MAX_TERMS)
        return false;
    sum->term[sum->count++] = (struct kaffine_term){atom, coefficient};
    return true;
}

/* sum += factor * expr */
static bool accumulate(struct kaffine *sum, const struct kexpr *expr, int64_t factor)
{
    int64_t negated, product;
    switch (expr->op) {
    case KX_CONST_I32:
        return !__builtin_mul_overflow(factor, (int64_t)expr->i32, &product) &&
               !__builtin_add_overflow(sum->constant, product, &sum->constant);
    case KX_ADD: return accumulate(sum, expr->arg[0], factor) && accumulate(sum, expr->arg[1], factor);
    case KX_SUB:
        return !__builtin_sub_overflow(0, factor, &negated) && accumulate(sum, expr->arg[0], factor) &&
               accumulate(sum, expr->arg[1], negated);
    case KX_NEG: return !__builtin_sub_overflow(0, factor, &negated) && accumulate(sum, expr->arg[0], negated);
    case KX_MUL:
        for (int i = 0; i < 2; i++)
            if (expr->arg[i]->op == KX_CONST_I32)
                return !__builtin_mul_overflow(factor, (int64_t)expr->arg[i]->i32, &product) &&
                       accumulate(sum, expr->arg[1 - i], product);
        return add_term(sum, expr, factor);
    default: return add_term(sum, expr, factor);
    }
}

bool kaffine_of(const struct kexpr *expr, struct kaffine *out)
{
    const int64_t limit = (int64_t)1 << 62; /* so that a negated number fits */
    *out = (struct kaffine){0};
    if (!accumulate(out, expr, 1) || out->constant > limit || out->constant < -limit)
        return false;
    for (uint32_t i = 0; i < out->count; i++)
        if (out->term[i].coefficient > limit || out->term[i].coefficient < -limit)
            return false;
    return true;
}

int64_t kaffine_coefficient(const struct kaffine *affine, const struct kindex *index)
{
    for (uint32_t i = 0; i < affine->count; i++)
        if (affine->term[i].atom->op == KX_INDEX && affine->term[i].atom->index == index)
            return affine->term[i].coefficient;
    return 0;
}

bool kaffine_is_plain(const struct kaffine *affine)
{
    for (uint32_t i = 0; i < affine->count; i++)
        if (affine->term[i].atom->op != KX_INDEX)
            return false;
    return true;
}
