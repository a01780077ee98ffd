/* Tables that printer and parser share; expansions of KERNEL_OPERATORS where an operator is concerned. */
#include "syntax.h"

#include <string.h>

static const struct {
    const char *text;
    uint32_t arity;
    char form;
} operators[KX_COUNT] = {
#define X(name, text_, arity_, form_) [KX_##name] = {text_, arity_, #form_[0]},
    KERNEL_OPERATORS(X)
#undef X
};

const char *ksyntax_text(enum kop op)
{
    return operators[op].text;
}

uint32_t ksyntax_arity(enum kop op)
{
    return operators[op].arity;
}

char ksyntax_form(enum kop op)
{
    return operators[op].form;
}

enum kprecedence ksyntax_precedence(enum kop op)
{
    switch (op) {
    case KX_LOR: return KPREC_OR;
    case KX_LAND: return KPREC_AND;
    case KX_EQ:
    case KX_NE:
    case KX_LT:
    case KX_LE:
    case KX_GT:
    case KX_GE: return KPREC_COMPARE;
    case KX_OR: return KPREC_BIT_OR;
    case KX_XOR: return KPREC_BIT_XOR;
    case KX_AND: return KPREC_BIT_AND;
    case KX_SHL:
    case KX_SHR:
    case KX_LSHR: return KPREC_SHIFT;
    case KX_ADD:
    case KX_SUB: return KPREC_SUM;
    case KX_MUL:
    case KX_DIV:
    case KX_MOD: return KPREC_PRODUCT;
    case KX_NEG:
    case KX_NOT: return KPREC_PREFIX;
    default: return KPREC_PRIMARY;
    }
}

const char *ksyntax_type(enum ktype type)
{
    static const char *const names[KSYNTAX_TYPES] = {"f32", "i32", "u8", "bool"};
    return names[type];
}

const char *ksyntax_reduce(enum kreduce_kind kind)
{
    static const char *const names[KSYNTAX_REDUCE_KINDS] = {"sum",        "sum.fma", "sum.tree",
                                                              "sum.blocks", "max_at",  "list"};
    return names[kind];
}

bool ksyntax_reserved(const char *word)
{
    static const char *const words[] = {"let",   "tile", "schedule", "return", "inout",
                                        "from",  "true", "false",    "inf",    "nan"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* letter { letter | digit | '_' } { '.' letter ... } */
static bool is_plain(const char *name)
{
    bool start = true; /* of the name or behind a dot */
    for (const char *p = name; *p; p++) {
        if (*p == '.' && !start)
            start = true;
        else if (is_letter(*p) || (p > name && *p >= '0' && *p <= '9'))
            start = false;
        else
            return false;
    }
    return !start;
}

void ksyntax_add_name(struct text *out, const char *name)
{
    if (is_plain(name) && !ksyntax_reserved(name)) {
        text_add(out, name);
        return;
    }
    text_add(out, "\"");
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        if (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f)
            text_printf(out, "\\x%02x", *p);
        else
            text_add_n(out, (const char *)p, 1);
    }
    text_add(out, "\"");
}
