/* What the families of ops share: declarations of all rules (expanded from ops.def), and helpers for shape and gradient
 * rules. Private to ops/. */
#ifndef XENT_OPS_RULES_H
#define XENT_OPS_RULES_H

#include "lower.h"
#include "ops.h"

#define OP(name, min, max, outputs, flags, doc, rules, ...) rules
#define SHAPE(f) bool f(struct graph *graph, struct node *node, struct diag_list *diags);
#define PARAMS(f) int f(const struct node *node, struct diag_list *diags, struct op_param out[2]);
#define GRADIENT(f) void f(struct gradient_context *g, const struct node *node);
#define LOWER(f) void f(struct lowering *l, const struct node *node);
#define FLOPS(f) int64_t f(const struct node *node, int64_t examples);
#define REFERENCE(f)                                                                                                   \
    void f(const struct node *node, const struct reference_tensor *const *in, struct reference_tensor *const *out,     \
           const struct reference_scalars *scalars);
#include "ops.def"
#undef OP
#undef SHAPE
#undef PARAMS
#undef GRADIENT
#undef LOWER
#undef FLOPS
#undef REFERENCE

/* ---- types ---- */
struct tensor_type type_make(enum dtype dtype, uint32_t rank, const int64_t *dim);
/* False, and an error about the node, when a dimension or the product is beyond what can be addressed. */
bool type_fits(const struct node *node, struct diag_list *diags, const struct tensor_type *type, const char *what);

/* ---- messages ---- */
/* "conv2", or "its input" for a value without a name of its own. */
const char *value_label(const struct value *value);
/* "[16, 4, 4]" */
const char *value_shape(struct diag_list *diags, const struct value *value);
void note_made(struct diag_list *diags, const struct value *value);

/* ---- checks: report and return false ---- */
bool need_f32(const struct node *node, uint32_t input, struct diag_list *diags);
bool need_vector(const struct node *node, uint32_t input, struct diag_list *diags); /* f32[N, K] */
bool need_image(const struct node *node, uint32_t input, struct diag_list *diags);  /* f32[N, C, H, W] */
bool need_type(const struct node *node, uint32_t input, const struct tensor_type *type, struct diag_list *diags);
/* A finite list of one number or one per channel (dimension 1 of the input). */
bool need_channel_list(const struct node *node, const char *name, struct diag_list *diags);

/* ---- attributes ---- */
/* The number of channel `c`: the list's only one or its c-th. */
double node_channel(const struct node *node, const char *name, int64_t c);

/* ---- windows of conv2d and max_pool2d ---- */
struct pair {
    int64_t y, x;
};
struct window {
    struct pair kernel, stride, padding;
};
/* INTS of one or two numbers as a pair; an absent list gives `standard`. */
struct pair node_pair(const struct node *node, const char *name, struct pair standard);
/* Count one or two, each in [least, most]. */
bool need_pair(const struct node *node, const char *name, int64_t least, int64_t most, struct diag_list *diags);
struct window node_window(const struct node *node);
bool need_window(const struct node *node, struct diag_list *diags, bool pooling);
/* height and width within what window_positions can take. */
bool need_extents(const struct node *node, struct diag_list *diags);
/* Positions of the window along an extent; 0 when it does not fit. */
int64_t window_positions(int64_t extent, int64_t kernel, int64_t stride, int64_t padding);

/* Input `input` is what nonzero_columns makes of the bytes behind x; nothing is padded. */
bool need_columns(const struct node *node, uint32_t input, const struct value *x, struct diag_list *diags);

/* The value is a max_pool2d's positions, and they fit into a byte. */
bool max_pool2d_small(const struct value *value);

/* ---- references of fully connected layers, with all inputs ---- */
/* y[m, n] = start[n] + sum over k of w[n, k] x[m, k]; start may be NULL: 0. */
void reference_linear(const struct reference_tensor *x, const struct reference_tensor *w,
                      const struct reference_tensor *start, struct reference_tensor *y);
/* dw[n, k] += sum over m of dy[m, n] x[m, k] */
void reference_linear_dw(const struct reference_tensor *dy, const struct reference_tensor *x,
                         struct reference_tensor *dw);

/* ---- gradients ---- */
/* Appends op(a, b) (b may be NULL) without a type; types follow from finish_node once attributes are set. */
struct node *grad_node(struct gradient_context *g, const struct node *of, const char *op, struct value *a,
                       struct value *b);
/* Runs the shape rule; returns output 0. */
struct value *finish_node(struct graph *graph, struct node *node);

#endif
