/* The graph IR: SSA over tensors. The batch dimension is the symbol N (DIM_N) until a batch size is chosen.
 *
 *   graph @mlp.step {
 *     %image : u8[N, 1, 28, 28] = input "image"
 *     %digit : class[N, 10] = target "digit"
 *     %l1.weight : f32[512, 784] = param "l1.weight" {bound = 0.035714287}
 *     %12 : f32[N, 10] = linear %11, %w5, %b5                                  # mlp.net:14:18
 *     %loss, %rows, %weights : f32[], f32[N], f32[N] = softmax_xent %12, %digit {reduction = mean} in loss
 *     return loss "loss" %loss
 *   }
 *
 * A value is defined once, before its uses; nodes stand in an order that can be executed. Everything lives in the
 * graph's arena. What ops exist, and their names, arity and attributes, comes as data (struct op_info): this layer
 * knows no op. */
#ifndef XENT_GRAPH_H
#define XENT_GRAPH_H

#include "diag.h"
#include "source.h"
#include "text.h"
#include "vec.h"

#include <stdbool.h>
#include <stdint.h>

enum { GRAPH_MAX_RANK = 6, GRAPH_MAX_INPUTS = 8, GRAPH_MAX_OUTPUTS = 4, GRAPH_MAX_ATTRS = 12 };
enum { DIM_N = -1 };

enum dtype {
    DT_F32,
    DT_U8,
    DT_I32,
    DT_CLASS, /* class[N, C]: one index per example; rank 1, `classes` = C */
    DT_PROB,  /* prob[N, C]: C probabilities per example; rank 2, classes = C */
};

struct tensor_type {
    enum dtype dtype;
    uint32_t rank;
    int64_t dim[GRAPH_MAX_RANK]; /* DIM_N or >= 1; only dim[0] may be DIM_N */
    int64_t classes;
};

struct value {
    const char *name; /* unique in the graph, printed behind '%': the source's name or a number */
    struct tensor_type type;
    struct node *node; /* that defines it */
    uint32_t output;   /* which of the node's */
    struct span span;  /* for messages: where the user made it */
};

enum attr_kind { ATTR_INT, ATTR_FLOAT, ATTR_BOOL, ATTR_ENUM, ATTR_STRING, ATTR_INTS, ATTR_FLOATS };

struct attr {
    bool set; /* false: the op's default, which is not printed */
    int64_t i;          /* INT, BOOL; ENUM: index into the schema's words */
    double f;           /* FLOAT */
    const char *string; /* STRING */
    uint32_t count;     /* INTS, FLOATS */
    const int64_t *ints;
    const double *floats;
};

/* One attribute (and named argument in the source) of an op. */
struct attr_info {
    const char *name;
    enum attr_kind kind;
    bool required;
    const char *words; /* ENUM: "mean|sum|none" */
    double standard;   /* default of INT, FLOAT, BOOL, ENUM; INTS and FLOATS: a one-element list, or absent when NAN */
    const char *doc;
};

enum op_flags {
    OP_SOURCE = 1,      /* may be written in a .net file */
    OP_ELEMENTWISE = 2, /* output element i needs only elements i of its inputs (or broadcast parameters) */
    OP_VIEW = 4,        /* same elements, other shape: no code */
    OP_IN_PLACE = 8,    /* output k overwrites input k */
    OP_LEAF = 16,       /* input, target, param, state: no inputs */
    OP_LOSS = 32,       /* outputs: loss f32[], example losses f32[N], example weights f32[N] */
    OP_METRIC = 64,     /* output: i32[N], 1 where the example counts */
};

struct op_info {
    const char *name;
    uint8_t min_inputs, max_inputs, outputs;
    uint32_t flags;
    uint32_t attrs;
    const struct attr_info *attr;
    const char *doc; /* one line */
};

/* What ops there are: `count` rows. ops/ provides it (op_set()). */
struct op_set {
    uint32_t count;
    const struct op_info *const *info;
};

struct node {
    const struct op_info *op;
    uint32_t inputs, outputs;
    struct value *input[GRAPH_MAX_INPUTS];
    struct value *output[GRAPH_MAX_OUTPUTS];
    struct attr attr[GRAPH_MAX_ATTRS]; /* parallel to op->attr */
    const char *kernel; /* the fused kernel it belongs to (pass `fuse`), printed as `in NAME`; NULL before */
    const char *origin; /* "mlp.net:14:18": the line that made it, kept through every pass and by print and parse */
    struct span span;   /* for messages */
};

enum result_role {
    RESULT_OUTPUT,         /* an `output` of the model */
    RESULT_LOGITS,         /* what the loss takes as logits, where that is no output */
    RESULT_LOSS,           /* f32[] */
    RESULT_EXAMPLE_LOSS,   /* f32[N] */
    RESULT_EXAMPLE_WEIGHT, /* f32[N] */
    RESULT_METRIC,         /* i32[N] */
    RESULT_INPUT_GRADIENT, /* of an f32 input */
    RESULT_GRADIENT,       /* of a parameter, by its name; append_updates puts updates in their place */
    RESULT_UPDATE,         /* a parameter or optimizer state after its update */
};
struct result {
    enum result_role role;
    const char *name;
    struct value *value;
};

struct graph {
    const char *name; /* "mlp" or "mlp.step" */
    struct span span; /* of the name, for messages */
    struct arena *arena;
    const struct op_set *ops;
    VEC(struct node *) nodes;
    VEC(struct result) results;
    uint32_t next_number;   /* for fresh value names */
    struct interner names;  /* of its values, those of removed nodes included: a name never changes its meaning */
};

/* graph.c */
struct graph *graph_create(struct arena *arena, const struct op_set *ops, const char *name);
const struct op_info *graph_op(const struct graph *graph, const char *name); /* NULL: no such op */
/* Appends a node with unnamed (numbered) outputs of unknown type; attributes unset. */
struct node *graph_add(struct graph *graph, const struct op_info *op, uint32_t inputs, struct value *const *input);
/* The same by the op's name, which must exist. */
struct node *graph_add_named(struct graph *graph, const char *op, uint32_t inputs, struct value *const *input);
/* Like graph_add, before or after `place` in the order. */
struct node *graph_insert_before(struct graph *graph, struct node *place, const struct op_info *op, uint32_t inputs,
                                 struct value *const *input);
struct node *graph_insert_after(struct graph *graph, struct node *place, const struct op_info *op, uint32_t inputs,
                                struct value *const *input);
void graph_remove(struct graph *graph, struct node *node); /* its outputs must be unused */
void graph_replace_uses(struct graph *graph, struct value *old, struct value *by); /* results too */
size_t graph_count_uses(const struct graph *graph, const struct value *value);     /* results count */
struct graph *graph_clone(struct arena *arena, const struct graph *graph, const char *name);
void graph_name_value(struct graph *graph, struct value *value, const char *name); /* made unique by a suffix */
void graph_add_result(struct graph *graph, enum result_role role, const char *name, struct value *value);
/* The first result with this role, or NULL. */
const struct result *graph_result(const struct graph *graph, enum result_role role);
const char *result_role_name(enum result_role role);
bool op_is(const struct node *node, const char *name);
const struct attr *node_attr(const struct node *node, const char *name); /* asserts that the op has it */
/* The attribute's value or its default. */
int64_t node_int(const struct node *node, const char *name);
double node_float(const struct node *node, const char *name);
void node_set_int(struct node *node, const char *name, int64_t value); /* INT, BOOL, ENUM */
void node_set_word(struct node *node, const char *name, const char *word); /* ENUM; one of its words */
void node_set_float(struct node *node, const char *name, double value);
void node_set_string(struct graph *graph, struct node *node, const char *name, const char *value);
void node_set_ints(struct graph *graph, struct node *node, const char *name, uint32_t count, const int64_t *value);
void node_set_floats(struct graph *graph, struct node *node, const char *name, uint32_t count, const double *value);
/* Copies every attribute that is set in `from` and that the op of `to` has under the same name. */
void node_copy_attrs(struct node *to, const struct node *from);
bool attr_equal(const struct attr_info *info, const struct attr *a, const struct attr *b);
/* ENUM: the word with this index (not NUL-terminated; its length in *length), NULL past the last. */
const char *attr_word(const struct attr_info *info, int64_t index, size_t *length);
/* The index of a word, -1: not one of them. */
int64_t attr_word_index(const struct attr_info *info, const char *word, size_t length);
bool type_equal(const struct tensor_type *a, const struct tensor_type *b);
/* Elements of one example (dims after N), or of the whole tensor when it has no N; -1 on overflow. */
int64_t type_elements(const struct tensor_type *type);
void type_print(const struct tensor_type *type, struct text *out);          /* f32[N, 10] */
void type_print_example(const struct tensor_type *type, struct text *out);  /* [10]: as the .net file says it */

/* print.c, parse.c, verify.c */
void graph_print(const struct graph *graph, struct text *out);
void graph_print_node(const struct node *node, struct text *out); /* its line, without indentation and line end */
/* NULL after errors. print(parse(print(g))) == print(g). */
struct graph *graph_parse(struct arena *arena, struct diag_list *diags, const struct op_set *ops, uint32_t file);
/* Names unique, values defined before use, arity, attributes known, batch dims, no use of a value behind the node that
 * overwrites it; types against the shape rules are checked by the pass runner. Reports into diags. */
bool graph_verify(const struct graph *graph, struct diag_list *diags);

#endif
