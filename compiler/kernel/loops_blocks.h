/* What the files of the lowering of nests in blocks share (see loops_groups.c). */
#ifndef XENT_LOOPS_BLOCKS_H
#define XENT_LOOPS_BLOCKS_H

#include "loops_internal.h"

/* ---- loops_blocks.c ---- */
struct block_dim {
    const char *name;
    int64_t extent, tile, size, blocks; /* size: of a block, a multiple of the tile or the extent */
    int64_t scratch;                    /* from one element to the next in scratch, in elements */
    struct laffine base;                /* first element of the block */
    struct laffine within, at;          /* first element of the tile, seen from there and from the beginning */
    int64_t count;                      /* elements of the tile */
};

struct blocks {
    const struct kstatement *const *store;
    const struct kstatement *reducing; /* a store whose value has the sum in it */
    const struct kexpr *sum;           /* KX_REDUCE */
    uint32_t stores, rank, split;      /* split: from this dim on a block's elements lie side by side everywhere */
    struct block_dim dim[KERNEL_MAX_RANK];
    uint32_t order[KERNEL_MAX_RANK]; /* loops over tiles, outside in */
    int64_t elements;                /* of a block */
};

/* Whether the nest is made in blocks, and in which ones. */
bool blocks_find(struct builder *b, const struct kstatement *const *store, uint32_t stores, struct blocks *out);

/* ---- loops_partials.c ---- */
/* What reduce_tree does with the nest's sum instead of summing over the whole batch. */
struct group_sums {
    const struct kreduce *reduce;
    const struct llocal *local;
    enum ktype type;
    int64_t elements;              /* of a level in scratch */
    uint32_t levels;               /* of the tree; the pending sum of level l lies in slot l */
    struct laffine group, present; /* this group's number; how many there are */
    struct laffine joins;          /* pending sums that this group's joins, and the level where it then is pending */
    const struct laffine *element; /* of each point, in scratch */
    const struct lvalue *finished; /* not NULL: the sums of a vector of elements */
};

/* Sums in new scratch. */
struct group_sums groups_new(struct builder *b, const struct blocks *n);
/* How many pending sums this group's joins: as many as its number has ones at its end. */
struct laffine groups_joins(struct builder *b, const struct group_sums *g);
/* All that is pending of one vector of elements, from the lowest level on, folded. */
const struct lvalue *groups_folded(struct builder *b, const struct laffine *element);

#endif
