/* The scanner of the kernel IR's text. Line breaks mean nothing except to error recovery; `#` starts a comment. */
#ifndef XENT_KERNEL_SCAN_H
#define XENT_KERNEL_SCAN_H

#include "diag.h"

enum ktoken_kind { KTOK_END, KTOK_NAME, KTOK_INT, KTOK_FLOAT, KTOK_SIGN };

struct ktoken {
    enum ktoken_kind kind;
    bool quoted;     /* NAME in quotes: never a keyword */
    bool line_start; /* the first of its line */
    const char *text; /* NAME: the name; SIGN: the operator */
    int64_t integer;
    float number;
    struct span span;
};

struct kscanner {
    struct arena *arena;
    struct diag_list *diags;
    const char *text;
    size_t length, at;
    uint32_t file;
};

/* The next token. Bytes that are none are reported and skipped. */
struct ktoken kscan(struct kscanner *scanner);

#endif
