/* What a lowered entry reads and writes, for whoever makes a `struct xent_model` of several entries of one model. Feeds
 * and states are the model's own, the same for each entry; the entry that has an optimizer has its states too. Lives in
 * the arena of the program. */
#ifndef XENT_LOWERED_H
#define XENT_LOWERED_H

#include "graph.h"
#include "kernel.h"

struct lowered_feed { /* in the order of slots; the last one is "pick" */
    const char *name;
    const struct kvar *var;
    const struct tensor_type *type; /* of the leaf; NULL: pick, i32[capacity] */
    int32_t ignore_index;           /* of a class target: what the loss leaves out */
};

struct lowered_state {
    const char *name;      /* "l1.weight", "l1.weight.momentum" */
    const struct kvar *var; /* logical order is the kernel's: [out, in] */
    bool optimizer;         /* starts as zero; else uniform in [-bound, bound) from stream `stream` */
    double bound;
    uint32_t stream; /* the parameter's number */
};

struct lowered_result {
    enum result_role role;
    const char *name;
    const struct kvar *var;
    const struct tensor_type *type;
    /* As the caller sees it: the batch first, N replaced by the capacity. */
    uint32_t rank;
    int64_t shape[KERNEL_MAX_RANK];
    struct klayout layout;
};

struct lowered_view { /* `var` is the memory of `root` in another shape */
    const struct kvar *var, *root;
};

/* lower_plan.c: what lies in the lanes of vectors, decided once for a model and a batch, so that all its entries agree
 * on where the state lies. */
struct layout_plan {
    bool features;          /* else the batch */
    int64_t lanes, vectors; /* of features: so many vectors make the widest tile */
    int64_t zeros_panel;    /* outputs side by side of a layer that leaves out zeros */
    int64_t panel;          /* examples side by side in images, with the batch in the lanes */
    int64_t capacity;       /* places for examples: whole vectors of them, with the batch in the lanes */
    const char *why;        /* for the program's text; NULL where there was nothing to choose */
};
struct pass_context;
struct layout_plan lower_plan(const struct pass_context *context);

/* skip_zeros.c: whether the step leaves out the terms of this layer's products in which its input is 0, and all entries
 * keep its weight with the outputs innermost. */
bool lower_skips_zeros(const struct pass_context *context, const char *weight);

struct lowered {
    int64_t batch, capacity; /* the scalar live is at most `batch` <= capacity */
    struct layout_plan plan;
    int64_t state_bytes;     /* at the beginning of the arena, the same in every entry of the model */
    VEC(struct lowered_feed) feeds;
    VEC(struct lowered_state) states;
    VEC(struct lowered_result) results;
    VEC(struct lowered_view) views;
};

/* lower_layout.c: where the elements of values lie. */
enum { LOWER_ALIGN = 64 };

/* Activations: lanes of the batch in panels; `image`: some view of the memory has more than one feature dimension,
 * `viewed`: there is another view than this. */
struct klayout lower_layout_batch(uint32_t rank, const int64_t *extent, bool image, bool viewed, int64_t panel);
/* Weights, their gradients and momenta. */
struct klayout lower_layout_weight(uint32_t rank, const int64_t *extent);
/* Features side by side, `lanes` to a vector: the second operand of a weight gradient. */
struct klayout lower_layout_features(uint32_t rank, const int64_t *extent, uint32_t lanes);
/* With the features in the lanes: activations, an example after the other; images with the channels innermost, but
 * where other shapes see them too (`viewed`). */
struct klayout lower_layout_example(uint32_t rank, const int64_t *extent, bool viewed);
/* With the features in the lanes: weights [out, ...] and what has their shape, the outputs innermost in panels of a
 * tile's width, so that a tile reads one stream; */
struct klayout lower_layout_outputs(uint32_t rank, const int64_t *extent, const struct layout_plan *plan);
/* and the same weights with the inputs innermost, for the gradient over the layer's input. */
struct klayout lower_layout_inputs(uint32_t rank, const int64_t *extent);
/* Weights, and gradients over outputs, of layers that leave out zeros: any input's, or example's, outputs in a row, in
 * panels of a tile's width, so that the lines between those that a tile reads are its own. */
struct klayout lower_layout_zeros(uint32_t rank, const int64_t *extent, const struct layout_plan *plan);
/* Bytes to set aside for a buffer: a vector register's width beyond its end may be touched. */
int64_t lower_bytes(const struct kvar *var);

#endif
