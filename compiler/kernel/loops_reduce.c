/* Reductions over tiles: one loop nest with an accumulator per point. A loop's order is that of the text; what a
 * condition leaves out is left out by loop bounds where it can be, else by knowing, else by a branch. */
#include "loops_reduce.h"

#include <math.h>
#include <string.h>

void loops_prefetch(struct builder *b, const struct lplace *place, bool write)
{
    struct lstatement *line = loops_emit(b, LS_PREFETCH);
    line->place = *place;
    line->write = write;
}

/* The loop over the only index in as many pieces as there are rows to prefetch, a row ahead of each. */
static void open_spread(struct builder *b, struct reduce_nest *nest, const struct point *point,
                        const struct lvalue **acc)
{
    const struct kindex *index = nest->reduce->index[0];
    struct spread spread = b->spread;
    b->spread.rows = 0;
    int64_t piece = (index->extent + spread.rows - 1) / spread.rows;
    const struct lterm *row = term_var(b, "row", 0, spread.rows - 1);
    const struct lterm *var = term_var(b, index->name, 0, index->extent - 1);
    struct laffine zero = affine_constant(0), rows = affine_constant(spread.rows), first = affine_term(b, row, piece);
    struct laffine end[2] = {first, affine_extent(b, index)};
    end[0].constant += piece;
    struct frame rows_frame = loop_open(b, row, &zero, 1, &rows, 1);
    loop_carry(b, &rows_frame, nest->count, acc);
    for (size_t l = 0; l < spread.lines.count; l++) {
        struct lplace place = spread.lines.at[l].place;
        struct laffine offset = affine_term(b, row, spread.lines.at[l].step);
        place.element = affine_add(b, &place.element, &offset, 1);
        loops_prefetch(b, &place, true);
    }
    struct frame frame = loop_open(b, var, &first, 1, end, 2);
    loop_carry(b, &frame, nest->count, acc);
    struct lindex to = {.base = affine_term(b, var, 1)};
    reduce_terms(b, nest, env_points(b, nest->count, point, index, to), acc, NULL);
    loop_close(b, &frame);
    loop_close(b, &rows_frame);
}

static void open_level(struct builder *b, struct reduce_nest *nest, uint32_t level, const struct point *point,
                       const struct lvalue **acc, const struct lvalue **at);

/* ---- points that take part at different values of an index: a loop for each run in which the same ones do ---- */

/* The points in `pick` for one run of values of the index. */
static void open_segment(struct builder *b, struct reduce_nest *nest, uint32_t level, const struct point *point,
                         struct range run, uint32_t count, const uint32_t *pick, const struct lvalue **acc)
{
    const struct kindex *index = nest->reduce->index[level];
    struct reduce_nest part = *nest;
    part.count = count;
    struct point *p = ARENA_ARRAY(b->arena, struct point, count);
    const struct lvalue **sum = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    for (uint32_t i = 0; i < count; i++) {
        p[i] = point[pick[i]];
        sum[i] = acc[pick[i]];
    }
    if (run.hi - run.lo == 1) {
        struct lindex to = {.base = affine_constant(run.lo)};
        open_level(b, &part, level + 1, env_points(b, count, p, index, to), sum, NULL);
    } else {
        const struct lterm *var = term_var(b, index->name, run.lo, run.hi - 1);
        struct laffine lo = affine_constant(run.lo), hi = affine_constant(run.hi);
        struct frame frame = loop_open(b, var, &lo, 1, &hi, 1);
        loop_carry(b, &frame, count, sum);
        struct lindex to = {.base = affine_term(b, var, 1)};
        open_level(b, &part, level + 1, env_points(b, count, p, index, to), sum, NULL);
        loop_close(b, &frame);
    }
    for (uint32_t i = 0; i < count; i++)
        acc[pick[i]] = sum[i];
}

/* Whether the accumulators and all that one value of the innermost index loads are more than there are registers: what
 * the next value would find again is then better loaded again. */
static bool is_crowded(struct builder *b, const struct reduce_nest *nest, uint32_t level, const struct point *point,
                       int64_t value, uint32_t count, const uint32_t *pick)
{
    const struct kreduce *r = nest->reduce;
    if (level + 1 < r->indices || !r->term[1])
        return false;
    struct point *p = ARENA_ARRAY(b->arena, struct point, count);
    uint32_t *number = ARENA_ARRAY(b->arena, uint32_t, count), registers = nest->count;
    for (uint32_t i = 0; i < count; i++)
        p[i] = point[pick[i]];
    p = env_points(b, count, p, r->index[level], (struct lindex){.base = affine_constant(value)});
    for (int t = 0; t < 2; t++)
        registers += reduce_alike(b, r->term[t], count, p, number);
    return registers > b->target->registers;
}

static void open_segments(struct builder *b, struct reduce_nest *nest, uint32_t level, const struct point *point,
                          const struct range *range, const struct lvalue **acc)
{
    uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, nest->count);
    int64_t end = nest->reduce->index[level]->extent;
    for (struct range run = {0, 0}; run.lo < end; run.lo = run.hi) {
        uint32_t count = 0;
        run.hi = end;
        for (uint32_t i = 0; i < nest->count; i++) {
            const int64_t edge[] = {range[i].lo, range[i].hi};
            for (int k = 0; k < 2; k++)
                if (edge[k] > run.lo && edge[k] < run.hi)
                    run.hi = edge[k];
            if (range[i].lo <= run.lo && run.lo < range[i].hi)
                pick[count++] = i;
        }
        if (!count)
            continue;
        size_t mark = scope_open(b);
        bool crowded = is_crowded(b, nest, level, point, run.lo, count, pick);
        open_segment(b, nest, level, point, run, count, pick, acc);
        if (crowded) {
            loops_emit(b, LS_FORGET);
            scope_close(b, mark);
        }
    }
}

/* ---- the loops ---- */

static void open_level(struct builder *b, struct reduce_nest *nest, uint32_t level, const struct point *point,
                       const struct lvalue **acc, const struct lvalue **at)
{
    const struct kreduce *r = nest->reduce;
    if (level == r->indices) {
        reduce_terms(b, nest, point, acc, at);
        return;
    }
    if (b->spread.rows && !nest->slice && !at && r->indices == 1 && r->conditions == 0 &&
        r->index[0]->extent >= b->spread.rows) {
        open_spread(b, nest, point, acc);
        return;
    }
    const struct kindex *index = r->index[level];
    const struct slice *slice = level == 0 ? nest->slice : NULL;
    if (!slice && !at && level + 1 == r->indices && reduce_turned(b, nest, point, acc))
        return;
    if (index->extent == 1 || loops_unrolls(&b->kernel->schedule, index)) {
        for (int64_t v = 0; v < index->extent; v++) {
            struct lindex to = {.base = affine_constant(v)};
            open_level(b, nest, level + 1, env_points(b, nest->count, point, index, to), acc, at);
        }
        return;
    }
    const struct lterm *var = term_var(b, index->name, 0, index->extent - 1);
    struct laffine *lo = ARENA_ARRAY(b->arena, struct laffine, r->conditions + 1);
    struct laffine *hi = ARENA_ARRAY(b->arena, struct laffine, r->conditions + 2);
    uint32_t los = 0, his = 0;
    lo[los++] = slice ? slice->lo : affine_constant(0);
    hi[his++] = slice ? slice->hi : affine_extent(b, index);
    struct point *bound = env_points(b, nest->count, point, index, (struct lindex){.base = affine_term(b, var, 1)});
    bool *outer_handled = ARENA_ARRAY(b->arena, bool, r->conditions + 1);
    memcpy(outer_handled, nest->handled, r->conditions * sizeof *outer_handled);
    struct range *range = at ? NULL : reduce_ranges(b, nest, level, var, bound);
    if (range) {
        open_segments(b, nest, level, point, range, acc);
        memcpy(nest->handled, outer_handled, r->conditions * sizeof *outer_handled);
        return;
    }
    reduce_bounds(b, nest, level, var, bound, lo, &los, hi, &his);
    struct frame frame = loop_open(b, var, lo, los, hi, his);
    loop_carry(b, &frame, nest->count, acc);
    if (at)
        loop_carry(b, &frame, nest->count, at);
    open_level(b, nest, level + 1, bound, acc, at);
    loop_close(b, &frame);
    memcpy(nest->handled, outer_handled, r->conditions * sizeof *outer_handled);
}

static void reduce_sequential(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                              const struct lvalue **out, const struct lvalue **out_position)
{
    const struct kreduce *r = expr->reduce;
    struct reduce_nest nest = {.reduce = r, .count = count, .expr = expr,
                               .slice = b->slice && b->slice->sum == expr ? b->slice : NULL,
                               .handled = ARENA_ARRAY(b->arena, bool, r->conditions + 1)};
    const struct kexpr *from = nest.slice && nest.slice->resumes ? nest.slice->resumes : r->from;
    if (from)
        eval(b, from, count, point, out);
    for (uint32_t i = 0; i < count; i++) {
        if (!from)
            out[i] = r->kind == KR_MAX_AT ? value_f32(b, -INFINITY)
                     : expr->type == KT_I32 ? value_i32(b, 0)
                                            : value_f32(b, 0);
        if (out_position)
            out_position[i] = value_i32(b, r->from || r->conditions ? reduce_positions(r) : 0);
        if (loops_term_is_wide(b, r, &point[i])) {
            out[i] = value_splat(b, out[i]);
            if (out_position)
                out_position[i] = value_splat(b, out_position[i]);
        }
    }
    for (int i = 0; i < 2; i++)
        if (r->term[i])
            reduce_lets_ahead(b, r->term[i], count, point);
    open_level(b, &nest, 0, point, out, out_position);
}

/* All window positions of all points in one go, so that what they read is computed in one loop. */
static void reduce_window(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                          const struct lvalue **out, const struct lvalue **out_position)
{
    const struct kreduce *r = expr->reduce;
    uint32_t positions = (uint32_t)reduce_positions(r);
    struct point *p = ARENA_ARRAY(b->arena, struct point, (size_t)count * positions);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t w = 0; w < positions; w++) {
            const struct loop_env *env = point[i].env;
            uint32_t rest = w;
            for (uint32_t k = r->indices; k-- > 0;) {
                uint32_t extent = (uint32_t)r->index[k]->extent;
                env = env_index(b, env, r->index[k], (struct lindex){.base = affine_constant(rest % extent)});
                rest /= extent;
            }
            p[i * positions + w] = point[i];
            p[i * positions + w].env = env;
        }
    const struct lvalue **term = ARENA_ARRAY(b->arena, const struct lvalue *, (size_t)count * positions);
    eval(b, r->term[0], count * positions, p, term);
    if (r->from)
        eval(b, r->from, count, point, out);
    for (uint32_t i = 0; i < count; i++) {
        const struct lvalue *best = r->from ? out[i] : term[i * positions];
        const struct lvalue *at = value_i32(b, r->from ? (int32_t)positions : 0);
        for (uint32_t w = !r->from; w < positions; w++) {
            const struct lvalue *e = term[i * positions + w];
            const struct lvalue *replace = reduce_takes_over(b, best, e);
            best = value_kop(b, KX_SELECT, KT_F32, 3, (const struct lvalue *[]){replace, e, best});
            at = value_kop(b, KX_SELECT, KT_I32, 3,
                           (const struct lvalue *[]){replace, value_i32(b, (int32_t)w), at});
        }
        out[i] = best;
        out_position[i] = at;
    }
}

void eval_reduce(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                 const struct lvalue **out, const struct lvalue **out_position)
{
    const struct kreduce *r = expr->reduce;
    bool window = r->kind == KR_MAX_AT && r->conditions == 0;
    for (uint32_t i = 0; i < r->indices; i++)
        window = window && loops_unrolls(&b->kernel->schedule, r->index[i]);
    if (window)
        reduce_window(b, expr, count, point, out, out_position);
    else if (r->kind == KR_SUM_BLOCKS)
        reduce_blocks(b, expr, count, point, out);
    else if (r->kind == KR_SUM_TREE)
        reduce_tree(b, expr, count, point, out);
    else
        reduce_sequential(b, expr, count, point, out, out_position);
}
