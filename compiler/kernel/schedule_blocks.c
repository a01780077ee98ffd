/* Blocks of sums over the batch (loops_groups.c): how many elements' partial sums lie in scratch at a time, while
 * groups of 16 examples pass. Large blocks read a group's data from far away seldom; small ones keep them and the
 * partial sums in the second cache, and give every thread the same share. */
#include "schedule_internal.h"

enum { SCRATCH_BYTES = 1 << 19, GROUP_BYTES = KERNEL_TREE_GROUP * sizeof(float) };

static int64_t blocks_along(const struct dim *dim)
{
    return (dim->extent + dim->block - 1) / dim->block;
}

/* Cycles of the whole kernel, as the mean over some numbers of threads. */
static double block_cost(const struct survey *s, const struct ktarget *target, int64_t levels)
{
    int64_t elements = 1, blocks = 1, tiles = 1, run = 1, rows = 1;
    bool whole = true;
    for (uint32_t d = s->dims; d-- > 0;) {
        const struct dim *dim = &s->dim[d];
        if (!survey_is_index(s, d))
            continue;
        elements *= dim->block;
        blocks *= blocks_along(dim);
        tiles *= (dim->block + dim->tile - 1) / dim->tile;
        *(whole ? &run : &rows) *= dim->block;
        whole = whole && dim->block == dim->extent;
    }
    int64_t scratch = elements * GROUP_BYTES, bytes = survey_lines(s, true) * s->heaviest * GROUP_BYTES;
    if (scratch * levels > SCRATCH_BYTES)
        return -1;
    if (bytes + 2 * scratch > target->l2_bytes / 4 * 3) /* every tile's data come from far away */
        bytes = tiles * survey_lines(s, false) * s->heaviest * GROUP_BYTES;
    double groups = (double)(s->tree_extent + KERNEL_TREE_GROUP - 1) / KERNEL_TREE_GROUP;
    double sums = (double)(elements * s->heaviest) * KERNEL_TREE_GROUP / target->lanes;
    double ends = (double)(rows * ((run + target->lanes - 1) / target->lanes)) * 50;
    double block = (sums + (double)bytes / 16) * groups + ends + 100;
    return block * (double)split_shares(blocks, 8);
}

/* Sizes along one dim after the other: the tile, twice and four times as much and so on, the extent; in equal parts. */
static void try_blocks(struct survey *s, const struct ktarget *target, int64_t levels, uint32_t d, double *best,
                       int64_t *best_block)
{
    while (d < s->dims && !survey_is_index(s, d))
        d++;
    if (d == s->dims) {
        double cost = block_cost(s, target, levels);
        if (cost < 0 || (*best >= 0 && cost >= *best * 0.9999))
            return;
        *best = cost;
        for (uint32_t i = 0; i < s->dims; i++)
            best_block[i] = s->dim[i].block;
        return;
    }
    struct dim *dim = &s->dim[d];
    for (int64_t size = dim->tile, done = 0; !done; size *= 2) {
        done = size >= dim->extent;
        int64_t parts = done ? 1 : (dim->extent + size - 1) / size, even = (dim->extent + parts - 1) / parts;
        dim->block = done ? dim->extent : (even + dim->tile - 1) / dim->tile * dim->tile;
        try_blocks(s, target, levels, d + 1, best, best_block);
        if (s->slides >> d & 1 && !done) /* a row of a kernel or all of it */
            size = dim->extent;
    }
}

void schedule_blocks(struct survey *s, const struct ktarget *target, bool parallel, struct kschedule *out)
{
    int64_t levels = 1, block[MAX_DIMS];
    while (KERNEL_TREE_GROUP << (levels - 1) < s->tree_extent)
        levels++;
    for (uint32_t d = 0; d < s->dims; d++)
        block[d] = s->dim[d].tile;
    double best = -1;
    try_blocks(s, target, levels, 0, &best, block);
    for (uint32_t d = 0; d < s->dims; d++)
        if (survey_is_index(s, d) && block[d] < s->dim[d].extent) {
            vec_push(s->arena, &out->block, (struct ktile){s->dim[d].name, block[d]});
            if (parallel)
                vec_push(s->arena, &out->parallel, s->dim[d].name);
        }
    if (out->block.count == 0) /* a single one */
        for (uint32_t d = 0; d < s->dims && out->block.count == 0; d++)
            if (survey_is_index(s, d))
                vec_push(s->arena, &out->block, (struct ktile){s->dim[d].name, s->dim[d].extent});
    /* loops over tiles: what slides innermost, around it the dim with the smallest tile, whose data take least room */
    uint32_t placed = 0;
    for (;;) {
        int next = -1;
        for (uint32_t d = 0; d < s->dims; d++) {
            uint32_t slides = s->slides >> d & 1;
            if (!survey_is_index(s, d) || placed >> d & 1)
                continue;
            if (next < 0 || slides < (s->slides >> next & 1) ||
                (slides == (s->slides >> next & 1) && s->dim[d].tile > s->dim[next].tile && !slides))
                next = (int)d;
        }
        if (next < 0)
            return;
        placed |= 1u << next;
        vec_push(s->arena, &out->order, s->dim[next].name);
    }
}
