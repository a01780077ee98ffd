/* Loop nests as text, for reading: one line a register or store, runs of like lines (a register tile) as one line with
 * the first and the last of them. */
#include "loops.h"

#include <inttypes.h>
#include <string.h>

static void print_affine(const struct laffine *x, struct text *out);

static void print_term(const struct lterm *t, struct text *out)
{
    switch (t->kind) {
    case LT_VAR:
        text_printf(out, "%s.%u", t->var->name, t->var->number);
        return;
    case LT_SCALAR:
        text_add(out, t->scalar->name);
        return;
    case LT_VALUE:
        text_printf(out, "v%u", t->value->number);
        return;
    case LT_DIV:
    case LT_MOD:
        text_add(out, "(");
        print_affine(&t->of, out);
        text_printf(out, ")%c%" PRId64, t->kind == LT_DIV ? '/' : '%', t->divisor);
        return;
    }
}

static void print_affine(const struct laffine *x, struct text *out)
{
    bool first = true;
    for (uint32_t i = 0; i < x->count; i++) {
        int64_t f = x->product[i].factor;
        text_add(out, first ? (f < 0 ? "-" : "") : f < 0 ? " - " : " + ");
        if (f != 1 && f != -1)
            text_printf(out, "%" PRId64 "*", f < 0 ? -f : f);
        print_term(x->product[i].term, out);
        first = false;
    }
    if (first)
        text_printf(out, "%" PRId64, x->constant);
    else if (x->constant)
        text_printf(out, " %c %" PRId64, x->constant < 0 ? '-' : '+', x->constant < 0 ? -x->constant : x->constant);
}

static void print_place(const struct lplace *place, struct text *out)
{
    text_printf(out, "%s[", place->buffer ? place->buffer->name : place->local->name);
    if (place->local)
        text_printf(out, "%u: ", place->local->number);
    print_affine(&place->element, out);
    text_add(out, "]");
}

static void print_lanes(int64_t stride, const struct lvalue *index, const struct lvalue *mask, struct text *out)
{
    if (stride != 1)
        text_printf(out, " stride %" PRId64, stride);
    if (index)
        text_printf(out, " at v%u", index->number);
    if (mask)
        text_printf(out, " where v%u", mask->number);
}

static const char *operator_text(enum kop op)
{
    static const char *const text[] = {
#define X(name, string, arity, form) [KX_##name] = string,
        KERNEL_OPERATORS(X)
#undef X
    };
    return text[op];
}

static void print_args(const struct lvalue *v, struct text *out)
{
    text_add(out, "(");
    for (uint32_t i = 0; i < v->args; i++)
        text_printf(out, "%sv%u", i ? ", " : "", v->arg[i]->number);
    text_add(out, ")");
}

static void print_value(const struct lvalue *v, struct text *out)
{
    static const char *const type[] = {[KT_F32] = "f32", [KT_I32] = "i32", [KT_U8] = "u8", [KT_BOOL] = "bool"};
    text_printf(out, "v%u = ", v->number);
    switch (v->op) {
    case LO_CONST:
        if (v->type == KT_F32)
            text_add_float(out, v->f32);
        else
            text_printf(out, "%" PRId32, v->i32);
        break;
    case LO_SCALAR:
        text_add(out, v->scalar->name);
        break;
    case LO_INTEGER:
        print_affine(&v->integer, out);
        break;
    case LO_LANE:
        text_add(out, "lane");
        break;
    case LO_SPLAT:
        text_add(out, "splat");
        print_args(v, out);
        break;
    case LO_KOP:
        text_add(out, operator_text(v->kop));
        print_args(v, out);
        break;
    case LO_LOAD:
        text_printf(out, "load %s ", type[v->type]);
        print_place(&v->place, out);
        print_lanes(v->stride, v->index, v->mask, out);
        break;
    case LO_FOLD16:
        text_add(out, "fold16");
        print_args(v, out);
        break;
    case LO_JOIN:
        text_add(out, "join");
        print_args(v, out);
        break;
    case LO_TRANSPOSED:
        text_printf(out, "transposed row %" PRId64 " of v%u..v%u", v->stride, v->arg[0]->number,
                    v->arg[v->args - 1]->number);
        break;
    case LO_PART:
        text_printf(out, "lanes from %" PRId64 " of v%u", v->stride, v->arg[0]->number);
        break;
    case LO_PHI:
        text_add(out, "phi");
        break;
    }
    if (v->width > 1)
        text_printf(out, " x%u", v->width);
}

static void print_statement(const struct lstatement *s, struct text *out)
{
    if (s->kind == LS_DEFINE) {
        print_value(s->value, out);
        return;
    }
    if (s->kind == LS_PREFETCH) {
        text_add(out, s->write ? "prefetch for writing " : "prefetch ");
        print_place(&s->place, out);
        return;
    }
    if (s->kind == LS_FORGET) {
        text_add(out, "forget");
        return;
    }
    text_add(out, "store ");
    print_place(&s->place, out);
    print_lanes(s->stride, s->index, s->mask, out);
    text_printf(out, " = v%u%s", s->value->number, s->value->width > 1 ? "" : " x1");
}

/* Same operation on the same memory: a row of a register tile. */
static bool is_alike(const struct lstatement *x, const struct lstatement *y)
{
    if (x->kind != y->kind)
        return false;
    if (x->kind == LS_DEFINE)
        return x->value->op == y->value->op && x->value->kop == y->value->kop && x->value->width == y->value->width &&
               x->value->type == y->value->type && x->value->place.buffer == y->value->place.buffer &&
               x->value->place.local == y->value->place.local && x->value->op != LO_CONST;
    return (x->kind == LS_STORE || x->kind == LS_PREFETCH) && x->place.buffer == y->place.buffer &&
           x->place.local == y->place.local;
}

static void indent(uint32_t depth, struct text *out)
{
    for (uint32_t i = 0; i < depth; i++)
        text_add(out, "  ");
}

static void print_block(const struct lblock *block, uint32_t depth, struct text *out);

static void print_bounds(const char *joiner, const struct laffine *x, uint32_t count, struct text *out)
{
    if (count > 1)
        text_printf(out, "%s(", joiner);
    for (uint32_t i = 0; i < count; i++) {
        text_add(out, i ? ", " : "");
        print_affine(&x[i], out);
    }
    if (count > 1)
        text_add(out, ")");
}

static void print_carried(const struct lstatement *s, uint32_t depth, struct text *out)
{
    const char *const words = s->kind == LS_FOR ? "carry" : "yield";
    for (uint32_t i = 0; i < s->carries; i++) {
        if (i == 2 && s->carries > 4) {
            indent(depth, out);
            text_add(out, "...\n");
            i = s->carries - 2;
        }
        const struct lcarried *c = &s->carried[i];
        indent(depth, out);
        text_printf(out, "%s v%u = %s v%u %s v%u\n", words, c->phi->number, s->kind == LS_FOR ? "first" : "then",
                    c->first->number, s->kind == LS_FOR ? "next" : "else", c->next->number);
    }
}

static void print_nested(const struct lstatement *s, uint32_t depth, struct text *out)
{
    switch (s->kind) {
    case LS_FOR:
        text_add(out, s->parallel ? "parallel " : "");
        if (s->share.light)
            text_printf(out, "(the last %" PRId64 " are %" PRId64 "/%" PRId64 ") ", s->share.light, s->share.part,
                        s->share.whole);
        text_printf(out, "for %s.%u = ", s->var->name, s->var->number);
        print_bounds("max", s->lo, s->los, out);
        text_add(out, " to ");
        print_bounds("min", s->hi, s->his, out);
        break;
    case LS_IF:
        text_printf(out, "if v%u", s->value->number);
        break;
    default:
        text_add(out, "once");
        break;
    }
    text_add(out, " {\n");
    print_carried(s, depth + 1, out);
    print_block(&s->body, depth + 1, out);
    indent(depth, out);
    if (s->otherwise.list.count) {
        text_add(out, "} else {\n");
        print_block(&s->otherwise, depth + 1, out);
        indent(depth, out);
    }
    text_add(out, "}\n");
}

static void print_block(const struct lblock *block, uint32_t depth, struct text *out)
{
    enum { LONGEST_RUN = 3 };
    for (size_t i = 0; i < block->list.count; i++) {
        const struct lstatement *s = block->list.at[i];
        indent(depth, out);
        if (s->kind == LS_FOR || s->kind == LS_IF || s->kind == LS_ONCE) {
            print_nested(s, depth, out);
            continue;
        }
        size_t last = i;
        while (last + 1 < block->list.count && is_alike(s, block->list.at[last + 1]))
            last++;
        print_statement(s, out);
        if (last - i >= LONGEST_RUN) {
            text_printf(out, "   ... %zu like it ...   ", last - i - 1);
            i = last;
            print_statement(block->list.at[i], out);
        }
        text_add(out, "\n");
    }
}

void loops_print(const struct lkernel *kernel, struct text *out)
{
    text_printf(out, "loops %s {  # vectors of %u\n", kernel->kernel->name, kernel->lanes);
    for (size_t i = 0; i < kernel->locals.count; i++)
        text_printf(out, "  scratch %s %u: %" PRId64 " elements\n", kernel->locals.at[i]->name,
                    kernel->locals.at[i]->number, kernel->locals.at[i]->elements);
    print_block(&kernel->body, 1, out);
    text_add(out, "}\n");
}
