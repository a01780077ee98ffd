/* What the loops over a nest's tiles and the tile inside them share. */
#ifndef XENT_LOOPS_TILE_H
#define XENT_LOOPS_TILE_H

#include "loops_internal.h"

struct nest {
    const struct kstatement *const *store;
    uint32_t stores, rank;
    const struct kindex *index[KERNEL_MAX_RANK]; /* of the first store, loops outside in */
    int64_t tile[KERNEL_MAX_RANK], tiles[KERNEL_MAX_RANK];
    bool shared[KERNEL_MAX_RANK];           /* its tiles are split over the threads */
    struct laffine number[KERNEL_MAX_RANK]; /* of a shared index: the tile's, once the parallel loop is open */
    bool open;                              /* it is */
    struct tile_index bound[KERNEL_MAX_RANK];
};

/* Computes what the outer `levels` loops determine, the innermost just opened: it is found again inside. */
void tile_hoist(struct builder *b, const struct nest *nest, uint32_t levels);
/* The stores of a tile, with all loops open. */
void tile_fill(struct builder *b, const struct nest *nest);

#endif
