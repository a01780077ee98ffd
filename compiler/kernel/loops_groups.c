/* Nests whose one sum over the batch, with the batch in the lanes, is made block by block: around all the tiles of a
 * block runs the loop over groups of 16 examples, so that what a group reads stays in the cache while every tile of the
 * block uses it. Partial sums lie in scratch, where a binary counter joins them; behind the last group the sums of
 * neighbouring elements are folded into one vector, and the stores happen as many at a time as there are lanes. */
#include "loops_blocks.h"

static void sum_tile(struct builder *b, struct blocks *n)
{
    uint32_t count = 1;
    for (uint32_t d = 0; d < n->rank; d++)
        count *= (uint32_t)n->dim[d].count;
    struct point *point = ARENA_ARRAY(b->arena, struct point, count);
    struct laffine *element = ARENA_ARRAY(b->arena, struct laffine, count);
    for (uint32_t i = 0; i < count; i++) {
        point[i].valid = b->lanes;
        uint32_t rest = i;
        for (uint32_t d = n->rank; d-- > 0;) {
            const struct block_dim *dim = &n->dim[d];
            struct laffine within = dim->within;
            struct lindex to = {.base = dim->at};
            within.constant += rest % dim->count;
            to.base.constant += rest % dim->count;
            rest /= (uint32_t)dim->count;
            point[i].env = env_index(b, point[i].env, n->reducing->index[d], to);
            element[i] = affine_add(b, &element[i], &within, dim->scratch);
        }
    }
    b->groups->element = element;
    eval_reductions(b, n->reducing->value, count, point);
}

static const struct lvalue *is_last_block(struct builder *b, const struct block_dim *dim)
{
    return value_binary(b, KX_EQ, KT_BOOL, value_integer(b, &dim->base),
                        value_i32(b, (int32_t)((dim->blocks - 1) * dim->size)));
}

/* Elements of the last block along a dim, and tiles of this one: bounds of a loop. */
static int64_t last_size(const struct block_dim *dim)
{
    return dim->extent - (dim->blocks - 1) * dim->size;
}

static uint32_t block_bounds(struct builder *b, const struct block_dim *dim, int64_t tile, struct laffine out[2])
{
    out[0] = affine_constant(dim->size / tile);
    if (last_size(dim) == dim->size)
        return 1;
    struct laffine left = affine_scale(b, &dim->base, -1);
    left.constant += dim->extent;
    out[1] = affine_div(b, &left, tile);
    return 2;
}

static void open_tiles(struct builder *b, struct blocks *n, uint32_t level);

static void enter_tile(struct builder *b, struct blocks *n, uint32_t level, struct laffine within, int64_t count)
{
    struct block_dim *dim = &n->dim[n->order[level]];
    dim->count = count;
    dim->within = within;
    dim->at = affine_add(b, &dim->base, &within, 1);
    if (affine_most(&dim->at) > dim->extent - count) /* the last block is smaller, which ranges do not know */
        dim->at = affine_term(b, term_value(b, value_integer(b, &dim->at), 0, dim->extent - count), 1);
    open_tiles(b, n, level + 1);
}

static void open_tiles(struct builder *b, struct blocks *n, uint32_t level)
{
    if (level == n->rank) {
        sum_tile(b, n);
        return;
    }
    struct block_dim *dim = &n->dim[n->order[level]];
    int64_t edge = last_size(dim) % dim->tile;
    struct laffine zero = affine_constant(0), base = dim->base;
    size_t mark = scope_open(b);
    if (dim->blocks == 1 && dim->size / dim->tile == 1) {
        enter_tile(b, n, level, zero, dim->tile);
    } else {
        const struct lterm *var = term_var(b, dim->name, 0, dim->size / dim->tile - 1);
        struct laffine end[2];
        uint32_t ends = block_bounds(b, dim, dim->tile, end);
        struct frame frame = loop_open(b, var, &zero, 1, end, ends);
        enter_tile(b, n, level, affine_term(b, var, dim->tile), dim->tile);
        loop_close(b, &frame);
    }
    scope_close(b, mark);
    if (!edge)
        return;
    struct frame last = {0};
    if (dim->blocks > 1) {
        last = branch_open(b, is_last_block(b, dim));
        dim->base = affine_constant(dim->extent - last_size(dim));
    }
    mark = scope_open(b);
    enter_tile(b, n, level, affine_constant(last_size(dim) - edge), edge);
    scope_close(b, mark);
    if (dim->blocks > 1)
        branch_close(b, &last);
    dim->base = base;
}

/* ---- behind the last group ---- */

/* One vector of neighbours: `first` counts the last dim's elements from the block's beginning along the split one. */
static void store_vector(struct builder *b, struct blocks *n, const struct laffine *first, uint32_t valid)
{
    const struct block_dim *split = &n->dim[n->split];
    struct tile_index index[KERNEL_MAX_RANK];
    struct laffine element = *first, flat = affine_scale(b, &split->base, split->scratch);
    flat = affine_add(b, &flat, first, 1);
    for (uint32_t d = 0; d < n->rank; d++) {
        const struct block_dim *dim = &n->dim[d];
        struct laffine here = affine_constant(0);
        if (d < n->split) {
            here = affine_add(b, &dim->base, &dim->within, 1);
            element = affine_add(b, &element, &dim->within, dim->scratch);
        }
        index[d] = (struct tile_index){.name = dim->name, .base = d + 1 < n->rank ? here : flat, .count = 1};
    }
    index[n->rank - 1].count = valid;
    index[n->rank - 1].lanes = index[n->rank - 1].within = true;
    struct point point = {.valid = valid};
    for (uint32_t s = 0; s < n->stores; s++)
        for (uint32_t d = 0; d < n->rank; d++) {
            struct lindex to = {.base = index[d].base, .lane = index[d].lanes};
            point.env = env_index(b, point.env, n->store[s]->index[d], to);
        }
    b->groups->finished = groups_folded(b, &element);
    loops_store_point(b, n->store, n->stores, &point, index);
    b->groups->finished = NULL;
}

/* `elements` neighbours, whole vectors and the rest. */
static void store_run(struct builder *b, struct blocks *n, int64_t elements)
{
    int64_t whole = elements / b->lanes;
    if (whole) {
        const struct lterm *var = term_var(b, "vector", 0, whole - 1);
        struct laffine zero = affine_constant(0), end = affine_constant(whole), first = affine_term(b, var, b->lanes);
        struct frame frame = loop_open(b, var, &zero, 1, &end, 1);
        store_vector(b, n, &first, b->lanes);
        loop_close(b, &frame);
    }
    if (elements % b->lanes) {
        size_t mark = scope_open(b);
        struct laffine first = affine_constant(whole * b->lanes);
        store_vector(b, n, &first, (uint32_t)(elements % b->lanes));
        scope_close(b, mark);
    }
}

static void store_block(struct builder *b, struct blocks *n, uint32_t d)
{
    struct block_dim *dim = &n->dim[d];
    if (d < n->split) {
        const struct lterm *var = term_var(b, dim->name, 0, dim->size - 1);
        struct laffine zero = affine_constant(0), end[2];
        uint32_t ends = block_bounds(b, dim, 1, end);
        struct frame frame = loop_open(b, var, &zero, 1, end, ends);
        dim->within = affine_term(b, var, 1);
        store_block(b, n, d + 1);
        loop_close(b, &frame);
        return;
    }
    if (last_size(dim) == dim->size) {
        store_run(b, n, dim->size * dim->scratch);
        return;
    }
    struct frame branch = branch_open(b, is_last_block(b, dim));
    store_run(b, n, last_size(dim) * dim->scratch);
    branch_otherwise(b, &branch);
    store_run(b, n, dim->size * dim->scratch);
    branch_close(b, &branch);
}

/* ---- a block ---- */

static void fill_block(struct builder *b, struct blocks *n)
{
    struct group_sums *g = b->groups;
    struct laffine zero = affine_constant(0);
    g->group = g->joins = zero;
    if (g->levels == 1) {
        open_tiles(b, n, 0);
    } else {
        const struct lterm *var = term_var(b, "group", 0, ((int64_t)1 << (g->levels - 1)) - 1);
        struct frame frame = loop_open(b, var, &zero, 1, &g->present, 1);
        g->group = affine_term(b, var, 1);
        g->joins = groups_joins(b, g);
        open_tiles(b, n, 0);
        loop_close(b, &frame);
    }
    store_block(b, n, 0);
}

bool loops_in_groups(struct builder *b, const struct kstatement *const *store, uint32_t stores)
{
    struct blocks n;
    if (!blocks_find(b, store, stores, &n))
        return false;
    struct group_sums sums = groups_new(b, &n);
    int64_t blocks = 1;
    for (uint32_t d = 0; d < n.rank; d++)
        blocks *= n.dim[d].blocks;
    bool parallel = b->parallel && b->kernel->schedule.parallel.count && blocks > 1;
    struct lblock *outer = b->block;
    size_t mark = scope_open(b);
    if (!parallel)
        b->block = &loops_emit(b, LS_ONCE)->body;
    b->groups = &sums;
    const struct lterm *var = term_var(b, "block", 0, blocks - 1);
    struct laffine number = affine_term(b, var, 1), zero = affine_constant(0), end = affine_constant(blocks);
    struct frame frame = loop_open(b, var, &zero, 1, &end, 1);
    frame.statement->parallel = parallel;
    for (uint32_t d = n.rank; d-- > 0;) {
        struct laffine coordinate = affine_mod(b, &number, n.dim[d].blocks);
        n.dim[d].base = n.dim[d].blocks == 1 ? zero : affine_scale(b, &coordinate, n.dim[d].size);
        number = affine_div(b, &number, n.dim[d].blocks);
    }
    fill_block(b, &n);
    loop_close(b, &frame);
    b->groups = NULL;
    scope_close(b, mark);
    b->block = outer;
    return true;
}
