/* The op table: every fact about an op in its row of ops.def, its rules (shape, gradient, lowering, reference) together
 * in its family's file. Adding an op: a row, its rules, an oracle in tests/ops. */
#ifndef XENT_OPS_H
#define XENT_OPS_H

#include "graph.h"
#include "kernel.h"

/* ---- shape: sets the types of the node's outputs from its inputs and attributes, or reports and returns false.
 * Messages name both shapes and, by a note, the line that made the input. `params`: for source ops with parameters the
 * builder asks which they are. */
struct op_param {
    const char *name; /* "weight", "bias" */
    struct tensor_type type;
    double bound; /* initial values uniform in [-bound, bound): PyTorch's default */
};
typedef bool (*op_shape_rule)(struct graph *graph, struct node *node, struct diag_list *diags);
/* Parameters a source op wants, given its data inputs (inputs[0]...) and attributes; they become further inputs, in
 * this order. Called before the shape rule. Returns the count (0..2), or -1 after reporting an error. */
typedef int (*op_params_rule)(const struct node *node, struct diag_list *diags, struct op_param out[2]);

/* ---- gradient: given the gradients of the outputs (NULL where none flows), appends nodes that compute the gradients
 * of the inputs to `g->graph` and stores them in out[]; inputs that need none (g->needs) may be skipped. */
struct gradient_context {
    struct graph *graph;
    const bool *needs;               /* per input of the node */
    struct value *const *out_gradient; /* per output */
    struct value **in_gradient;      /* result, per input; NULL: none */
};
typedef void (*op_gradient_rule)(struct gradient_context *g, const struct node *node);

/* ---- lowering: see lower.h */
struct lowering;
typedef void (*op_lower_rule)(struct lowering *lowering, const struct node *node);

/* ---- reference: double precision, libm, plain loops, on the graph before any rewrite; shares nothing with kernels. */
struct reference_tensor {
    struct tensor_type type;
    int64_t dim[GRAPH_MAX_RANK]; /* N replaced by the number of examples */
    int64_t elements;
    double *data; /* classes as numbers */
};
/* What changes from step to step; read by updates only. */
struct reference_scalars {
    double lr, momentum, dampening, weight_decay;
    bool first; /* the very first step */
};
typedef void (*op_reference_rule)(const struct node *node, const struct reference_tensor *const *in,
                                  struct reference_tensor *const *out, const struct reference_scalars *scalars);

/* Dense floating-point operations for so many examples; an fma counts two. */
typedef int64_t (*op_flops_rule)(const struct node *node, int64_t examples);

struct op {
    struct op_info info;
    op_shape_rule shape;
    op_params_rule params;      /* NULL: no parameters */
    op_gradient_rule gradient;  /* grad_none where not differentiable, never NULL */
    op_lower_rule lower;        /* NULL for leaves and views */
    op_flops_rule flops;        /* NULL: one per element of output 0 (none for leaves and views); see op_flops */
    op_reference_rule reference;
};

const struct op_set *op_set(void);
const struct op *op_of(const struct node *node);
const struct op *op_named(const char *name);
void grad_none(struct gradient_context *g, const struct node *node);
int64_t op_flops(const struct node *node, int64_t examples);

/* reference.c: evaluates a graph in double, node by node, through the ops' reference rules. Leaves (input, target,
 * param) are bound by name. Gradients come from running `autodiff` on the un-rewritten graph first: gradient ops have
 * reference rules too. Results are malloc'ed by the evaluation and freed with it. */
struct reference_binding {
    const char *name;     /* of the leaf */
    const double *data;   /* [examples, ...] or the parameter's shape, row-major */
};
struct reference;
/* NULL: out of memory. `examples` is what N stands for. `scalars` may be NULL where the graph has no updates. A leaf
 * without a binding is zero. */
struct reference *reference_run(const struct graph *graph, int64_t examples, const struct reference_binding *bindings,
                                size_t count, const struct reference_scalars *scalars);
const struct reference_tensor *reference_value(const struct reference *reference, const struct value *value);
void reference_destroy(struct reference *reference);

#endif
