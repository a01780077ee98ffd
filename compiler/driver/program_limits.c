/* Subscripts that come from data are the one thing that the verifier cannot bound. From each of them the range that it
 * must keep is followed back through arithmetic, lets and copies to the elements that it is made of. */
#include "program_limits.h"

#include "affine.h"

struct range {
    int64_t least, most;
};
struct finder {
    const struct kprogram *program;
    const struct kcall *call;
    int64_t rows;
    struct program_limits limits;
    const struct kexpr *guarded; /* an expression that is not `exception` here; NULL: none */
    bool copied;                 /* `exception` may travel through what is looked at */
    int32_t exception;
};

bool program_limit_allows(const struct program_limit *limit, int64_t value)
{
    return !limit->used || (value >= limit->least && value <= limit->most) ||
           (limit->except && limit->everywhere && value == limit->exception);
}

static size_t var_number(const struct kprogram *program, const struct kvar *var)
{
    size_t number = 0;
    while (program->vars.at[number] != var)
        number++;
    return number;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool from_data(const struct kexpr *expr)
{
    if (expr->op == KX_LET)
        return from_data(expr->let->value);
    bool data = expr->op == KX_LOAD || expr->op == KX_REDUCE || expr->op == KX_CALL ||
                (expr->op == KX_SCALAR && !expr->scalar->limit);
    for (uint32_t i = 0; i < expr->count && !data; i++)
        data = from_data(expr->arg[i]);
    return data;
}

/* Of an expression without data; the verifier has seen that it fits 32 bits. */
static struct range range_of(const struct kexpr *expr)
{
    struct range a = {0, 0}, b = {0, 0};
    if (expr->count > 0 && expr->arg[0]->type == KT_I32)
        a = range_of(expr->arg[0]);
    if (expr->count > 1 && expr->arg[1]->type == KT_I32)
        b = range_of(expr->arg[1]);
    switch (expr->op) {
    case KX_INDEX: return (struct range){0, expr->index->extent - 1};
    case KX_CONST_I32: return (struct range){expr->i32, expr->i32};
    case KX_SCALAR: return (struct range){1, expr->scalar->limit};
    case KX_LET: return range_of(expr->let->value);
    case KX_NEG: return (struct range){-a.most, -a.least};
    case KX_ADD: return (struct range){a.least + b.least, a.most + b.most};
    case KX_SUB: return (struct range){a.least - b.most, a.most - b.least};
    case KX_MUL:
        if (a.least >= 0 && b.least >= 0)
            return (struct range){a.least * b.least, a.most * b.most};
        break;
    case KX_DIV:
        if (a.least >= 0 && b.least > 0)
            return (struct range){a.least / b.most, a.most / b.least};
        break;
    case KX_MOD:
        if (b.least > 0)
            return (struct range){0, smaller(a.most, b.most - 1)};
        break;
    case KX_MAX: return (struct range){larger(a.least, b.least), larger(a.most, b.most)};
    case KX_AND:
        if (b.least >= 0)
            return (struct range){0, b.most};
        break;
    default: break;
    }
    return (struct range){INT32_MIN, INT32_MAX};
}

static void narrow(struct finder *f, struct program_limit *limit, const struct kexpr *use, struct range range)
{
    bool byte = use->op == KX_LOAD && use->buffer->type == KT_U8;
    if (!limit->used)
        *limit = (struct program_limit){.used = true, .everywhere = true, .least = byte ? 0 : INT32_MIN,
                                        .most = byte ? UINT8_MAX : INT32_MAX};
    limit->least = larger(limit->least, range.least);
    limit->most = smaller(limit->most, range.most);
    bool except = f->copied || (f->guarded && kexpr_equal(f->guarded, use));
    limit->everywhere = limit->everywhere && except && (!limit->except || limit->exception == f->exception);
    limit->except = limit->except || except;
    if (except)
        limit->exception = f->exception;
}

static void keep(struct finder *f, const struct kexpr *expr, struct range range);

/* a + b, or a - b with `sign` -1. Where both come from data, each takes half of the room. */
static void keep_sum(struct finder *f, const struct kexpr *a, const struct kexpr *b, int sign, struct range range)
{
    struct range other = {range.least / 2, range.most / 2}, free = other;
    if (!from_data(b))
        other = range_of(b);
    else if (sign < 0)
        other = (struct range){-free.most, -free.least};
    struct range low = sign > 0 ? other : (struct range){-other.most, -other.least};
    keep(f, a, (struct range){range.least - low.least, range.most - low.most});
    if (!from_data(b))
        return;
    if (!from_data(a)) {
        struct range fixed = range_of(a);
        free = (struct range){range.least - fixed.least, range.most - fixed.most};
    }
    keep(f, b, sign > 0 ? free : (struct range){-free.most, -free.least});
}

/* a * b: what comes from data is at least 0; where both do, neither may be large. */
static void keep_product(struct finder *f, const struct kexpr *a, const struct kexpr *b, struct range range)
{
    const struct range impossible = {1, 0};
    if (from_data(a) && from_data(b)) {
        bool fits = range.least <= 0 && range.most >= 0;
        keep(f, a, fits ? (struct range){0, smaller(range.most, 1)} : impossible);
        keep(f, b, fits ? (struct range){0, range.most} : impossible);
        return;
    }
    struct range by = range_of(from_data(a) ? b : a), wanted = impossible;
    if (by.least >= 0 && range.most >= 0 && (by.least > 0 || range.least <= 0)) {
        wanted.least = range.least > 0 ? (range.least + by.least - 1) / by.least : 0;
        wanted.most = by.most > 0 ? range.most / by.most : INT32_MAX;
    }
    keep(f, from_data(a) ? a : b, wanted);
}

/* Whatever `expr` is made of, its value stays in the range. */
static void keep(struct finder *f, const struct kexpr *expr, struct range range)
{
    const struct kexpr *const *arg = (const struct kexpr *const *)expr->arg;
    bool copied = f->copied;
    if (!from_data(expr))
        return;
    if (expr->op != KX_LOAD && expr->op != KX_LET && expr->op != KX_SELECT && expr->op != KX_WHERE)
        f->copied = false; /* arithmetic makes something else of the exception */
    switch (expr->op) {
    case KX_LOAD:
        narrow(f, &f->limits.var[var_number(f->program, f->call->argument[expr->buffer->number])], expr, range);
        break;
    case KX_SCALAR:
        narrow(f, &f->limits.scalar[f->call->scalar[expr->scalar->number]->number], expr, range);
        break;
    case KX_LET: keep(f, expr->let->value, range); break;
    case KX_TO_I32:
    case KX_TO_U8: keep(f, arg[0], range); break;
    case KX_NEG: keep(f, arg[0], (struct range){-range.most, -range.least}); break;
    case KX_ADD: keep_sum(f, arg[0], arg[1], 1, range); break;
    case KX_SUB: keep_sum(f, arg[0], arg[1], -1, range); break;
    case KX_MUL: keep_product(f, arg[0], arg[1], range); break;
    case KX_DIV:
        keep(f, arg[0], (struct range){larger(range.least, 0) * arg[1]->i32,
                                       smaller(range.most, INT32_MAX / arg[1]->i32) * arg[1]->i32 + arg[1]->i32 - 1});
        break;
    case KX_MOD:
        if (range.least > 0)
            keep(f, arg[0], (struct range){range.least, smaller(range.most, arg[1]->i32 - 1)});
        else
            keep(f, arg[0], (struct range){0, arg[1]->i32 - 1 <= range.most ? INT32_MAX : range.most});
        break;
    case KX_AND:
        if (range.least > 0)
            keep(f, arg[0], (struct range){1, 0}); /* which bits survive is not followed */
        else if (arg[1]->op != KX_CONST_I32 || arg[1]->i32 < 0 || arg[1]->i32 > range.most)
            keep(f, arg[0], (struct range){0, range.most});
        break;
    case KX_MAX:
        for (uint32_t i = 0; i < 2; i++) {
            struct range other = from_data(arg[1 - i]) ? range : range_of(arg[1 - i]), wanted = range;
            if (other.most > range.most)
                wanted = (struct range){1, 0}; /* whatever this one is */
            else if (!from_data(arg[1 - i]) && other.least >= range.least)
                wanted.least = INT32_MIN;
            keep(f, arg[i], wanted);
        }
        break;
    case KX_SELECT:
    case KX_WHERE:
        keep(f, arg[1], range);
        keep(f, arg[2], range);
        break;
    case KX_REDUCE: keep(f, expr->reduce->term[0], range); break;
    default:
        for (uint32_t i = 0; i < expr->count; i++)
            if (arg[i]->type == KT_I32)
                keep(f, arg[i], range);
        break;
    }
    f->copied = copied;
}

static void look(struct finder *f, const struct kexpr *expr);

static void look_at_choice(struct finder *f, const struct kexpr *expr)
{
    const struct kexpr *condition = expr->arg[0], *before = f->guarded;
    int32_t exception = f->exception;
    look(f, condition);
    bool differs = condition->op == KX_NE, guards = (differs || condition->op == KX_EQ) &&
                                                    condition->arg[1]->op == KX_CONST_I32;
    for (uint32_t i = 1; i < 3; i++) {
        if (guards && i == (differs ? 1 : 2)) {
            f->guarded = condition->arg[0];
            f->exception = condition->arg[1]->i32;
        }
        look(f, expr->arg[i]);
        f->guarded = before;
        f->exception = exception;
    }
}

/* Finds every subscript below `expr`. */
static void look(struct finder *f, const struct kexpr *expr)
{
    if (!expr)
        return;
    if (expr->op == KX_WHERE) {
        look_at_choice(f, expr);
        return;
    }
    if (expr->op == KX_REDUCE) {
        look(f, expr->reduce->from);
        for (uint32_t i = 0; i < expr->reduce->conditions; i++)
            look(f, expr->reduce->condition[i].value);
        for (size_t i = 0; i < 2; i++)
            look(f, expr->reduce->term[i]);
    }
    const struct kvar *var = expr->op == KX_LOAD ? f->call->argument[expr->buffer->number] : NULL;
    for (uint32_t i = 0; i < expr->count; i++) {
        if (var)
            keep(f, expr->arg[i],
                 (struct range){0, (var->extent[i] == KERNEL_UNKNOWN ? f->rows : var->extent[i]) - 1});
        look(f, expr->arg[i]);
    }
}

/* Indices travel: what is stored into a buffer of indices must keep the same range. */
static void look_at_statement(struct finder *f, const struct kstatement *statement)
{
    const struct kexpr *value = statement->kind == KS_LET ? statement->let->value : statement->value;
    look(f, value);
    if (statement->kind == KS_LET || statement->buffer->type == KT_F32)
        return;
    size_t number = var_number(f->program, f->call->argument[statement->buffer->number]);
    const struct program_limit limit = f->limits.var[number];
    if (!limit.used)
        return;
    f->copied = limit.except && limit.everywhere;
    f->exception = limit.exception;
    keep(f, value, (struct range){limit.least, limit.most});
    f->copied = false;
}

/* Last call first, so that a buffer's range is known where it is written. */
struct program_limits program_limits_find(struct arena *arena, const struct kprogram *program, int64_t rows)
{
    struct finder f = {.program = program, .rows = rows};
    f.limits.var = ARENA_ARRAY(arena, struct program_limit, program->vars.count + 1);
    f.limits.scalar = ARENA_ARRAY(arena, struct program_limit, program->scalars.count + 1);
    for (size_t i = program->calls.count; i-- > 0;) {
        f.call = &program->calls.at[i];
        for (size_t k = f.call->kernel ? f.call->kernel->statements.count : 0; k-- > 0;)
            look_at_statement(&f, f.call->kernel->statements.at[k]);
    }
    return f.limits;
}
