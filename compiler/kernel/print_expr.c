/* Printing expressions: as few parentheses as the parser needs to build the same tree again. */
#include "syntax.h"

#include <math.h>

static void print_at(const struct kexpr *expr, enum kprecedence weakest, struct text *out);

static void print_list(struct kexpr *const *args, uint32_t count, struct text *out)
{
    for (uint32_t i = 0; i < count; i++) {
        text_add(out, i ? ", " : "");
        print_at(args[i], KPREC_OR, out);
    }
}

static void print_subscripts(const struct kexpr *expr, struct text *out)
{
    if (expr->count == 0)
        return;
    text_add(out, "[");
    print_list(expr->arg, expr->count, out);
    text_add(out, "]");
}

static void print_reduce(const struct kreduce *reduce, struct text *out)
{
    text_printf(out, "%s(", ksyntax_reduce(reduce->kind));
    for (uint32_t i = 0; i < reduce->indices; i++) {
        const struct kindex *index = reduce->index[i];
        text_add(out, i ? ", " : "");
        ksyntax_add_name(out, index->name);
        text_add(out, " < ");
        if (index->bound)
            ksyntax_add_name(out, index->bound->name);
        else
            text_printf(out, "%lld", (long long)index->extent);
    }
    for (uint32_t i = 0; i < reduce->conditions; i++) {
        text_add(out, i ? ", 0 <= " : " | 0 <= ");
        print_at(reduce->condition[i].value, KPREC_BIT_OR, out);
        text_printf(out, " < %lld", (long long)reduce->condition[i].limit);
    }
    if (reduce->from) {
        text_add(out, " from ");
        print_at(reduce->from, KPREC_OR, out);
    }
    text_add(out, ": ");
    print_at(reduce->term[0], KPREC_OR, out);
    if (reduce->term[1]) {
        text_add(out, ", ");
        print_at(reduce->term[1], KPREC_OR, out);
    }
    text_add(out, ")");
}

void ksyntax_add_f32(struct text *out, float value)
{
    if (isnan(value))
        text_add(out, "nan");
    else
        text_add_float(out, value);
}

static bool is_negative_constant(const struct kexpr *expr)
{
    return (expr->op == KX_CONST_I32 && expr->i32 < 0) ||
           (expr->op == KX_CONST_F32 && !isnan(expr->f32) && signbit(expr->f32));
}

static void print_operator(const struct kexpr *expr, struct text *out)
{
    enum kprecedence precedence = ksyntax_precedence(expr->op);
    switch (ksyntax_form(expr->op)) {
    case 'P':
        text_add(out, ksyntax_text(expr->op));
        /* "--x" is not two signs to the eye, and "-1.0" is a constant: -(-1.0), -(1.0). */
        if (expr->arg[0]->op == KX_CONST_F32 || expr->arg[0]->op == KX_CONST_I32 || expr->arg[0]->op == expr->op) {
            text_add(out, "(");
            print_at(expr->arg[0], KPREC_OR, out);
            text_add(out, ")");
        } else {
            print_at(expr->arg[0], precedence, out);
        }
        break;
    case 'I':
        print_at(expr->arg[0], precedence == KPREC_COMPARE ? precedence + 1 : precedence, out);
        text_printf(out, " %s ", ksyntax_text(expr->op));
        print_at(expr->arg[1], precedence + 1, out);
        break;
    default:
        text_printf(out, "%s(", ksyntax_text(expr->op));
        if (expr->op == KX_WHERE) {
            print_at(expr->arg[0], KPREC_OR, out);
            text_add(out, ": ");
            print_at(expr->arg[1], KPREC_OR, out);
            text_add(out, "; ");
            print_at(expr->arg[2], KPREC_OR, out);
        } else {
            print_list(expr->arg, expr->count, out);
        }
        text_add(out, ")");
        break;
    }
}

/* In parentheses when it binds more weakly than the place it stands in demands. */
static void print_at(const struct kexpr *expr, enum kprecedence weakest, struct text *out)
{
    enum kprecedence precedence = is_negative_constant(expr) ? KPREC_PREFIX : ksyntax_precedence(expr->op);
    if (precedence < weakest)
        text_add(out, "(");
    switch (expr->op) {
    case KX_CONST_F32: ksyntax_add_f32(out, expr->f32); break;
    case KX_CONST_I32: text_printf(out, "%d", expr->i32); break;
    case KX_CONST_BOOL: text_add(out, expr->i32 ? "true" : "false"); break;
    case KX_INDEX: ksyntax_add_name(out, expr->index->name); break;
    case KX_SCALAR: ksyntax_add_name(out, expr->scalar->name); break;
    case KX_LOAD:
        ksyntax_add_name(out, expr->buffer->name);
        print_subscripts(expr, out);
        break;
    case KX_LET:
        ksyntax_add_name(out, expr->let->name);
        print_subscripts(expr, out);
        break;
    case KX_REDUCE: print_reduce(expr->reduce, out); break;
    case KX_POSITION:
    case KX_CALL:
        if (expr->op == KX_POSITION)
            text_add(out, "position");
        else
            ksyntax_add_name(out, expr->function->name);
        text_add(out, "(");
        print_list(expr->arg, expr->count, out);
        text_add(out, ")");
        break;
    default: print_operator(expr, out); break;
    }
    if (precedence < weakest)
        text_add(out, ")");
}

void kernel_print_expr(const struct kexpr *expr, struct text *out)
{
    print_at(expr, KPREC_OR, out);
}
