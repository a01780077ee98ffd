/* The model ABI: what a compiled network is. Standalone, read-only, versioned.
 *
 * The JIT, the interpreter and a native object all produce one `struct xent_model`; the trainer cannot tell which.
 * Generated code calls nothing but the barrier that it is given. All memory of a run is one arena of `arena_bytes`,
 * allocated by the caller, zeroed, aligned to `arena_align`: first the state (parameters and optimizer state, at the
 * same offsets for every entry), then scratch that every entry uses anew.
 *
 * Threads: an entry is run by `threads` threads at once, each calling `run` with its own number; they meet at
 * call->barrier. With one thread the barrier is never called. The bits of the result do not depend on `threads`. */
#ifndef XENT_MODEL_H
#define XENT_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XENT_ABI_VERSION 1u
enum { XENT_MAX_RANK = 6, XENT_MAX_DIGITS = 10, XENT_MAX_DATA = 8, XENT_MAX_SCALARS = 16 };

enum xent_dtype { XENT_F32 = 0, XENT_I32 = 1, XENT_U8 = 2 };

enum xent_role {
    XENT_ROLE_PARAMETER = 0,  /* in the state; saved and loaded */
    XENT_ROLE_OPTIMIZER = 1,  /* in the state, starts as zero: momentum */
    XENT_ROLE_OUTPUT = 2,     /* [N, ...] an `output` of the model */
    XENT_ROLE_LOSS = 3,       /* [] mean or summed loss of the batch's live examples (step) */
    XENT_ROLE_EXAMPLE_LOSS = 4,   /* [N] loss of each example, not yet divided (eval) */
    XENT_ROLE_EXAMPLE_WEIGHT = 5, /* [N] what each example adds to the divisor of `mean` (eval) */
    XENT_ROLE_METRIC = 6,     /* [N] i32: 1 where the metric counts the example (eval) */
    XENT_ROLE_INPUT_GRADIENT = 7, /* [N, ...] gradient of the summed loss over an f32 input (gradient) */
    XENT_ROLE_LOGITS = 8,     /* [N, C] what the loss takes as logits, where that is no `output` itself */
};

/* One digit of an address: ((index[dim] / div) % mod) * stride elements; mod 0: no modulus. An element's place is the
 * sum of its digits, so padding, tiles and transposed layouts are all visible here. */
struct xent_digit {
    uint32_t dim, div, mod, reserved;
    int64_t stride;
};

struct xent_tensor {
    const char *name;     /* "l1.weight" (PyTorch's state_dict name), "l1.weight.momentum", or the source's name */
    uint32_t role, dtype; /* enum xent_role, enum xent_dtype */
    uint32_t rank, digits;
    int64_t shape[XENT_MAX_RANK]; /* logical, row-major; a batch dimension is the entry's capacity */
    struct xent_digit digit[XENT_MAX_DIGITS];
    uint64_t offset, bytes; /* in the arena */
    float init_bound;       /* parameters start uniform in [-bound, bound) (PyTorch: 1/sqrt(fan-in)) */
    uint32_t init_stream;   /* which stream of the generator draws them: the parameter's number */
};

/* What the data set must deliver; index in xent_call.data. */
struct xent_feed {
    const char *name;              /* "image", "digit", "pick" */
    uint32_t kind;                 /* enum xent_feed_kind */
    uint32_t dtype;                /* enum xent_dtype; a class target is i32 */
    uint32_t rank;                 /* of one example */
    uint32_t classes;              /* target: C of class[C] or prob[C]; else 0 */
    int64_t shape[XENT_MAX_RANK];  /* of one example: [1, 28, 28]; a class target has rank 0 */
    int32_t ignore_index;          /* class target: this value is allowed outside [0, classes) */
    uint32_t reserved;
};
enum xent_feed_kind {
    XENT_FEED_INPUT = 0,        /* all examples of a data set, dense rows, dtype elements */
    XENT_FEED_CLASS_TARGET = 1, /* i32 per example */
    XENT_FEED_PROB_TARGET = 2,  /* f32[C] per example */
    XENT_FEED_PICK = 3,         /* i32[capacity]: which example each lane reads; lanes >= live need a valid index */
};

/* Scalars that change from call to call; index in xent_call.scalar, by name in xent_entry.scalars. */
union xent_scalar {
    float f;
    int32_t i;
};

struct xent_call {
    void *arena;
    const void *data[XENT_MAX_DATA];              /* in the order of xent_model.feeds */
    union xent_scalar scalar[XENT_MAX_SCALARS];   /* in the order of xent_entry.scalar_names */
    void (*barrier)(void *barrier_context, uint32_t thread); /* all threads of this call meet */
    void *barrier_context;
};

struct xent_entry {
    const char *name; /* "forward", "eval", "gradient", "step" */
    void (*run)(const struct xent_entry *self, const struct xent_call *call, uint32_t thread, uint32_t threads);
    const void *context; /* the interpreter's; NULL for machine code */
    uint32_t capacity;   /* N: lanes of a batch; the number of examples in it is the scalar "live" <= `batch` */
    uint32_t batch;
    uint32_t scalars;
    uint32_t tensors;
    const char *const *scalar_names; /* "live" (i32), step also "lr", "momentum", "dampening", "weight_decay" (f32),
                                        "first" (i32, 1 in the very first step) */
    const struct xent_tensor *tensor; /* what this entry writes for its caller: outputs, losses, metrics */
    uint64_t flops;                   /* dense floating-point operations of one full call; fma counts two */
};

enum xent_reduction { XENT_REDUCE_MEAN = 0, XENT_REDUCE_SUM = 1, XENT_REDUCE_NONE = 2 };

struct xent_model {
    uint32_t abi_version; /* XENT_ABI_VERSION */
    uint32_t size;        /* sizeof(struct xent_model) */
    const char *name;
    uint64_t arena_bytes, arena_align;
    uint32_t feeds, states, entries;
    uint32_t reduction; /* enum xent_reduction of the loss; 0xffffffff: the model has no loss */
    const struct xent_feed *feed;
    const struct xent_tensor *state; /* parameters in the source's order, then optimizer state */
    const struct xent_entry *entry;
};

#ifdef __cplusplus
}
#endif
#endif
