/* The pipeline: one table of passes, one loop that runs them, verifies, prints and times on request.
 *
 * Passes up to `fuse` rewrite the graph; `lower` makes the kernel program of it (batch size and target are known then);
 * the passes behind it rewrite the program. A pass never calls a pass, and deletes the nodes that it replaces. */
#ifndef XENT_PASS_H
#define XENT_PASS_H

#include "graph.h"
#include "kernel.h"
#include "ops.h"

/* What a compiled entry point is for; pass `select_entry`… see compiler/passes/passes.def. */
enum entry_kind {
    ENTRY_FORWARD,  /* outputs (and logits) */
    ENTRY_EVAL,     /* outputs, per-example losses and weights, metrics */
    ENTRY_GRADIENT, /* eval, and the gradient of the summed loss over every f32 input */
    ENTRY_STEP,     /* loss of the batch, gradients of the parameters, updates in place */
    ENTRY_COUNT
};

struct optimizer_config { /* from `train { optimizer = … }`: which terms exist; the numbers are scalars of the call */
    bool momentum, dampening, weight_decay, nesterov;
};

/* What the scheduler and the layouts may know of the machine. */
struct ktarget; /* kernel/schedule.h */
struct kschedule_file;

struct pass_context {
    struct arena *arena;
    struct diag_list *diags;
    enum entry_kind entry;
    struct optimizer_config optimizer;
    bool learns;                   /* one of the entries compiled together computes gradients */
    int64_t batch;                 /* examples of a batch; needed from `lower` on */
    const struct ktarget *target;  /* needed from `lower` on */
    struct kschedule_file *schedules; /* those that are not to be derived, or NULL; kernel/schedule.h */
    struct graph *graph;           /* the model's own graph at first */
    const struct graph *model;     /* that one, with every leaf in its order, once `select_entry` has left it */
    struct kprogram *program;      /* NULL before `lower` */
    struct lowered *lowered;       /* what the program reads and writes, see lowered.h; set by `lower` */
};

struct pass {
    const char *name, *doc, *needs; /* needs: name of a pass that must have run before, or NULL */
    bool on_program;
    /* Rewrites context->graph or ->program. False after reporting the user's mistakes; bugs assert. */
    bool (*run)(struct pass_context *context);
};

extern const struct pass pass_table[];
extern const size_t pass_count;
const struct pass *pass_named(const char *name);

/* Observes the pipeline; any member may be zero. */
struct pass_hooks {
    void *context;
    void (*after)(void *context, const struct pass *pass, const struct pass_context *state, bool changed,
                  double seconds);
    bool hurried; /* verify the graph before `lower` and what the last pass leaves, not everything between */
};

/* Runs `count` passes in order, verifying after each but in a hurry; stops behind `stop_after` (NULL: at the end). */
bool pass_run(struct pass_context *context, const struct pass *const *passes, size_t count, const char *stop_after,
              const struct pass_hooks *hooks);
/* The standard pipeline of context->entry, behind the pass `behind` (NULL: from its beginning). */
bool pass_run_all(struct pass_context *context, const char *behind, const char *stop_after,
                  const struct pass_hooks *hooks);

#endif
