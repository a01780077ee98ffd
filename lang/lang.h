/* The front door of the language: text in, syntax tree out. */
#ifndef XENT_LANG_LANG_H
#define XENT_LANG_LANG_H

#include "ast.h"
#include "diag.h"

enum {
    LANG_MAX_DEPTH = 1000,  /* of an expression: brackets and the stages of a pipe count */
    LANG_MAX_BRACKETS = 256 /* open at once */
};

/* Parses and checks file `file` of the diagnostics' source map. NULL with diags->errors > 0 when it is wrong; all
 * errors of the text are reported in one go. Needs nothing outside the arena, so that an exhausted arena may jump out
 * of it. */
struct ast_file *lang_parse(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file);

/* One value in the language's own syntax, as in `--set train.optimizer=sgd(lr = 0.1)`: the file's whole text. Quotes of
 * strings are optional: what is neither number, word, list nor call is a string (`../data/a.csv`). A word stays
 * AST_NAME: who wants a string takes it too. NULL with a diagnostic when wrong. */
struct ast_expr *lang_parse_value(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file);

#endif
