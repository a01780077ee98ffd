/* The syntax tree of a `.net` file: what the text says, nothing decided yet. Everything lives in the arena; every name
 * is interned, so names compare with ==; every node knows its span.
 *
 * What lang_parse (lang.h) has already made sure of: `net 1`; exactly one model; no value name bound twice; no section,
 * key or named argument given twice; no positional argument after a named one; types well formed (the kind fits input
 * or target, dimensions are whole numbers from 1, `class` and `prob` have one). Not yet: that names are known and made
 * before they are used, that ops, arguments and keys exist, how many inputs, targets, outputs and losses there are. */
#ifndef XENT_LANG_AST_H
#define XENT_LANG_AST_H

#include "source.h"
#include "text.h"

#include <stdbool.h>

enum ast_expr_kind { AST_NAME, AST_NUMBER, AST_STRING, AST_BOOL, AST_LIST, AST_CALL };

struct ast_expr;

/* Digits as written with sign and '_' ("-1_000"), so that nothing is lost; `value` is finite. */
struct ast_number {
    const char *text;
    double value;
    int64_t integer; /* when is_int: written without '.' and exponent */
    bool is_int;
};

struct ast_arg {
    const char *name; /* NULL: positional */
    struct span name_span;
    struct span span; /* name and value */
    struct ast_expr *value;
};

/* `a |> f(b)` is f with the arguments a and b, and `piped`. `f(b) as e` has the label "e". */
struct ast_call {
    const char *name;
    struct span name_span;
    struct ast_arg *args; /* positional ones first */
    size_t arg_count;
    bool piped;        /* args[0] came through the pipe */
    const char *label; /* or NULL */
    struct span label_span;
};

struct ast_expr {
    enum ast_expr_kind kind;
    uint32_t depth;   /* of the tree below, at most LANG_MAX_DEPTH: recursion is safe */
    struct span span; /* of a piped call the stage alone: `linear(8) as enc`, without what came through the pipe */
    union {
        const char *name;
        struct ast_number number;
        const char *string; /* without quotes, escapes resolved; UTF-8 */
        bool boolean;
        struct {
            struct ast_expr **at;
            size_t count;
        } list;
        struct ast_call *call;
    };
};

/* The types of inputs (u8, f32) and targets (class, prob), as they print. */
#define AST_TYPES(X)                                                                                                   \
    X(U8, "u8")                                                                                                        \
    X(F32, "f32")                                                                                                      \
    X(CLASS, "class")                                                                                                  \
    X(PROB, "prob")

enum ast_type_kind {
#define X(name, text) AST_TYPE_##name,
    AST_TYPES(X)
#undef X
};

struct ast_dim {
    int64_t size; /* at least 1; the product may still overflow */
    struct span span;
};

struct ast_type {
    enum ast_type_kind kind;
    struct span span;
    struct ast_dim *dims;
    size_t dim_count;
};

enum ast_item_kind { AST_INPUT, AST_TARGET, AST_BINDING, AST_OUTPUT, AST_LOSS, AST_METRIC };

struct ast_item {
    enum ast_item_kind kind;
    struct span span;
    const char *name; /* input, target, binding */
    struct span name_span;
    struct ast_type type;  /* input, target */
    struct ast_expr *expr; /* binding, output, loss, metric */
};

struct ast_model {
    const char *name;
    struct span name_span;
    struct span span;
    struct ast_item *items; /* in the order of the text */
    size_t item_count;
};

struct ast_setting {
    const char *name;
    struct span name_span;
    struct span span;
    struct ast_expr *value; /* never piped at the top */
};

/* `data { … }` or `train { … }`. */
struct ast_section {
    struct span span; /* a section that no text made (overrides alone) has file 0 */
    struct ast_setting *settings;
    size_t setting_count;
};

struct ast_file {
    uint32_t file;
    struct ast_model *model;
    struct ast_section *data, *train; /* NULL when absent */
};

/* The formatter's form: itself a valid `.net` text that parses to the same tree. Comments are not kept. */
void ast_print(const struct ast_file *ast, struct text *out);
void ast_print_expr(const struct ast_expr *expr, struct text *out);
const char *ast_type_name(enum ast_type_kind kind);

#endif
