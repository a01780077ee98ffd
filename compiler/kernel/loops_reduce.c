/* Reductions over tiles: one loop nest with an accumulator per point. A loop's order is that of the text; what a
 * condition leaves out is left out by loop bounds where it can be, else by knowing, else by a branch. */
#include "loops_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* The state while a nest is opened loop by loop. */
struct nest {
    const struct kreduce *reduce;
    uint32_t count, accumulators; /* points; registers carried: one or two (value, position) a point */
    const struct kexpr *expr;
    bool *handled; /* per condition: by loop bounds */
};

/* ---- conditions ---- */

static bool mentions(const struct kexpr *expr, const struct kindex *index)
{
    if (expr->op == KX_INDEX && expr->index == index)
        return true;
    for (uint32_t i = 0; i < expr->count; i++)
        if (mentions(expr->arg[i], index))
            return true;
    return false;
}

/* 1 holds, 0 fails, -1 not known */
static int condition_truth(struct builder *b, const struct kcondition *c, const struct point *point)
{
    struct lindex x = eval_index(b, c->value, point);
    if (x.vector || x.lane)
        return -1;
    int64_t least = affine_least(&x.base), most = affine_most(&x.base);
    return least >= 0 && most < c->limit ? 1 : most < 0 || least >= c->limit ? 0 : -1;
}

/* Whether the index of this level is the last one that condition c waits for. */
static bool is_last_index(const struct kreduce *r, uint32_t c, uint32_t level)
{
    bool last = mentions(r->condition[c].value, r->index[level]);
    for (uint32_t l = level + 1; l < r->indices; l++)
        last &= !mentions(r->condition[c].value, r->index[l]);
    return last;
}

/* Bounds for `index` from every condition in which it is the last index bound, where all points agree. */
static void bounds_from_conditions(struct builder *b, struct nest *nest, uint32_t level, const struct lterm *var,
                                   const struct point *point, struct laffine *lo, uint32_t *los, struct laffine *hi,
                                   uint32_t *his)
{
    const struct kreduce *r = nest->reduce;
    for (uint32_t c = 0; c < r->conditions; c++) {
        if (!is_last_index(r, c, level) || nest->handled[c])
            continue;
        struct lindex x = eval_index(b, r->condition[c].value, &point[0]);
        struct laffine rest;
        int64_t factor;
        if (x.vector || x.lane || !affine_split(b, &x.base, var, &factor, &rest) || factor == 0)
            continue;
        bool agree = true;
        for (uint32_t i = 1; i < nest->count && agree; i++) {
            struct lindex y = eval_index(b, r->condition[c].value, &point[i]);
            agree = !y.vector && !y.lane && affine_equal(&x.base, &y.base);
        }
        if (!agree)
            continue;
        nest->handled[c] = true;
        int64_t d = factor > 0 ? factor : -factor;
        if (factor > 0) { /* ceil(-rest / d) <= var < ceil((limit - rest) / d) */
            struct laffine low = affine_scale(b, &rest, -1), high = low;
            low.constant += d - 1;
            high.constant += r->condition[c].limit + d - 1;
            lo[(*los)++] = affine_floor_div(b, &low, d);
            hi[(*his)++] = affine_floor_div(b, &high, d);
        } else { /* ceil((rest - limit + 1) / d) <= var < floor(rest / d) + 1 */
            struct laffine low = rest, high = rest;
            low.constant += 1 - r->condition[c].limit + d - 1;
            lo[(*los)++] = affine_floor_div(b, &low, d);
            high = affine_floor_div(b, &high, d);
            high.constant += 1;
            hi[(*his)++] = high;
        }
    }
}

/* The conditions of one point that neither bounds nor ranges decided, as one register; NULL: none; *out_fails: one is
 * known to fail. */
static const struct lvalue *open_conditions(struct builder *b, const struct nest *nest, const struct point *point,
                                            bool *out_fails)
{
    const struct kreduce *r = nest->reduce;
    const struct lvalue *all = NULL;
    *out_fails = false;
    for (uint32_t c = 0; c < r->conditions; c++) {
        if (nest->handled[c])
            continue;
        int truth = condition_truth(b, &r->condition[c], point);
        if (truth == 0)
            *out_fails = true;
        if (truth >= 0)
            continue;
        struct lindex x = eval_index(b, r->condition[c].value, point);
        const struct lvalue *v = value_index(b, &x);
        const struct lvalue *in =
            value_binary(b, KX_LAND, KT_BOOL, value_binary(b, KX_GE, KT_BOOL, v, value_i32(b, 0)),
                         value_binary(b, KX_LT, KT_BOOL, v, value_i32(b, (int32_t)r->condition[c].limit)));
        all = all ? value_binary(b, KX_LAND, KT_BOOL, all, in) : in;
    }
    return all;
}

/* ---- one term ---- */

/* Also the position that says "none". */
static int32_t positions_of(const struct kreduce *r)
{
    int64_t positions = 1;
    for (uint32_t i = 0; i < r->indices; i++)
        positions *= r->index[i]->extent;
    return (int32_t)positions;
}

/* max_at: best < e, or e is the first NaN; not (best >= e) is both while best is no NaN itself */
static const struct lvalue *takes_over(struct builder *b, const struct lvalue *best, const struct lvalue *e)
{
    const struct lvalue *keeps = value_binary(b, KX_GE, KT_BOOL, best, e);
    const struct lvalue *takes = value_kop(b, KX_NOT, KT_BOOL, 1, &keeps);
    if (best->op == LO_CONST && best->f32 == best->f32)
        return takes;
    return value_binary(b, KX_LAND, KT_BOOL, takes, value_binary(b, KX_EQ, KT_BOOL, best, best));
}

/* Numbers the points so that those on which `expr` is the same have the same number; returns how many numbers. */
static uint32_t number_alike(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                             uint32_t *out_number)
{
    struct lsignature *known = ARENA_ARRAY(b->arena, struct lsignature, count);
    uint32_t numbers = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct lsignature s = {0};
        eval_signature(b, expr, &point[i], &s);
        uint32_t n = 0;
        while (n < numbers && !(known[n].words.count == s.words.count &&
                                memcmp(known[n].words.at, s.words.at, s.words.count * sizeof *s.words.at) == 0))
            n++;
        if (n == numbers)
            known[numbers++] = s;
        out_number[i] = n;
    }
    return numbers;
}

/* acc = fma(a, b, acc): the factor with fewer registers is loaded first and kept, the other one comes one by one, so
 * that a tile of R x V accumulators needs V + 1 registers more. */
void loops_accumulate_products(struct builder *b, const struct kreduce *r, const struct point *point, uint32_t count,
                               const struct lvalue **acc, const uint32_t *pick)
{
    uint32_t *number[2], numbers[2];
    for (int t = 0; t < 2; t++) {
        number[t] = ARENA_ARRAY(b->arena, uint32_t, count);
        numbers[t] = number_alike(b, r->term[t], count, point, number[t]);
    }
    int kept = numbers[0] < numbers[1] ? 0 : 1, other = 1 - kept;
    const struct lvalue **x = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    eval(b, r->term[kept], count, point, x);
    for (uint32_t n = 0; n < numbers[other]; n++)
        for (uint32_t i = 0; i < count; i++) {
            if (number[other][i] != n)
                continue;
            const struct lvalue *y, **a = &acc[pick[i]];
            uint32_t width = (*a)->width;
            eval(b, r->term[other], 1, &point[i], &y);
            *a = value_kop(b, KX_FMA, KT_F32, 3, (const struct lvalue *[]){kept ? y : x[i], kept ? x[i] : y, *a});
            if (width > 1)
                *a = value_splat(b, *a);
        }
}

/* acc := acc joined with the terms at these points. at: positions, for max_at. */
static void accumulate(struct builder *b, struct nest *nest, const struct point *point, uint32_t count,
                       const struct lvalue **acc, const struct lvalue **at, const uint32_t *pick)
{
    const struct kreduce *r = nest->reduce;
    if (r->term[1]) {
        loops_accumulate_products(b, r, point, count, acc, pick);
        return;
    }
    const struct lvalue **x = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    eval(b, r->term[0], count, point, x);
    for (uint32_t i = 0; i < count; i++) {
        const struct lvalue **a = &acc[pick[i]];
        uint32_t width = (*a)->width;
        if (r->kind == KR_MAX_AT) {
            const struct lvalue *e = x[i], *best = *a, *replace = takes_over(b, best, e);
            if (!r->from && r->conditions) /* nothing taken yet */
                replace = value_binary(b, KX_LOR, KT_BOOL, replace,
                                       value_binary(b, KX_EQ, KT_BOOL, at[pick[i]], value_i32(b, positions_of(r))));
            struct laffine position = affine_constant(0);
            for (uint32_t k = 0; k < r->indices; k++) {
                struct laffine scaled = affine_scale(b, &position, r->index[k]->extent);
                position = affine_add(b, &scaled, &env_find(point[i].env, r->index[k])->index.base, 1);
            }
            const struct lvalue *p = value_integer(b, &position);
            *a = value_kop(b, KX_SELECT, KT_F32, 3, (const struct lvalue *[]){replace, e, best});
            at[pick[i]] = value_kop(b, KX_SELECT, KT_I32, 3, (const struct lvalue *[]){replace, p, at[pick[i]]});
        } else {
            *a = value_binary(b, KX_ADD, nest->expr->type, *a, x[i]);
        }
        if (width > 1)
            *a = value_splat(b, *a);
    }
}

static void accumulate_under_branches(struct builder *b, struct nest *nest, const struct point *point,
                                      const struct lvalue **acc, const struct lvalue **at)
{
    const struct lvalue **guard = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
    bool *done = ARENA_ARRAY(b->arena, bool, nest->count);
    for (uint32_t i = 0; i < nest->count; i++)
        guard[i] = open_conditions(b, nest, &point[i], &done[i]); /* a term known to be absent is done */
    uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, nest->count);
    struct point *p = ARENA_ARRAY(b->arena, struct point, nest->count);
    for (uint32_t i = 0; i < nest->count; i++) {
        if (done[i])
            continue;
        uint32_t n = 0;
        for (uint32_t j = i; j < nest->count; j++)
            if (!done[j] && guard[j] == guard[i]) {
                done[j] = true;
                p[n] = point[j];
                pick[n++] = j;
            }
        if (!guard[i]) {
            accumulate(b, nest, p, n, acc, at, pick);
            continue;
        }
        if (guard[i]->width > 1) { /* lanes that take no part keep what they have */
            const struct lvalue **before = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
            const struct lvalue **before_at = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
            memcpy(before, acc, nest->count * sizeof *acc);
            if (at)
                memcpy(before_at, at, nest->count * sizeof *at);
            for (uint32_t j = 0; j < n; j++) {
                p[j].spare = false;
                p[j].mask = p[j].mask ? value_binary(b, KX_LAND, KT_BOOL, p[j].mask, guard[i]) : guard[i];
            }
            accumulate(b, nest, p, n, acc, at, pick);
            for (uint32_t j = 0; j < n; j++) {
                uint32_t k = pick[j];
                acc[k] = value_kop(b, KX_SELECT, acc[k]->type, 3,
                                   (const struct lvalue *[]){guard[i], acc[k], before[k]});
                if (at)
                    at[k] = value_kop(b, KX_SELECT, KT_I32, 3,
                                      (const struct lvalue *[]){guard[i], at[k], before_at[k]});
            }
            continue;
        }
        uint32_t sets = at ? 2 : 1;
        struct lstatement *branch = loops_emit(b, LS_IF);
        branch->value = guard[i];
        branch->carries = n * sets;
        branch->carried = ARENA_ARRAY(b->arena, struct lcarried, n * sets);
        struct lblock *outer = b->block;
        size_t mark = scope_open(b);
        b->block = &branch->body;
        const struct lvalue **inner = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
        const struct lvalue **inner_at = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
        memcpy(inner, acc, nest->count * sizeof *acc);
        if (at)
            memcpy(inner_at, at, nest->count * sizeof *at);
        accumulate(b, nest, p, n, inner, at ? inner_at : NULL, pick);
        scope_close(b, mark);
        b->block = outer;
        for (uint32_t j = 0; j < n; j++)
            for (uint32_t s = 0; s < sets; s++) {
                const struct lvalue **mine = s ? &at[pick[j]] : &acc[pick[j]];
                const struct lvalue *then = s ? inner_at[pick[j]] : inner[pick[j]];
                struct lvalue *phi = value_phi(b, (*mine)->type, (*mine)->width);
                branch->carried[j * sets + s] = (struct lcarried){phi, then, *mine};
                *mine = phi;
            }
    }
}

/* ---- the loops ---- */

static bool schedule_unrolls(const struct kernel *kernel, const struct kindex *index)
{
    for (size_t i = 0; i < kernel->schedule.unroll.count; i++)
        if (strcmp(kernel->schedule.unroll.at[i], index->name) == 0)
            return true;
    return false;
}

static struct point *bind_all(struct builder *b, const struct nest *nest, const struct point *point,
                              const struct kindex *index, struct lindex to)
{
    struct point *bound = ARENA_ARRAY(b->arena, struct point, nest->count);
    for (uint32_t i = 0; i < nest->count; i++) {
        bound[i] = point[i];
        bound[i].env = env_index(b, point[i].env, index, to);
    }
    return bound;
}

void loops_prefetch(struct builder *b, const struct lplace *place)
{
    struct lstatement *line = loops_emit(b, LS_PREFETCH);
    line->place = *place;
    line->write = true;
}

/* The loop over the only index in as many pieces as there are rows to prefetch, a row ahead of each. */
static void open_spread(struct builder *b, struct nest *nest, const struct point *point, const struct lvalue **acc)
{
    const struct kindex *index = nest->reduce->index[0];
    struct spread spread = b->spread;
    b->spread.rows = 0;
    int64_t piece = (index->extent + spread.rows - 1) / spread.rows;
    const struct lterm *row = term_var(b, "row", 0, spread.rows - 1);
    const struct lterm *var = term_var(b, index->name, 0, index->extent - 1);
    struct laffine zero = affine_constant(0), rows = affine_constant(spread.rows), first = affine_term(b, row, piece);
    struct laffine end[2] = {first, affine_constant(index->extent)};
    end[0].constant += piece;
    if (index->bound)
        end[1] = affine_term(b, term_scalar(b, index->bound), 1);
    struct lcarried *outer = ARENA_ARRAY(b->arena, struct lcarried, nest->count);
    struct lcarried *inner = ARENA_ARRAY(b->arena, struct lcarried, nest->count);
    for (uint32_t i = 0; i < nest->count; i++) {
        outer[i].first = acc[i];
        outer[i].phi = value_phi(b, acc[i]->type, acc[i]->width);
        inner[i].first = outer[i].phi;
        acc[i] = inner[i].phi = value_phi(b, acc[i]->type, acc[i]->width);
    }
    struct loop_frame rows_frame = loop_open(b, row, &zero, 1, &rows, 1);
    for (size_t l = 0; l < spread.lines.count; l++) {
        struct lplace place = spread.lines.at[l].place;
        struct laffine offset = affine_term(b, row, spread.lines.at[l].step);
        place.element = affine_add(b, &place.element, &offset, 1);
        loops_prefetch(b, &place);
    }
    struct loop_frame frame = loop_open(b, var, &first, 1, end, 2);
    accumulate_under_branches(b, nest, bind_all(b, nest, point, index, (struct lindex){.base = affine_term(b, var, 1)}),
                              acc, NULL);
    for (uint32_t i = 0; i < nest->count; i++)
        inner[i].next = acc[i];
    loop_close(b, &frame, nest->count, inner);
    for (uint32_t i = 0; i < nest->count; i++) {
        outer[i].next = inner[i].phi;
        acc[i] = outer[i].phi;
    }
    loop_close(b, &rows_frame, nest->count, outer);
}

static void open_level(struct builder *b, struct nest *nest, uint32_t level, const struct point *point,
                       const struct lvalue **acc, const struct lvalue **at);

/* ---- points that take part at different values of an index: a loop for each run in which the same ones do ---- */

struct range {
    int64_t lo, hi;
};

static int64_t divide_up(int64_t x, int64_t d)
{
    return x > 0 ? (x + d - 1) / d : -(-x / d);
}

/* The values of an index at which each point takes part, where all are known and not all the same; else NULL. The
 * conditions that say so count as handled then. */
static struct range *ranges_of_points(struct builder *b, struct nest *nest, uint32_t level, const struct lterm *var,
                                      const struct point *bound)
{
    const struct kreduce *r = nest->reduce;
    if (r->index[level]->bound)
        return NULL;
    struct range *range = ARENA_ARRAY(b->arena, struct range, nest->count);
    for (uint32_t i = 0; i < nest->count; i++)
        range[i] = (struct range){0, r->index[level]->extent};
    bool *decides = ARENA_ARRAY(b->arena, bool, r->conditions + 1), differ = false;
    for (uint32_t c = 0; c < r->conditions; c++) {
        decides[c] = !nest->handled[c] && is_last_index(r, c, level);
        for (uint32_t i = 0; decides[c] && i < nest->count; i++) {
            struct lindex x = eval_index(b, r->condition[c].value, &bound[i]);
            struct laffine rest;
            int64_t factor;
            if (x.vector || x.lane || !affine_split(b, &x.base, var, &factor, &rest) || factor == 0 || rest.count)
                return NULL;
            /* 0 <= factor * var + rest < limit */
            int64_t d = factor > 0 ? factor : -factor, low = -rest.constant, high = r->condition[c].limit + low;
            struct range in = factor > 0 ? (struct range){divide_up(low, d), divide_up(high, d)}
                                         : (struct range){divide_up(1 - high, d), divide_up(1 - low, d)};
            range[i].lo = in.lo > range[i].lo ? in.lo : range[i].lo;
            range[i].hi = in.hi < range[i].hi ? in.hi : range[i].hi;
        }
    }
    for (uint32_t i = 1; i < nest->count; i++)
        differ |= range[i].lo != range[0].lo || range[i].hi != range[0].hi;
    if (!differ)
        return NULL;
    for (uint32_t c = 0; c < r->conditions; c++)
        nest->handled[c] |= decides[c];
    return range;
}

/* The points in `pick` for one run of values of the index. */
static void open_segment(struct builder *b, struct nest *nest, uint32_t level, const struct point *point,
                         struct range run, uint32_t count, const uint32_t *pick, const struct lvalue **acc)
{
    const struct kindex *index = nest->reduce->index[level];
    struct nest part = *nest;
    part.count = count;
    struct point *p = ARENA_ARRAY(b->arena, struct point, count);
    const struct lvalue **sum = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    for (uint32_t i = 0; i < count; i++) {
        p[i] = point[pick[i]];
        sum[i] = acc[pick[i]];
    }
    if (run.hi - run.lo == 1) {
        struct lindex to = {.base = affine_constant(run.lo)};
        open_level(b, &part, level + 1, bind_all(b, &part, p, index, to), sum, NULL);
    } else {
        const struct lterm *var = term_var(b, index->name, run.lo, run.hi - 1);
        struct laffine lo = affine_constant(run.lo), hi = affine_constant(run.hi);
        struct lcarried *carried = ARENA_ARRAY(b->arena, struct lcarried, count);
        for (uint32_t i = 0; i < count; i++) {
            carried[i].first = sum[i];
            sum[i] = carried[i].phi = value_phi(b, sum[i]->type, sum[i]->width);
        }
        struct loop_frame frame = loop_open(b, var, &lo, 1, &hi, 1);
        struct lindex to = {.base = affine_term(b, var, 1)};
        open_level(b, &part, level + 1, bind_all(b, &part, p, index, to), sum, NULL);
        for (uint32_t i = 0; i < count; i++) {
            carried[i].next = sum[i];
            sum[i] = carried[i].phi;
        }
        loop_close(b, &frame, count, carried);
    }
    for (uint32_t i = 0; i < count; i++)
        acc[pick[i]] = sum[i];
}

static void open_segments(struct builder *b, struct nest *nest, uint32_t level, const struct point *point,
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
        if (count)
            open_segment(b, nest, level, point, run, count, pick, acc);
    }
}

static void open_level(struct builder *b, struct nest *nest, uint32_t level, const struct point *point,
                       const struct lvalue **acc, const struct lvalue **at)
{
    const struct kreduce *r = nest->reduce;
    if (level == r->indices) {
        accumulate_under_branches(b, nest, point, acc, at);
        return;
    }
    if (b->spread.rows && !at && r->indices == 1 && r->conditions == 0 && r->index[0]->extent >= b->spread.rows) {
        open_spread(b, nest, point, acc);
        return;
    }
    const struct kindex *index = r->index[level];
    if (index->extent == 1 || (schedule_unrolls(b->kernel, index) && !index->bound)) {
        for (int64_t v = 0; v < index->extent; v++) {
            struct lindex to = {.base = affine_constant(v)};
            open_level(b, nest, level + 1, bind_all(b, nest, point, index, to), acc, at);
        }
        return;
    }
    const struct lterm *var = term_var(b, index->name, 0, index->extent - 1);
    struct laffine *lo = ARENA_ARRAY(b->arena, struct laffine, r->conditions + 1);
    struct laffine *hi = ARENA_ARRAY(b->arena, struct laffine, r->conditions + 2);
    uint32_t los = 0, his = 0;
    lo[los++] = affine_constant(0);
    hi[his++] = affine_constant(index->extent);
    if (index->bound)
        hi[0] = affine_term(b, term_scalar(b, index->bound), 1);
    struct point *bound = bind_all(b, nest, point, index, (struct lindex){.base = affine_term(b, var, 1)});
    bool *outer_handled = ARENA_ARRAY(b->arena, bool, r->conditions + 1);
    memcpy(outer_handled, nest->handled, r->conditions * sizeof *outer_handled);
    struct range *range = at ? NULL : ranges_of_points(b, nest, level, var, bound);
    if (range) {
        open_segments(b, nest, level, point, range, acc);
        memcpy(nest->handled, outer_handled, r->conditions * sizeof *outer_handled);
        return;
    }
    bounds_from_conditions(b, nest, level, var, bound, lo, &los, hi, &his);

    uint32_t sets = at ? 2 : 1, carries = nest->count * sets;
    struct lcarried *carried = ARENA_ARRAY(b->arena, struct lcarried, carries);
    for (uint32_t i = 0; i < carries; i++) {
        const struct lvalue **mine = i < nest->count ? &acc[i] : &at[i - nest->count];
        carried[i].first = *mine;
        *mine = carried[i].phi = value_phi(b, (*mine)->type, (*mine)->width);
    }
    struct loop_frame frame = loop_open(b, var, lo, los, hi, his);
    open_level(b, nest, level + 1, bound, acc, at);
    for (uint32_t i = 0; i < carries; i++) {
        const struct lvalue **mine = i < nest->count ? &acc[i] : &at[i - nest->count];
        carried[i].next = *mine;
        *mine = carried[i].phi;
    }
    loop_close(b, &frame, carries, carried);
    memcpy(nest->handled, outer_handled, r->conditions * sizeof *outer_handled);
}

bool loops_term_is_wide(struct builder *b, const struct kreduce *r, const struct point *point)
{
    bool wide = (point->mask && b->lanes > 1) || eval_is_wide(b, r->term[0], point->env) || (r->term[1] && eval_is_wide(b, r->term[1], point->env)) ||
                (r->from && eval_is_wide(b, r->from, point->env));
    for (uint32_t i = 0; i < r->conditions; i++)
        wide |= eval_is_wide(b, r->condition[i].value, point->env);
    return wide;
}

/* Whether all indices that it names have values already: no reduction around it has yet to bind one. */
static bool is_bound(const struct kexpr *expr, const struct loop_env *env)
{
    if (expr->op == KX_REDUCE || (expr->op == KX_INDEX && !env_find(env, expr->index)))
        return false;
    for (uint32_t i = 0; i < expr->count; i++)
        if (!is_bound(expr->arg[i], env))
            return false;
    return true;
}

/* Lets with sums of their own that are the same in every term: evaluated ahead of the loop, and found again in it. A let
 * can be read anywhere, so this needs no term to be present. */
static void lets_ahead(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point)
{
    if (!loops_reduces(expr) || expr->op == KX_REDUCE)
        return;
    if (expr->op == KX_LET && is_bound(expr, point->env)) {
        eval(b, expr, count, point, ARENA_ARRAY(b->arena, const struct lvalue *, count));
    } else if (expr->op == KX_LET) {
        struct point *inner = ARENA_ARRAY(b->arena, struct point, count);
        for (uint32_t i = 0; i < count; i++) {
            inner[i] = point[i];
            inner[i].env = NULL;
            for (uint32_t k = 0; k < expr->count; k++)
                if (is_bound(expr->arg[k], point[i].env))
                    inner[i].env =
                        env_index(b, inner[i].env, expr->let->index[k], eval_index(b, expr->arg[k], &point[i]));
        }
        lets_ahead(b, expr->let->value, count, inner);
    } else {
        uint32_t sure = expr->op == KX_WHERE || expr->op == KX_LAND || expr->op == KX_LOR ? 1 : expr->count;
        for (uint32_t i = 0; i < sure; i++)
            lets_ahead(b, expr->arg[i], count, point);
    }
}

static void reduce_sequential(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                              const struct lvalue **out, const struct lvalue **out_position)
{
    const struct kreduce *r = expr->reduce;
    struct nest nest = {.reduce = r, .count = count, .expr = expr,
                        .handled = ARENA_ARRAY(b->arena, bool, r->conditions + 1)};
    if (r->from)
        eval(b, r->from, count, point, out);
    for (uint32_t i = 0; i < count; i++) {
        if (!r->from)
            out[i] = r->kind == KR_MAX_AT ? value_f32(b, -INFINITY)
                     : expr->type == KT_I32 ? value_i32(b, 0)
                                            : value_f32(b, 0);
        if (out_position)
            out_position[i] = value_i32(b, r->from || r->conditions ? positions_of(r) : 0);
        if (loops_term_is_wide(b, r, &point[i])) {
            out[i] = value_splat(b, out[i]);
            if (out_position)
                out_position[i] = value_splat(b, out_position[i]);
        }
    }
    for (int i = 0; i < 2; i++)
        if (r->term[i])
            lets_ahead(b, r->term[i], count, point);
    open_level(b, &nest, 0, point, out, out_position);
}

/* All window positions of all points in one go, so that what they read is computed in one loop. */
static void reduce_window(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                          const struct lvalue **out, const struct lvalue **out_position)
{
    const struct kreduce *r = expr->reduce;
    uint32_t positions = (uint32_t)positions_of(r);
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
            const struct lvalue *replace = takes_over(b, best, e);
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
        window = window && schedule_unrolls(b->kernel, r->index[i]) && !r->index[i]->bound;
    if (window)
        reduce_window(b, expr, count, point, out, out_position);
    else if (r->kind == KR_SUM_BLOCKS)
        reduce_blocks(b, expr, count, point, out);
    else if (r->kind == KR_SUM_TREE)
        reduce_tree(b, expr, count, point, out);
    else
        reduce_sequential(b, expr, count, point, out, out_position);
}
