/* Applies a schedule: kernel → loop nest.
 *
 * Consecutive stores over one index space share a nest of loops over tiles (loops_tile.c). A tile that does not divide
 * its extent leaves an edge: the same code with fewer rows or lanes. */
#include "loops_tile.h"

#include <string.h>

static bool is_named(const char *name, const char *wanted)
{
    return wanted && strcmp(name, wanted) == 0;
}

/* ---- the loops ---- */

static void open_level(struct builder *b, struct nest *nest, uint32_t level);

static void enter_tile(struct builder *b, struct nest *nest, uint32_t level, struct laffine base, int64_t count)
{
    struct tile_index *t = &nest->bound[level];
    t->base = base;
    t->count = count;
    if (level + 1 < nest->rank)
        tile_hoist(b, nest, level + 1);
    open_level(b, nest, level + 1);
}

/* A tile whose number is known: if (number < whole) a whole one, else the edge. */
static void enter_either(struct builder *b, struct nest *nest, uint32_t level)
{
    int64_t tile = nest->tile[level], extent = nest->index[level]->extent, whole = extent / tile;
    struct laffine base = affine_scale(b, &nest->number[level], tile);
    if (extent % tile == 0) {
        enter_tile(b, nest, level, base, tile);
        return;
    }
    const struct lvalue *is_whole = value_binary(b, KX_LT, KT_BOOL, value_integer(b, &nest->number[level]),
                                                 value_i32(b, (int32_t)whole));
    struct frame branch = branch_open(b, is_whole);
    enter_tile(b, nest, level, base, tile);
    branch_otherwise(b, &branch);
    enter_tile(b, nest, level, affine_constant(whole * tile), extent % tile);
    branch_close(b, &branch);
}

/* Vectors or rows of a tile. */
static int64_t pieces(const struct builder *b, const struct nest *nest, uint32_t level, int64_t tile)
{
    int64_t width = nest->bound[level].lanes ? (int64_t)b->lanes : 1;
    return (tile + width - 1) / width;
}

/* One loop over the tiles of all shared indices, the last one fastest. */
static void open_parallel(struct builder *b, struct nest *nest, uint32_t level)
{
    int64_t all = 1, behind = 1;
    for (uint32_t l = level; l < nest->rank; l++)
        all *= nest->shared[l] ? nest->tiles[l] : 1;
    struct laffine zero = affine_constant(0), end = affine_constant(all);
    const struct lterm *var = term_var(b, nest->index[level]->name, 0, all - 1);
    struct frame frame = loop_open(b, var, &zero, 1, &end, 1);
    frame.statement->parallel = true;
    if (nest->index[level]->extent % nest->tile[level]) { /* it is the slowest: its edge comes last */
        int64_t tile = nest->tile[level], edge = nest->index[level]->extent % tile;
        frame.statement->share =
            (struct lshare){all / nest->tiles[level], pieces(b, nest, level, edge), pieces(b, nest, level, tile)};
    }
    struct laffine number = affine_term(b, var, 1);
    for (uint32_t l = nest->rank; l-- > level;)
        if (nest->shared[l]) {
            struct laffine at = affine_div(b, &number, behind);
            nest->number[l] = affine_mod(b, &at, nest->tiles[l]);
            behind *= nest->tiles[l];
        }
    nest->open = true;
    enter_either(b, nest, level);
    nest->open = false;
    loop_close(b, &frame);
}

static void open_level(struct builder *b, struct nest *nest, uint32_t level)
{
    if (level == nest->rank) {
        tile_fill(b, nest);
        return;
    }
    const struct kindex *index = nest->index[level];
    int64_t tile = nest->tile[level], extent = index->extent, whole = extent / tile, edge = extent % tile;
    nest->bound[level].name = index->name;
    nest->bound[level].lanes = is_named(index->name, b->kernel->schedule.lanes);
    if (nest->shared[level]) {
        if (nest->open)
            enter_either(b, nest, level);
        else
            open_parallel(b, nest, level);
        return;
    }
    struct laffine zero = affine_constant(0);
    if (whole > 1) {
        const struct lterm *var = term_var(b, index->name, 0, whole - 1);
        struct laffine end = affine_constant(whole);
        struct frame frame = loop_open(b, var, &zero, 1, &end, 1);
        enter_tile(b, nest, level, affine_term(b, var, tile), tile);
        loop_close(b, &frame);
    } else if (whole == 1) {
        size_t mark = scope_open(b);
        enter_tile(b, nest, level, zero, tile);
        scope_close(b, mark);
    }
    if (edge) {
        size_t mark = scope_open(b);
        enter_tile(b, nest, level, affine_constant(whole * tile), edge);
        scope_close(b, mark);
    }
}

/* ---- a slice of the sum after the other ---- */

static void open_slice(struct builder *b, struct nest *nest, const struct slice *slice)
{
    size_t mark = scope_open(b);
    b->slice = slice;
    tile_hoist(b, nest, 0);
    open_level(b, nest, 0);
    b->slice = NULL;
    scope_close(b, mark);
}

/* Threads meet nowhere between: each has the same tiles in every slice. */
static void open_slices(struct builder *b, struct nest *nest, struct slice *slice)
{
    const struct kstatement *const *whole = nest->store;
    const struct kindex *index = slice->sum->reduce->index[0];
    struct kstatement partial = *whole[0]; /* the sum as it is */
    const struct kstatement *const store[] = {&partial};
    int64_t last = (index->extent - 1) / slice->size;
    partial.value = slice->sum;
    nest->store = store;
    slice->lo = affine_constant(0);
    slice->hi = affine_constant(slice->size);
    open_slice(b, nest, slice);
    slice->resumes = loops_slice_resumes(b->arena, whole[0]);
    if (last > 1) {
        const struct lterm *var = term_var(b, "slice", 1, last - 1);
        struct laffine first = affine_constant(1), end = affine_constant(last);
        struct frame frame = loop_open(b, var, &first, 1, &end, 1);
        slice->hi = slice->lo = affine_term(b, var, slice->size);
        slice->hi.constant += slice->size;
        open_slice(b, nest, slice);
        loop_close(b, &frame);
    }
    nest->store = whole;
    slice->lo = affine_constant(last * slice->size);
    slice->hi = affine_constant(index->extent);
    open_slice(b, nest, slice);
}

static void lower_nest(struct builder *b, const struct kstatement *const *store, uint32_t stores)
{
    if (loops_list(b, store[0]) || loops_in_groups(b, store, stores))
        return;
    const struct kschedule *schedule = &b->kernel->schedule;
    struct nest nest = {.store = store, .stores = stores, .rank = store[0]->rank};
    uint32_t order[KERNEL_MAX_RANK];
    loops_order(schedule, store[0], order);
    bool parallel = false;
    for (uint32_t l = 0; l < nest.rank; l++) {
        const struct kindex *index = nest.index[l] = store[0]->index[order[l]];
        int64_t tile = loops_size_named(schedule->tile.at, schedule->tile.count, index->name, 0), room = index->extent;
        if (is_named(index->name, schedule->lanes)) {
            room = (room + b->lanes - 1) / b->lanes * b->lanes;
            tile = (tile + b->lanes - 1) / b->lanes * b->lanes;
            if (tile == 0)
                tile = b->lanes;
        }
        nest.tile[l] = tile < 1 ? 1 : tile > room ? room : tile;
        nest.tiles[l] = (index->extent + nest.tile[l] - 1) / nest.tile[l];
        nest.shared[l] = nest.tiles[l] > 1 && loops_shares(b, index);
        parallel |= nest.shared[l];
    }
    struct lblock *outer = b->block;
    struct slice slice;
    size_t mark = scope_open(b);
    if (!parallel)
        b->block = &loops_emit(b, LS_ONCE)->body;
    if (loops_find_slice(&b->kernel->schedule, store, stores, &slice)) {
        open_slices(b, &nest, &slice);
    } else {
        tile_hoist(b, &nest, 0);
        open_level(b, &nest, 0);
    }
    scope_close(b, mark);
    b->block = outer;
}

struct lkernel *kernel_to_loops(struct arena *arena, const struct kprogram *program, const struct kernel *kernel,
                                const struct ktarget *target)
{
    struct lkernel *out = ARENA_NEW(arena, struct lkernel);
    out->kernel = kernel;
    out->lanes = schedule_width(&kernel->schedule, target);
    struct builder b = {.arena = arena, .program = program, .kernel = kernel, .target = target, .out = out,
                        .lanes = out->lanes, .block = &out->body,
                        .bucket = ARENA_ARRAY(arena, uint32_t, MEMO_BUCKETS),
                        .version = ARENA_ARRAY(arena, uint32_t, kernel->buffers.count + 1)};
    struct loops_nest *nest;
    uint32_t nests = loops_nests(arena, kernel, &nest);
    b.parallel = loops_are_independent(nest, nests); /* else one could read what another thread has not written yet */
    for (uint32_t i = 0; i < nests; i++)
        lower_nest(&b, nest[i].store, nest[i].stores);
    return out;
}
