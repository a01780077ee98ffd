/* Types, extents and layouts: `f32[512, 784] layout (d0/16, d1:800, d0%16)`. */
#include "parse.h"
#include "syntax.h"

#include <string.h>

bool kparse_type(struct kparser *p, enum ktype *out)
{
    const char *names[KSYNTAX_TYPES];
    for (int t = 0; t < KSYNTAX_TYPES; t++) {
        names[t] = ksyntax_type((enum ktype)t);
        if (kparse_accept_word(p, names[t])) {
            *out = (enum ktype)t;
            return true;
        }
    }
    kparse_unexpected(p, "a type (f32, i32, u8, bool)");
    if (p->token.kind == KTOK_NAME)
        diag_did_you_mean(p->diags, p->token.text, names, KSYNTAX_TYPES);
    return false;
}

bool kparse_scalar_limit(struct kparser *p, struct kscalar *scalar)
{
    return !kparse_accept(p, "<=") || kparse_integer(p, "the largest value", &scalar->limit);
}

static bool parse_small(struct kparser *p, const char *what, uint32_t *out)
{
    struct span span = p->token.span;
    int64_t value;
    if (!kparse_integer(p, what, &value))
        return false;
    if (value < 1 || value > INT32_MAX) {
        diag_error(p->diags, span, "%s must be between 1 and %d, not %lld", what, INT32_MAX, (long long)value);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

/* dN [/ DIV] [% MOD] [: STRIDE] */
static bool parse_digit(struct kparser *p, uint32_t rank, struct kdigit *digit)
{
    struct span span = p->token.span;
    const char *name = kparse_name(p, "a dimension (d0, d1, ...)");
    if (!name)
        return false;
    if (name[0] != 'd' || name[1] < '0' || name[1] > '9' || name[2] != 0 || (uint32_t)(name[1] - '0') >= rank) {
        diag_error(p->diags, span, "%s is no dimension of a shape of rank %u",
                   diag_escape(p->arena, name, strlen(name)), rank);
        return false;
    }
    *digit = (struct kdigit){.dim = (uint32_t)(name[1] - '0'), .div = 1};
    if (kparse_accept(p, "/") && !parse_small(p, "the divisor of a digit", &digit->div))
        return false;
    if (kparse_accept(p, "%") && !parse_small(p, "the modulus of a digit", &digit->mod))
        return false;
    if (kparse_accept(p, ":")) {
        span = p->token.span;
        if (!kparse_integer(p, "the stride of a digit", &digit->stride))
            return false;
        if (digit->stride == 0) {
            diag_error(p->diags, span, "the stride of a digit cannot be 0");
            return false;
        }
    }
    return true;
}

static bool parse_layout(struct kparser *p, uint32_t rank, struct klayout *layout)
{
    *layout = (struct klayout){0};
    if (!kparse_expect(p, "(", "behind layout"))
        return false;
    if (kparse_accept(p, ")"))
        return true;
    do {
        if (layout->count == KERNEL_MAX_DIGITS) {
            diag_error(p->diags, p->token.span, "a layout has at most %d digits", KERNEL_MAX_DIGITS);
            return false;
        }
        if (!parse_digit(p, rank, &layout->digit[layout->count++]))
            return false;
    } while (kparse_accept(p, ","));
    return kparse_expect(p, ")", "behind the digits of the layout");
}

bool kparse_shape(struct kparser *p, uint32_t *out_rank, int64_t *extent, struct klayout *out_layout)
{
    struct span span = p->token.span;
    *out_rank = 0;
    if (!kparse_expect(p, "[", "before the extents"))
        return false;
    while (!kparse_is_sign(p, "]")) {
        if (*out_rank > 0 && !kparse_expect(p, ",", "between extents"))
            return false;
        if (*out_rank == KERNEL_MAX_RANK) {
            diag_error(p->diags, p->token.span, "a shape has at most %d dimensions", KERNEL_MAX_RANK);
            return false;
        }
        int64_t *size = &extent[(*out_rank)++];
        struct span at = p->token.span;
        if (kparse_accept(p, "?"))
            *size = KERNEL_UNKNOWN;
        else if (!kparse_integer(p, "an extent", size))
            return false;
        if (*size == 0) {
            diag_error(p->diags, at, "an extent cannot be 0");
            return false;
        }
    }
    kparse_next(p);
    *out_layout = klayout_dense(*out_rank, extent);
    bool fits = out_layout->elements < INT64_MAX;
    if (kparse_accept_word(p, "layout")) {
        span = p->token.span;
        if (!parse_layout(p, *out_rank, out_layout))
            return false;
        fits = klayout_complete(out_layout, *out_rank, extent);
    }
    if (!fits)
        diag_error(p->diags, span, "a buffer of this shape and layout is too large");
    return fits;
}
