/* One tile of a nest: its points, evaluated with everything that they have in common computed once (loops_eval.c), and
 * stored. Values that do not depend on the inner loops (lets with reductions or functions in them) are computed where
 * the loops that they need are open. */
#include "loops_tile.h"

#include <string.h>

/* ---- values that belong further out ---- */

static bool is_heavy(const struct kexpr *expr)
{
    return kexpr_has(expr, KOP_BIT(REDUCE) | KOP_BIT(CALL) | KOP_BIT(POSITION));
}

/* Lets that an expression needs whatever its data are, with arguments that are the nest's own indices: each is
 * evaluated, and found again later. */
struct let_walk {
    struct builder *b;
    const struct nest *nest;
    uint32_t levels; /* loops open so far */
    const struct point *point;
    uint32_t points;
    const struct kbuffer *reads; /* only lets that read it; NULL: heavy ones */
    bool newest;                 /* only lets that need the newest loop */
};

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

void tile_hoist(struct builder *b, const struct nest *nest, uint32_t levels)
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

/* Whether the sum is one loop, in which lines can be prefetched by and by. */
static bool is_one_loop(const struct kexpr *expr)
{
    if (expr->op == KX_REDUCE)
        return expr->reduce->indices == 1 && expr->reduce->conditions == 0;
    if (expr->op == KX_LET)
        return is_one_loop(expr->let->value);
    for (uint32_t i = 0; i < expr->count; i++)
        if (loops_reduces(expr->arg[i]))
            return is_one_loop(expr->arg[i]);
    return false;
}

/* What is read behind the sum, of the scheduled buffers. */
static void prefetch_reads(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point)
{
    const struct kschedule *schedule = &b->kernel->schedule;
    if (expr->op == KX_REDUCE)
        return;
    for (uint32_t i = 0; i < expr->count; i++)
        prefetch_reads(b, expr->arg[i], count, point);
    if (expr->op != KX_LOAD || !loops_lists(schedule->prefetch.at, schedule->prefetch.count, expr->buffer->name))
        return;
    for (uint32_t i = 0; i < expr->count; i++) /* what chooses an element may stand behind a condition */
        if (kexpr_has(expr->arg[i], KOP_BIT(LOAD) | KOP_BIT(LET) | KOP_BIT(REDUCE)))
            return;
    for (uint32_t p = 0; p < count; p++) {
        struct lindex subscript[KERNEL_MAX_RANK];
        for (uint32_t d = 0; d < expr->count; d++)
            subscript[d] = eval_index(b, expr->arg[d], &point[p]);
        struct laddress a = eval_address(b, expr->buffer, subscript);
        if (!a.index)
            loops_prefetch(b, &a.place, false);
    }
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
    for (uint32_t s = 0; s < nest->stores; s++) {
        const struct kstatement *store = nest->store[s];
        prefetch_reads(b, store->value, count, point);
        if (!loops_lists(schedule->prefetch.at, schedule->prefetch.count, store->buffer->name) ||
            !tile_places(b, nest, store, count, point, place))
            continue;
        if (count > vectors && is_one_loop(store->value) && spread_rows(b, count / vectors, vectors, place))
            continue;
        for (uint32_t p = 0; p < count; p++)
            loops_prefetch(b, &place[p], true);
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

void tile_fill(struct builder *b, const struct nest *nest)
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
