/* From the syntax tree to the model graph and its configuration: the last code that sees a tree. Everything is checked
 * here or in the rules of the ops, and reported with the span of the text that is wrong. */
#ifndef XENT_BUILD_H
#define XENT_BUILD_H

#include "ast.h"
#include "diag.h"
#include "graph.h"
#include "ops.h"

/* ---- `data { … }` ---- */

enum data_kind { DATA_NONE, DATA_MNIST, DATA_FASHION_MNIST, DATA_CSV };

struct config_path {
    const char *text; /* NULL: absent */
    struct span span;
    bool from_override; /* relative to the current folder; otherwise to the folder of the .net file */
};
struct data_config {
    enum data_kind kind; /* DATA_NONE: there is no section */
    struct span span;    /* of the source */
    struct config_path train, test; /* DATA_CSV; test may be absent */
    bool header;
};

/* ---- `train { … }`: a key that is not given has its default, also when the whole section is absent ---- */

enum { MOST_BATCH = 1 << 24 };
struct train_config {
    bool present, has_optimizer;
    struct span span; /* of the section */
    double lr, momentum, dampening, weight_decay; /* sgd: 0.001, 0, 0, 0, as PyTorch's */
    bool nesterov;                                /* false */
    int64_t batch;     /* 64 */
    int64_t epochs;    /* 1 */
    bool shuffle;      /* true */
    int64_t seed;      /* 1; never negative */
    int64_t log_every; /* 300 batches */
    struct span batch_span;
};

struct model_ir {
    struct graph *graph;   /* named as the model; its results as in enum result_role, for all entries together */
    struct value *input;   /* the leaf that the data set feeds */
    struct value *target;  /* NULL: none */
    const char *logits;    /* name of the output or RESULT_LOGITS that the loss takes as logits; NULL: no loss */
    bool has_ignore_index; /* a class target equal to ignore_index does not count */
    int64_t ignore_index;
    struct data_config data;
    struct train_config train;
};

/* NULL with diags->errors > 0 when the model is wrong. Warnings do not hinder. */
struct model_ir *build_model(struct arena *arena, struct diag_list *diags, const struct ast_file *ast,
                             const struct op_set *ops);

/* Applies one `--set` argument, `section.key=value` or `section.key.argument=value`, to the tree. The text is added to
 * `map` (that of `diags`) as files of its own, so that messages quote it. False with an error when it is wrong; whether
 * the value fits the key is build_model's question. */
bool build_override(struct arena *arena, struct diag_list *diags, struct source_map *map, struct interner *names,
                    struct ast_file *ast, const char *text);

#endif
