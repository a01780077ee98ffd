/* Types, scopes and subscripts of expressions. Everything that an expression reads is proved to exist: affine
 * subscripts by intervals; one indirect subscript per load is left to the data. */
#include "math_functions.h"
#include "syntax.h"
#include "verify.h"

#include <string.h>

static const char *show(struct kverifier *v, const struct kexpr *expr)
{
    struct text text;
    text_init(&text, v->arena);
    kernel_print_expr(expr, &text);
    return diag_escape(v->arena, text_string(&text), text.count);
}

static bool check_args(struct kverifier *v, const struct kexpr *expr)
{
    bool fits = true;
    for (uint32_t i = 0; i < expr->count; i++)
        fits &= kverify_expr(v, expr->arg[i]);
    return fits;
}

/* ---- types ---- */

enum { F32 = 1 << KT_F32, I32 = 1 << KT_I32, U8 = 1 << KT_U8, BOOL = 1 << KT_BOOL };

static const char *type_names(struct kverifier *v, unsigned types)
{
    struct text text;
    text_init(&text, v->arena);
    for (int t = 0; t < KSYNTAX_TYPES; t++)
        if (types >> t & 1)
            text_printf(&text, "%s%s", text.count ? " or " : "", ksyntax_type((enum ktype)t));
    return text_string(&text);
}

static bool expect_type(struct kverifier *v, const struct kexpr *expr, unsigned types, const char *what)
{
    if (types >> expr->type & 1)
        return true;
    kverify_error(v, expr->span, "%s needs %s, but %s is %s", what, type_names(v, types), show(v, expr),
                  ksyntax_type(expr->type));
    return false;
}

/* What the operands may be; both arms of a select are compared separately. */
static unsigned operand_types(enum kop op)
{
    switch (op) {
    case KX_NOT:
    case KX_LAND:
    case KX_LOR: return BOOL;
    case KX_SQRT:
    case KX_BITS:
    case KX_FMA: return F32;
    case KX_TO_U8:
    case KX_FROM_BITS:
    case KX_MOD:
    case KX_SHL:
    case KX_SHR:
    case KX_LSHR:
    case KX_AND:
    case KX_OR:
    case KX_XOR: return I32;
    case KX_TO_F32: return I32 | U8 | BOOL;
    case KX_TO_I32: return U8 | BOOL;
    case KX_EQ:
    case KX_NE: return F32 | I32 | U8 | BOOL;
    case KX_LT:
    case KX_LE:
    case KX_GT:
    case KX_GE: return F32 | I32 | U8;
    default: return F32 | I32;
    }
}

static bool expect_same(struct kverifier *v, const struct kexpr *expr, const struct kexpr *a, const struct kexpr *b)
{
    if (a->type == b->type)
        return true;
    kverify_error(v, expr->span, "the operands of %s have different types: %s is %s, %s is %s", ksyntax_text(expr->op),
                  show(v, a), ksyntax_type(a->type), show(v, b), ksyntax_type(b->type));
    return false;
}

/* i32 division is index arithmetic: by a positive constant, of what is never negative. */
static bool check_division(struct kverifier *v, const struct kexpr *expr)
{
    const struct kexpr *by = expr->arg[1];
    if (by->op != KX_CONST_I32 || by->i32 <= 0) {
        kverify_error(v, by->span, "i32 %s divides by a positive constant, not by %s", ksyntax_text(expr->op),
                      show(v, by));
        return false;
    }
    struct krange range = kverify_range(v, expr->arg[0]);
    if (range.least < 0 || range.most > INT32_MAX) {
        kverify_error(v, expr->span, "i32 %s divides only what is never negative, but %s may be %lld",
                      ksyntax_text(expr->op), show(v, expr->arg[0]),
                      (long long)(range.least < 0 ? range.least : range.most));
        return false;
    }
    return true;
}

static bool check_shift(struct kverifier *v, const struct kexpr *expr)
{
    const struct kexpr *by = expr->arg[1];
    if (by->op == KX_CONST_I32 && by->i32 >= 0 && by->i32 < 32)
        return true;
    kverify_error(v, by->span, "a shift is by a constant from 0 to 31, not by %s", show(v, by));
    return false;
}

static bool check_operator(struct kverifier *v, const struct kexpr *expr)
{
    if (expr->count != ksyntax_arity(expr->op)) {
        kverify_error(v, expr->span, "%s has %u operands", ksyntax_text(expr->op), expr->count);
        return false;
    }
    if (!check_args(v, expr))
        return false;
    for (uint32_t i = 0; i < expr->count; i++)
        if (!expect_type(v, expr->arg[i], operand_types(expr->op), ksyntax_text(expr->op)))
            return false;
    if (expr->count == 2 && !expect_same(v, expr, expr->arg[0], expr->arg[1]))
        return false;
    if (expr->type == KT_I32 && (expr->op == KX_DIV || expr->op == KX_MOD))
        return check_division(v, expr);
    return (expr->op != KX_SHL && expr->op != KX_SHR && expr->op != KX_LSHR) || check_shift(v, expr);
}

/* ---- guards ---- */

static bool check_choice(struct kverifier *v, const struct kexpr *expr)
{
    bool guard = expr->op == KX_WHERE;
    if (guard && v->function) {
        kverify_error(v, expr->span, "a function has no where; use select");
        return false;
    }
    if (!kverify_expr(v, expr->arg[0]))
        return false;
    bool fits = expect_type(v, expr->arg[0], BOOL, guard ? "the condition of where" : "the condition of select");
    for (uint32_t arm = 1; arm <= 2; arm++) {
        size_t known = v->facts.count;
        if (guard)
            kverify_assume(v, expr->arg[0], arm == 1);
        fits &= kverify_expr(v, expr->arg[arm]);
        v->facts.count = known;
    }
    return fits && expect_same(v, expr, expr->arg[1], expr->arg[2]);
}

/* The right side is read only when the left one is true (&&) or false (||). */
static bool check_logic(struct kverifier *v, const struct kexpr *expr)
{
    if (!kverify_expr(v, expr->arg[0]))
        return false;
    size_t known = v->facts.count;
    kverify_assume(v, expr->arg[0], expr->op == KX_LAND);
    bool fits = kverify_expr(v, expr->arg[1]);
    v->facts.count = known;
    return fits && expect_type(v, expr->arg[0], BOOL, ksyntax_text(expr->op)) &&
           expect_type(v, expr->arg[1], BOOL, ksyntax_text(expr->op));
}

/* ---- places ---- */

static bool depends_on_data(const struct kexpr *expr)
{
    return kexpr_has(expr, KOP_BIT(LOAD) | KOP_BIT(LET) | KOP_BIT(REDUCE) | KOP_BIT(POSITION) | KOP_BIT(CALL) |
                               KOP_BIT(SCALAR) | KOP_BIT(BITS));
}

/* Intermediate results of quasi-affine subscripts fit i32, so that exact and i32 arithmetic agree. */
static bool fits_i32(struct kverifier *v, const struct kexpr *expr)
{
    struct krange range = kverify_range(v, expr);
    if (range.least < INT32_MIN || range.most > INT32_MAX) {
        kverify_error(v, expr->span, "the index arithmetic %s leaves 32 bits", show(v, expr));
        return false;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (expr->arg[i]->type == KT_I32 && !fits_i32(v, expr->arg[i]))
            return false;
    return true;
}

static bool check_subscript(struct kverifier *v, const struct kexpr *subscript, const char *name, uint32_t dim,
                            int64_t extent, uint32_t *indirect)
{
    if (!kverify_expr(v, subscript) || !expect_type(v, subscript, I32, "a subscript"))
        return false;
    name = diag_escape(v->arena, name, strlen(name));
    if (depends_on_data(subscript)) {
        if (++*indirect <= 1)
            return true;
        kverify_error(v, subscript->span, "%s has a second indirect subscript, %s", name, show(v, subscript));
        return false;
    }
    if (!fits_i32(v, subscript))
        return false;
    if (extent == KERNEL_UNKNOWN) {
        kverify_error(v, subscript->span,
                      "dimension %u of %s has an unknown extent: it is indexed through data, not by %s", dim, name,
                      show(v, subscript));
        return false;
    }
    struct krange range = kverify_range(v, subscript);
    if (range.least >= 0 && range.most < extent)
        return true;
    kverify_error(v, subscript->span, "subscript %s of %s runs from %lld to %lld, but dimension %u has the extent %lld",
                  show(v, subscript), name, (long long)range.least, (long long)range.most, dim, (long long)extent);
    return false;
}

static bool check_rank(struct kverifier *v, const struct kexpr *expr, const char *name, uint32_t rank)
{
    if (expr->count == rank)
        return true;
    kverify_error(v, expr->span, "%s has rank %u, but %u subscripts", diag_escape(v->arena, name, strlen(name)), rank,
                  expr->count);
    return false;
}

static bool check_load(struct kverifier *v, const struct kexpr *expr)
{
    const struct kbuffer *buffer = expr->buffer;
    const char *name = diag_escape(v->arena, buffer->name, strlen(buffer->name));
    if (v->function || buffer->number >= v->kernel->buffers.count || v->kernel->buffers.at[buffer->number] != buffer) {
        kverify_error(v, expr->span, "%s is no buffer here", name);
        return false;
    }
    if (buffer->access == KA_OUT && !v->stored[buffer->number]) {
        kverify_error(v, expr->span, "%s is read before it is written", name);
        return false;
    }
    uint32_t indirect = 0;
    bool fits = check_rank(v, expr, buffer->name, buffer->rank);
    for (uint32_t d = 0; fits && d < buffer->rank; d++)
        fits = check_subscript(v, expr->arg[d], buffer->name, d, buffer->extent[d], &indirect);
    return fits;
}

static bool check_let(struct kverifier *v, const struct kexpr *expr)
{
    const struct klet *let = expr->let;
    if (!kverify_let(v, let)) {
        kverify_error(v, expr->span, "%s is used before its definition",
                      diag_escape(v->arena, let->name, strlen(let->name)));
        return false;
    }
    uint32_t indirect = 0;
    bool fits = check_rank(v, expr, let->name, let->rank);
    for (uint32_t i = 0; fits && i < let->rank; i++)
        fits = check_subscript(v, expr->arg[i], let->name, i, let->index[i]->extent, &indirect);
    return fits;
}

static bool check_index(struct kverifier *v, const struct kexpr *expr)
{
    for (size_t i = 0; i < v->scope.count; i++)
        if (v->scope.at[i] == expr->index)
            return true;
    kverify_error(v, expr->span, "index variable %s is not in scope",
                  diag_escape(v->arena, expr->index->name, strlen(expr->index->name)));
    return false;
}

static bool check_scalar(struct kverifier *v, const struct kexpr *expr)
{
    const struct kscalar *scalar = expr->scalar;
    if (v->function) {
        for (uint32_t i = 0; i < v->function->parameters; i++)
            if (v->function->parameter[i] == scalar)
                return true;
    } else if (scalar->number < v->kernel->scalars.count && v->kernel->scalars.at[scalar->number] == scalar) {
        return true;
    }
    kverify_error(v, expr->span, "%s is no scalar here", diag_escape(v->arena, scalar->name, strlen(scalar->name)));
    return false;
}

static bool check_call(struct kverifier *v, const struct kexpr *expr)
{
    const struct kfunction *function = expr->function;
    if (v->function && !kernel_is_builtin(function->name)) {
        kverify_error(v, expr->span, "a function calls only those that every program has, not %s",
                      diag_escape(v->arena, function->name, strlen(function->name)));
        return false;
    }
    bool known = false;
    for (size_t i = 0; i < v->program->functions.count; i++)
        known |= v->program->functions.at[i] == function;
    if (!known || expr->count != function->parameters) {
        kverify_error(v, expr->span, "%s is no function of this program with %u parameters",
                      diag_escape(v->arena, function->name, strlen(function->name)), expr->count);
        return false;
    }
    if (!check_args(v, expr))
        return false;
    for (uint32_t i = 0; i < expr->count; i++)
        if (!expect_type(v, expr->arg[i], 1u << function->parameter[i]->type, function->name))
            return false;
    return true;
}

/* ---- reductions ---- */

static bool check_reduce_shape(struct kverifier *v, const struct kexpr *expr)
{
    const struct kreduce *r = expr->reduce;
    const char *name = ksyntax_reduce(r->kind);
    bool joined = r->kind == KR_SUM_TREE || r->kind == KR_SUM_BLOCKS, sum = r->kind == KR_SUM || r->kind == KR_SUM_FMA;
    bool two = r->kind == KR_SUM_FMA || r->kind == KR_SUM_BLOCKS;
    const char *fault = NULL;
    if (v->function)
        fault = "cannot stand in a function";
    else if (r->kind == KR_LIST && expr != v->list)
        fault = "is stored as it is, nothing is computed with it";
    else if (r->indices == 0)
        fault = "needs an index";
    else if (joined && (r->indices != 1 || r->conditions > 0 || r->from))
        fault = "is over one index, without conditions and without from";
    else if (r->kind == KR_LIST && (r->indices != 1 || r->index[0]->bound || r->conditions > 0 || r->from))
        fault = "is over one index of a constant extent, without conditions and without from";
    else if (sum && !r->from)
        fault = "needs from";
    else if (!r->term[0] || two != (r->term[1] != NULL))
        fault = two ? "has two factors" : "has one term";
    if (fault)
        kverify_error(v, expr->span, "%s %s", name, fault);
    return !fault;
}

static bool check_reduce_index(struct kverifier *v, const struct kexpr *expr, const struct kindex *index)
{
    const char *name = diag_escape(v->arena, index->name, strlen(index->name));
    if (index->extent < 1 || index->extent > INT32_MAX) {
        kverify_error(v, expr->span, "the extent %lld of %s is not between 1 and %d", (long long)index->extent, name,
                      INT32_MAX);
        return false;
    }
    if (index->bound && (index->bound->type != KT_I32 || index->bound->limit != index->extent ||
                         index->bound->number >= v->kernel->scalars.count ||
                         v->kernel->scalars.at[index->bound->number] != index->bound)) {
        kverify_error(v, expr->span, "%s is bounded by %s, which is no i32 scalar of the kernel with the limit %lld",
                      name, diag_escape(v->arena, index->bound->name, strlen(index->bound->name)),
                      (long long)index->extent);
        return false;
    }
    return kverify_enter(v, expr->span, index);
}

static bool check_terms(struct kverifier *v, const struct kexpr *expr)
{
    const struct kreduce *r = expr->reduce;
    for (uint32_t i = 0; i < r->conditions; i++) {
        const struct kcondition *c = &r->condition[i];
        if (!kverify_expr(v, c->value) || !expect_type(v, c->value, I32, "a condition") ||
            (!depends_on_data(c->value) && !fits_i32(v, c->value)))
            return false;
        if (c->limit < 1 || c->limit > INT32_MAX) {
            kverify_error(v, c->value->span, "the limit %lld of a condition is not between 1 and %d",
                          (long long)c->limit, INT32_MAX);
            return false;
        }
        kverify_assume_range(v, c->value, 0, c->limit - 1);
    }
    unsigned types = r->kind == KR_SUM || r->kind == KR_SUM_TREE ? F32 | I32 : r->kind == KR_LIST ? BOOL : F32;
    for (int t = 0; t < 2; t++)
        if (r->term[t] && (!kverify_expr(v, r->term[t]) ||
                           !expect_type(v, r->term[t], types, ksyntax_reduce(r->kind))))
            return false;
    return true;
}

static bool check_reduce(struct kverifier *v, const struct kexpr *expr)
{
    const struct kreduce *r = expr->reduce;
    if (!check_reduce_shape(v, expr) || (r->from && !kverify_expr(v, r->from)))
        return false;
    size_t scope = v->scope.count, facts = v->facts.count;
    int64_t positions = 1;
    bool fits = true;
    for (uint32_t i = 0; fits && i < r->indices; i++) {
        fits = check_reduce_index(v, expr, r->index[i]);
        if (fits && r->kind == KR_MAX_AT &&
            (__builtin_mul_overflow(positions, r->index[i]->extent, &positions) || positions >= INT32_MAX)) {
            kverify_error(v, expr->span, "max_at has more positions than i32 counts");
            fits = false;
        }
    }
    fits = fits && check_terms(v, expr);
    v->scope.count = scope;
    v->facts.count = facts;
    if (fits && r->from && r->from->type != r->term[0]->type) {
        kverify_error(v, r->from->span, "from is %s, but the terms are %s", ksyntax_type(r->from->type),
                      ksyntax_type(r->term[0]->type));
        return false;
    }
    return fits;
}

static bool check_position(struct kverifier *v, const struct kexpr *expr)
{
    if (expr->arg[0]->op == KX_REDUCE && expr->arg[0]->reduce->kind == KR_MAX_AT)
        return kverify_expr(v, expr->arg[0]);
    kverify_error(v, expr->span, "position takes a max_at, not %s", show(v, expr->arg[0]));
    return false;
}

bool kverify_expr(struct kverifier *v, const struct kexpr *expr)
{
    switch (expr->op) {
    case KX_CONST_F32:
    case KX_CONST_I32:
    case KX_CONST_BOOL: return true;
    case KX_INDEX: return check_index(v, expr);
    case KX_SCALAR: return check_scalar(v, expr);
    case KX_LOAD: return check_load(v, expr);
    case KX_LET: return check_let(v, expr);
    case KX_REDUCE: return check_reduce(v, expr);
    case KX_POSITION: return check_position(v, expr);
    case KX_CALL: return check_call(v, expr);
    case KX_SELECT:
    case KX_WHERE: return check_choice(v, expr);
    case KX_LAND:
    case KX_LOR: return check_logic(v, expr);
    default: return check_operator(v, expr);
    }
}
