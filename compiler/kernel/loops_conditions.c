/* The conditions of a reduction: which of them become bounds of a loop, which of them ranges know to hold or to fail,
 * and what is left to be asked of each term. */
#include "loops_reduce.h"

bool loops_mentions(const struct kexpr *expr, const struct kindex *index)
{
    if (expr->op == KX_INDEX && expr->index == index)
        return true;
    for (uint32_t i = 0; i < expr->count; i++)
        if (loops_mentions(expr->arg[i], index))
            return true;
    return false;
}

/* What an index is, without a trace of computing it: where it is a vector, that would stand before the loop whose
 * variable it needs. */
static struct lindex try_index(struct builder *b, const struct kexpr *value, const struct point *point)
{
    struct lblock aside = {0}, *outer = b->block;
    size_t mark = scope_open(b);
    b->block = &aside;
    struct lindex index = eval_index(b, value, point);
    b->block = outer;
    scope_close(b, mark);
    return index;
}

static bool is_plain(const struct lindex *index)
{
    return !index->vector && !index->lane;
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
    bool last = loops_mentions(r->condition[c].value, r->index[level]);
    for (uint32_t l = level + 1; l < r->indices; l++)
        last &= !loops_mentions(r->condition[c].value, r->index[l]);
    return last;
}

void reduce_bounds(struct builder *b, struct reduce_nest *nest, uint32_t level, const struct lterm *var,
                   const struct point *point, struct laffine *lo, uint32_t *los, struct laffine *hi, uint32_t *his)
{
    const struct kreduce *r = nest->reduce;
    for (uint32_t c = 0; c < r->conditions; c++) {
        if (!is_last_index(r, c, level) || nest->handled[c])
            continue;
        struct lindex x = try_index(b, r->condition[c].value, &point[0]);
        struct laffine rest;
        int64_t factor;
        if (!is_plain(&x))
            continue;
        x = eval_index(b, r->condition[c].value, &point[0]);
        if (!affine_split(b, &x.base, var, &factor, &rest) || factor == 0)
            continue;
        bool agree = true;
        for (uint32_t i = 1; i < nest->count && agree; i++) {
            struct lindex y = try_index(b, r->condition[c].value, &point[i]);
            if (is_plain(&y))
                y = eval_index(b, r->condition[c].value, &point[i]);
            agree = is_plain(&y) && affine_equal(&x.base, &y.base);
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

static int64_t divide_up(int64_t x, int64_t d)
{
    return x > 0 ? (x + d - 1) / d : -(-x / d);
}

struct range *reduce_ranges(struct builder *b, struct reduce_nest *nest, uint32_t level, const struct lterm *var,
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
            struct lindex x = try_index(b, r->condition[c].value, &bound[i]);
            struct laffine rest;
            int64_t factor;
            if (!is_plain(&x) || !affine_split(b, &x.base, var, &factor, &rest) || factor == 0 || rest.count)
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

const struct lvalue *reduce_guard(struct builder *b, const struct reduce_nest *nest, const struct point *point,
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
