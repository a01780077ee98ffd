/* What printer and parser agree on: precedence, reserved words, names. */
#ifndef XENT_KERNEL_SYNTAX_H
#define XENT_KERNEL_SYNTAX_H

#include "kernel.h"

/* Binding strength, weakest first. Bit operators bind tighter than comparisons, unlike in C. */
enum kprecedence {
    KPREC_OR = 1,  /* || */
    KPREC_AND,     /* && */
    KPREC_COMPARE, /* == != < <= > >=, which do not chain */
    KPREC_BIT_OR,  /* | */
    KPREC_BIT_XOR, /* ^ */
    KPREC_BIT_AND, /* & */
    KPREC_SHIFT,   /* << >> >>> */
    KPREC_SUM,     /* + - */
    KPREC_PRODUCT, /* * / % */
    KPREC_PREFIX,  /* - ! */
    KPREC_PRIMARY
};

/* Of an infix operator; KPREC_PRIMARY for everything else. */
enum kprecedence ksyntax_precedence(enum kop op);
/* The operator's text, its arity and how it is written: 'P' prefix, 'I' infix, 'F' function, '-' otherwise. */
const char *ksyntax_text(enum kop op);
uint32_t ksyntax_arity(enum kop op);
char ksyntax_form(enum kop op);
const char *ksyntax_type(enum ktype type);
/* "sum", "sum.fma", ... */
const char *ksyntax_reduce(enum kreduce_kind kind);
enum { KSYNTAX_REDUCE_KINDS = KR_LIST + 1, KSYNTAX_TYPES = KT_BOOL + 1 };
/* Words that cannot be names inside a kernel unless quoted. */
bool ksyntax_reserved(const char *word);
/* A name as it is written: quoted when it is not plain or reserved. */
void ksyntax_add_name(struct text *out, const char *name);
/* print_expr.c: a constant that reads back as this value. */
void ksyntax_add_f32(struct text *out, float value);

#endif
