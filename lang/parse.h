/* What lexer, parser and the checks behind them share while one text is parsed. Private to lang/. */
#ifndef XENT_LANG_PARSE_H
#define XENT_LANG_PARSE_H

#include "lang.h"

struct expr_list {
    VEC(struct ast_expr *) v;
};
struct arg_list {
    VEC(struct ast_arg) v;
};
struct dim_list {
    VEC(struct ast_dim) v;
};
struct item_list {
    VEC(struct ast_item) v;
};
struct setting_list {
    VEC(struct ast_setting) v;
};

/* A name in the text. */
struct word {
    const char *name;
    struct span span;
};

struct open_bracket {
    int token;
    struct span span;
};

struct parse_context {
    struct arena *arena;
    struct diag_list *diags;
    struct interner *names;
    const struct source_file *source;
    uint32_t file;

    /* lexer */
    void *scanner;
    uint32_t offset;
    int start;     /* the token that chooses between file and value: delivered first */
    bool is_value; /* strings may stand without quotes */
    bool stopped;  /* an error that makes going on useless was reported: nothing but the end follows */
    struct open_bracket open[LANG_MAX_BRACKETS];
    size_t open_count;
    int inside;             /* the bracket that was open before the current token; 0: none */
    struct span mismatched; /* what the current token, a closing bracket, fails to close; file 0: none */
    struct span current, previous;

    /* recovery after an error: skip to where the next item, setting or section begins */
    enum recovery { RECOVERED, TO_ITEM, TO_SETTING, TO_SECTION } recovery;
    bool brace_reported; /* a missing "}" was reported already */

    /* result */
    struct ast_file *ast;
    struct ast_expr *value;
};

/* lexer.l */
void lexer_start(struct parse_context *ctx);

/* tokens.c: whether recovery may go on with `token`, which stands at ctx->current. */
bool recovery_reached(struct parse_context *ctx, int token);

/* syntax_error.c: `expected` holds the grammar's names of the tokens that could stand here. */
void syntax_error(struct parse_context *ctx, const char *const *expected, size_t count, const char *found);

/* nodes.c */
struct ast_expr *make_name(struct parse_context *ctx, struct word name);
struct ast_expr *make_bool(struct parse_context *ctx, struct span span, bool value);
struct ast_expr *make_string(struct parse_context *ctx, struct span span, const char *string);
struct ast_expr *make_number(struct parse_context *ctx, struct span span, struct ast_number *number);
struct ast_number *make_negative(struct parse_context *ctx, const struct ast_number *number);
struct ast_expr *make_list(struct parse_context *ctx, struct span span, const struct expr_list *items);
struct ast_expr *make_call(struct parse_context *ctx, struct span span, struct word name, const struct arg_list *args,
                           struct word label);
struct ast_expr *make_piped(struct parse_context *ctx, struct ast_expr *left, struct ast_expr *stage);
void add_arg(struct parse_context *ctx, struct arg_list *args, struct ast_arg arg);
struct ast_dim make_dim(struct parse_context *ctx, struct span span, const struct ast_number *number);
struct ast_type make_type(struct parse_context *ctx, struct span span, struct word name, const struct dim_list *dims);
struct item_list *add_declaration(struct parse_context *ctx, struct item_list *items, enum ast_item_kind kind,
                                  struct span span, struct word name, struct ast_type type);
struct item_list *add_item(struct parse_context *ctx, struct item_list *items, enum ast_item_kind kind,
                           struct span span, struct word name, struct ast_expr *expr);
void set_version(struct parse_context *ctx, struct span span, const struct ast_number *number);
void set_model(struct parse_context *ctx, struct span keyword, struct span span, struct word name,
               const struct item_list *items);
void set_section(struct parse_context *ctx, struct span keyword, struct span span, struct ast_section **section,
                 const struct setting_list *settings);
void misplaced_section(struct parse_context *ctx, struct span keyword, const char *name);

/* check.c: what no rule of the grammar can say. */
void check_unique(struct parse_context *ctx);

/* The token is wrong beyond repair, or its text costs too much. */
void parse_stop(struct parse_context *ctx);

#endif
