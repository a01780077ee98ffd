/* What the files of the parser share: the current token, the names in scope, and one function per kind of phrase.
 * Phrases return NULL or false after an error, which is already reported; the caller that can go on does. */
#ifndef XENT_KERNEL_PARSE_H
#define XENT_KERNEL_PARSE_H

#include "kernel.h"
#include "scan.h"

enum {
    KPARSE_DEPTH = 200,      /* nested operands */
    KPARSE_OPERATIONS = 4000 /* operands of one statement: bounds its tree's depth, which others walk by recursion */
};

enum ksymbol_kind { KSYM_BUFFER, KSYM_SCALAR, KSYM_LET, KSYM_INDEX };
struct ksymbol {
    const char *name;
    enum ksymbol_kind kind;
    union {
        const struct kbuffer *buffer;
        const struct kscalar *scalar;
        const struct klet *let;
        struct kindex *index;
    };
};

struct kparser {
    struct arena *arena;
    struct diag_list *diags;
    struct kscanner scanner;
    struct ktoken token;
    struct span last; /* of the token before */
    struct kprogram *program;
    VEC(struct ksymbol) symbols; /* of the kernel or function that is being read */
    bool incomplete;             /* a name may be missing because its definition had an error */
    uint32_t depth, operations;
};

/* parse.c */
/* False, with a message, when the file is no text. */
bool kparse_start(struct kparser *parser, struct arena *arena, struct diag_list *diags, uint32_t file,
                  struct kprogram *program);
void kparse_next(struct kparser *parser);
bool kparse_is_sign(const struct kparser *parser, const char *sign);
bool kparse_is_word(const struct kparser *parser, const char *word);
bool kparse_accept(struct kparser *parser, const char *sign);
bool kparse_accept_word(struct kparser *parser, const char *word);
bool kparse_expect(struct kparser *parser, const char *sign, const char *where);
/* A name, or NULL after the message "expected WHAT, got ...". */
const char *kparse_name(struct kparser *parser, const char *what);
bool kparse_integer(struct kparser *parser, const char *what, int64_t *out);
/* An f32 constant: a number with `.` or `e`, `inf` or `nan`. False without a message when there is none. */
bool kparse_f32(struct kparser *parser, float *out);
void kparse_unexpected(struct kparser *parser, const char *expected);
/* Skips to the next token that begins a line (or to a closing brace). */
void kparse_skip_line(struct kparser *parser);
/* Skips a body in braces, or to the next line when none begins before that. */
void kparse_skip_body(struct kparser *parser);

/* parse_types.c: what stands behind a colon. `TYPE [<= N]` and `TYPE[...] layout (...)` */
bool kparse_type(struct kparser *parser, enum ktype *out);
bool kparse_scalar_limit(struct kparser *parser, struct kscalar *scalar);
bool kparse_shape(struct kparser *parser, uint32_t *out_rank, int64_t *extent, struct klayout *out_layout);

/* parse_expr.c */
struct kexpr *kparse_expr(struct kparser *parser);
/* An index variable `name < N`, declared; NULL after an error. Only reductions may be bounded by a scalar. */
struct kindex *kparse_index(struct kparser *parser, bool may_be_bounded);
const struct ksymbol *kparse_find(const struct kparser *parser, const char *name);
/* False with a message when the name is taken. */
bool kparse_declare(struct kparser *parser, struct span span, struct ksymbol symbol);

/* parse_kernel.c */
struct kernel *kparse_kernel(struct kparser *parser);
struct kfunction *kparse_function(struct kparser *parser);
/* The clauses behind the word `schedule`. */
bool kparse_schedule(struct kparser *parser, struct kschedule *out);

#endif
