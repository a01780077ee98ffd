/* The words, numbers and strings of the text form, straight on its bytes. What returns bool has reported an error when
 * it returns false, unless it says otherwise. Private to ir/. */
#ifndef XENT_SCAN_H
#define XENT_SCAN_H

#include "diag.h"

struct scanner {
    struct arena *arena;
    struct diag_list *diags;
    const char *text;
    uint32_t file;
    size_t at, end;
    struct interner names;
};

struct word {
    const char *text; /* interned; NULL: none */
    struct span span;
};

struct span scan_span(const struct scanner *s, size_t begin, size_t end);
void scan_blanks(struct scanner *s);
void scan_line(struct scanner *s);
/* To the next token on this or a later line, past comments. */
void scan_lines(struct scanner *s);
/* "expected WHAT, found …": always false. */
bool scan_fail(struct scanner *s, const char *expected);
/* Behind blanks; these report nothing. */
bool scan_peek(struct scanner *s, char c);
bool scan_accept(struct scanner *s, char c);
bool scan_accept_word(struct scanner *s, const char *word);
/* `what` is what the message expects. */
bool scan_expect(struct scanner *s, char c, const char *what);
bool scan_word(struct scanner *s, struct word *out, const char *what);
bool scan_string(struct scanner *s, const char **out);
bool scan_int(struct scanner *s, int64_t *out, const char *what);
bool scan_float(struct scanner *s, double *out);

#endif
