/* Applies a schedule: kernel → loop nest.
 *
 * Consecutive stores over one index space share a nest of loops over tiles; a tile is evaluated point by point with
 * everything that points have in common computed once (loops_eval.c). A tile that does not divide its extent leaves an
 * edge: the same code with fewer rows or lanes. Values that do not depend on the inner loops (lets with reductions or
 * functions in them) are computed where the loops that they need are open. */
#include "loops_internal.h"

#include <string.h>

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

static bool is_named(const char *name, const char *wanted)
{
    return wanted && strcmp(name, wanted) == 0;
}

/* ---- values that belong further out ---- */

static bool is_heavy(const struct kexpr *expr)
{
    if (expr->op == KX_REDUCE || expr->op == KX_CALL)
        return true;
    if (expr->op == KX_POSITION || (expr->op == KX_LET && is_heavy(expr->let->value)))
        return true;
    for (uint32_t i = 0; i < expr->count; i++)
        if (is_heavy(expr->arg[i]))
            return true;
    return false;
}

/* Calls `found` for each let that expr needs whatever its data are, with arguments that are the nest's own indices. */
struct let_walk {
    struct builder *b;
    const struct nest *nest;
    uint32_t levels; /* loops open so far */
    const struct point *point;
    uint32_t points;
    const struct kbuffer *reads; /* only lets that read it; NULL: heavy ones */
    bool newest;                 /* only lets that need the newest loop */
};

static void walk_lets(const struct let_walk *w, const struct kexpr *expr);

static bool let_is_placed_here(const struct let_walk *w, const struct kexpr *expr)
{
    bool newest = w->levels == 0;
    for (uint32_t i = 0; i < expr->count; i++) {
        if (expr->arg[i]->op != KX_INDEX)
            return false;
        uint32_t level = 0;
        while (level < w->levels && strcmp(w->nest->index[level]->name, expr->arg[i]->index->name) != 0)
            level++;
        if (level == w->levels)
            return false;
        newest |= level + 1 == w->levels;
    }
    return newest || !w->newest;
}

static void walk_lets(const struct let_walk *w, const struct kexpr *expr)
{
    struct builder *b = w->b;
    if (expr->op == KX_LET) {
        walk_lets(w, expr->let->value);
        bool wanted = w->reads ? loops_reads(expr->let->value, w->reads) : is_heavy(expr->let->value);
        if (wanted && let_is_placed_here(w, expr)) {
            const struct lvalue **unused = ARENA_ARRAY(b->arena, const struct lvalue *, w->points);
            struct point *p = ARENA_ARRAY(b->arena, struct point, w->points);
            for (uint32_t i = 0; i < w->points; i++) { /* the let's reference may name another store's indices */
                p[i] = w->point[i];
                for (uint32_t k = 0; k < expr->count; k++)
                    for (uint32_t l = 0; l < w->levels; l++)
                        if (strcmp(w->nest->index[l]->name, expr->arg[k]->index->name) == 0)
                            p[i].env = env_index(b, p[i].env, expr->arg[k]->index,
                                                 env_find(w->point[i].env, w->nest->index[l])->index);
            }
            eval(b, expr, w->points, p, unused);
        }
        return;
    }
    if (expr->op == KX_REDUCE) {
        bool hidden = expr->reduce->conditions > 0; /* terms may be absent, or an index means another one inside */
        for (uint32_t i = 0; i < expr->reduce->indices; i++)
            for (uint32_t l = 0; l < w->nest->rank; l++)
                hidden |= strcmp(expr->reduce->index[i]->name, w->nest->index[l]->name) == 0;
        if (expr->reduce->from)
            walk_lets(w, expr->reduce->from);
        if (!hidden)
            for (int i = 0; i < 2; i++)
                if (expr->reduce->term[i])
                    walk_lets(w, expr->reduce->term[i]);
        return;
    }
    uint32_t sure = expr->op == KX_WHERE || expr->op == KX_LAND || expr->op == KX_LOR ? 1 : expr->count;
    for (uint32_t i = 0; i < sure; i++)
        walk_lets(w, expr->arg[i]);
}

/* ---- points of the tile ---- */

static struct point *make_points(struct builder *b, const struct nest *nest, uint32_t levels, uint32_t *out_count)
{
    uint32_t count = 1, steps[KERNEL_MAX_RANK];
    for (uint32_t l = 0; l < levels; l++) {
        const struct tile_index *t = &nest->bound[l];
        steps[l] = (uint32_t)(t->lanes ? (t->count + b->lanes - 1) / b->lanes : t->count);
        count *= steps[l];
    }
    /* Vectors side by side come last: a row's factor is then needed in one register, for one row at a time. */
    uint32_t order[KERNEL_MAX_RANK], placed = 0;
    for (uint32_t lanes = 0; lanes < 2; lanes++)
        for (uint32_t l = 0; l < levels; l++)
            if (nest->bound[l].lanes == (lanes == 1))
                order[placed++] = l;
    struct point *point = ARENA_ARRAY(b->arena, struct point, count);
    for (uint32_t i = 0; i < count; i++) {
        point[i] = (struct point){.valid = b->lanes};
        uint32_t rest = i;
        for (uint32_t turn = levels; turn-- > 0;) {
            uint32_t l = order[turn];
            const struct tile_index *t = &nest->bound[l];
            int64_t offset = rest % steps[l];
            rest /= steps[l];
            struct lindex to = {.base = t->base};
            if (t->lanes) {
                offset *= b->lanes;
                to.lane = b->lanes > 1;
                if (t->count - offset < b->lanes)
                    point[i].valid = (uint32_t)(t->count - offset);
            }
            to.base.constant += offset;
            for (uint32_t s = 0; s < nest->stores; s++) /* every store names the index by an object of its own */
                point[i].env =
                    env_index(b, point[i].env, loops_index_named(nest->store[s], nest->index[l]->name), to);
        }
    }
    *out_count = count;
    return point;
}

static void hoist(struct builder *b, const struct nest *nest, uint32_t levels)
{
    uint32_t count;
    struct point *point = make_points(b, nest, levels, &count);
    struct let_walk w = {b, nest, levels, point, count, NULL, true};
    for (uint32_t s = 0; s < nest->stores; s++)
        walk_lets(&w, nest->store[s]->value);
}

/* The first element of every point's vector of a buffer that the tile stores to. */
static bool tile_places(struct builder *b, const struct nest *nest, const struct kstatement *store, uint32_t count,
                        const struct point *point, struct lplace *out)
{
    for (uint32_t p = 0; p < count; p++) {
        struct lindex subscript[KERNEL_MAX_RANK];
        for (uint32_t d = 0; d < nest->rank; d++)
            subscript[d] = env_find(point[p].env, store->index[d])->index;
        struct laddress a = eval_address(b, store->buffer, subscript);
        if (a.index)
            return false;
        out[p] = a.place;
    }
    return true;
}

/* Rows of a tile a fixed distance apart: one row after the other is prefetched while the sum runs. */
static bool spread_rows(struct builder *b, uint32_t rows, uint32_t vectors, const struct lplace *place)
{
    struct laffine step = affine_add(b, &place[vectors].element, &place[0].element, -1);
    if (step.count)
        return false;
    for (uint32_t p = vectors; p < rows * vectors; p++) {
        struct laffine difference = affine_add(b, &place[p].element, &place[p - vectors].element, -1);
        if (difference.count || difference.constant != step.constant)
            return false;
    }
    for (uint32_t v = 0; v < vectors; v++)
        vec_push(b->arena, &b->spread.lines, (struct spread_line){place[v], step.constant});
    b->spread.rows = rows;
    return true;
}

static void prefetch_tile(struct builder *b, const struct nest *nest, uint32_t count, const struct point *point)
{
    const struct kschedule *schedule = &b->kernel->schedule;
    struct lplace *place = ARENA_ARRAY(b->arena, struct lplace, count);
    uint32_t vectors = 1;
    for (uint32_t l = 0; l < nest->rank; l++)
        if (nest->bound[l].lanes)
            vectors = (uint32_t)((nest->bound[l].count + b->lanes - 1) / b->lanes);
    b->spread = (struct spread){0};
    for (uint32_t s = 0; s < nest->stores; s++)
        for (size_t i = 0; i < schedule->prefetch.count; i++) {
            if (strcmp(schedule->prefetch.at[i], nest->store[s]->buffer->name) != 0 ||
                !tile_places(b, nest, nest->store[s], count, point, place))
                continue;
            if (count > vectors && spread_rows(b, count / vectors, vectors, place))
                continue;
            for (uint32_t p = 0; p < count; p++)
                loops_prefetch(b, &place[p]);
        }
}

static void fill_points(struct builder *b, const struct nest *nest, uint32_t count, const struct point *point,
                        const struct tile_index *const (*index)[KERNEL_MAX_RANK])
{
    /* lets keep the values that they had before an inout is written */
    for (uint32_t s = 0; s < nest->stores; s++)
        if (nest->store[s]->buffer->access == KA_INOUT)
            for (uint32_t later = s + 1; later < nest->stores; later++) {
                struct let_walk w = {b, nest, nest->rank, point, count, nest->store[s]->buffer, false};
                walk_lets(&w, nest->store[later]->value);
            }
    for (uint32_t s = 0; s < nest->stores; s++)
        store_tile(b, nest->store[s], index[s], count, point);
}

void loops_store_point(struct builder *b, const struct kstatement *const *store, uint32_t stores,
                       const struct point *point, const struct tile_index *bound)
{
    struct nest nest = {.store = store, .stores = stores, .rank = store[0]->rank};
    const struct tile_index *(*index)[KERNEL_MAX_RANK] = arena_array(b->arena, stores, sizeof *index);
    for (uint32_t d = 0; d < nest.rank; d++) {
        nest.index[d] = store[0]->index[d];
        for (uint32_t s = 0; s < stores; s++)
            index[s][d] = &bound[d];
    }
    fill_points(b, &nest, 1, point, (const struct tile_index *const(*)[KERNEL_MAX_RANK])index);
}

static void fill_tile(struct builder *b, struct nest *nest)
{
    uint32_t count;
    struct point *point = make_points(b, nest, nest->rank, &count);
    const struct tile_index *(*index)[KERNEL_MAX_RANK] =
        arena_array(b->arena, nest->stores, sizeof *index);
    prefetch_tile(b, nest, count, point);
    bool together = true; /* all points at once: when nothing is kept in accumulators, or blocks are transposed */
    for (uint32_t s = 0; s < nest->stores; s++) {
        for (uint32_t d = 0; d < nest->rank; d++)
            for (uint32_t l = 0; l < nest->rank; l++)
                if (strcmp(nest->index[l]->name, nest->store[s]->index[d]->name) == 0)
                    index[s][d] = &nest->bound[l];
        together &= !loops_reduces(nest->store[s]->value);
    }
    for (uint32_t s = 0; s < nest->stores; s++)
        together |= store_transposes(b, nest->store[s], index[s], count, point);
    for (uint32_t s = 0; s < nest->stores; s++)
        eval_reductions(b, nest->store[s]->value, count, point);
    b->spread.rows = 0;
    for (uint32_t p = 0; p < (together ? 1 : count); p++)
        fill_points(b, nest, together ? count : 1, point + p,
                    (const struct tile_index *const(*)[KERNEL_MAX_RANK])index);
}

/* ---- the loops ---- */

static void open_level(struct builder *b, struct nest *nest, uint32_t level);

static void enter_tile(struct builder *b, struct nest *nest, uint32_t level, struct laffine base, int64_t count)
{
    struct tile_index *t = &nest->bound[level];
    t->base = base;
    t->count = count;
    if (level + 1 < nest->rank)
        hoist(b, nest, level + 1);
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
        fill_tile(b, nest);
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
    hoist(b, nest, 0);
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
        hoist(b, &nest, 0);
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
