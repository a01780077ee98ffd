/* Private to build/: what its files share. */
#ifndef XENT_BUILDER_H
#define XENT_BUILDER_H

#include "build.h"
#include "map.h"

/* A name of the model: an input, a target or a binding. */
struct name_entry {
    const char *name;
    struct span span;
    struct value *value; /* NULL: its definition was wrong, uses are not reported again */
    bool made;           /* it stands above what is being built */
    bool used;
    enum ast_item_kind kind;
};

struct builder {
    struct arena *arena;
    struct diag_list *diags;
    const struct ast_file *ast;
    struct model_ir *ir;
    struct graph *graph;
    struct pointer_map names; /* interned name -> struct name_entry */
    VEC(struct name_entry *) entries;
    /* origins */
    const char *file;       /* base name, printable */
    VEC(uint32_t) lines;    /* where each line starts */
    uint32_t cursor_line, cursor_offset, cursor_column; /* the last place that was asked for */
};

/* What is being built: the names of its values and parameters derive from it. */
struct scope {
    const char *name;     /* the binding's, or "output", "loss", "metric" */
    struct span span;     /* where messages say that a value is made */
    bool parameters;      /* may own parameters: a binding */
    uint32_t layers;      /* calls with parameters in the whole expression */
    uint32_t stage;       /* number of the next call */
    const struct ast_expr *top; /* its value bears the scope's name */
    VEC(const char *) labels;
};

/* expr.c: NULL after an error. */
struct value *build_expr(struct builder *b, struct scope *scope, const struct ast_expr *expr);
const char *build_origin(struct builder *b, struct span span); /* "mlp.net:14:18" */

/* arguments.c: the call's arguments behind its data inputs become attributes of the op; false after an error. */
bool build_arguments(struct builder *b, const struct op_info *op, const struct ast_call *call, size_t first,
                     struct attr attr[GRAPH_MAX_ATTRS]);

/* "a number", "the name x", "a list": what an expression is, for messages. */
const char *describe_expr(struct arena *arena, const struct ast_expr *expr);

/* config.c: reads the sections into b->ir, by the tables of settings.h. */
void build_config(struct builder *b);

#endif
