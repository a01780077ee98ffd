/* Reductions: the orders of summation that docs/ir.md defines. The elements of a run are summed side by side, each in
 * its own order. */
#include "interpret.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static int64_t index_count(const struct machine *m, const struct reduction *r, uint32_t i)
{
    if (r->index[i].bound == NO_RUN)
        return r->index[i].extent;
    int64_t bound = m->scalar[r->index[i].bound]->i;
    assert(bound >= 0 && bound <= r->index[i].extent);
    return bound;
}

static void shift_run(struct machine *m, const struct reduction *r, int64_t by)
{
    if (r->run != NO_RUN)
        m->slot[r->run] += by;
}

/* ---- conditions ---- */

/* The elements with 0 <= value + factor * i < limit, as a range. */
static struct segment clip(int64_t value, int64_t factor, int64_t limit, struct segment s)
{
    if (factor == 0)
        return value >= 0 && value < limit ? s : (struct segment){0, 0};
    if (factor < 0) { /* mirrored: 0 <= limit - 1 - value - factor * i < limit */
        value = limit - 1 - value;
        factor = -factor;
    }
    int64_t begin = value >= 0 ? 0 : (-value + factor - 1) / factor;
    int64_t end = limit <= value ? 0 : (limit - value + factor - 1) / factor;
    begin = begin > s.begin ? begin : s.begin;
    end = end < s.end ? end : s.end;
    return begin < end ? (struct segment){(uint32_t)begin, (uint32_t)end} : (struct segment){0, 0};
}

static uint32_t split(struct machine *m, const struct reduction *r, const struct condition *c, struct segment s,
                      struct segment *out)
{
    uint32_t found = 0;
    shift_run(m, r, s.begin);
    const int32_t *value = interpret_eval(m, c->node, s.end - s.begin);
    shift_run(m, r, -(int64_t)s.begin);
    for (uint32_t i = s.begin; i < s.end; i++) {
        int32_t here = value[c->node->uniform ? 0 : i - s.begin];
        if (here < 0 || here >= c->limit)
            continue;
        if (found > 0 && out[found - 1].end == i)
            out[found - 1].end++;
        else
            out[found++] = (struct segment){i, i + 1};
    }
    return found;
}

/* The parts of the run where the term is present. Each condition is evaluated only where those before it hold. */
static uint32_t present(struct machine *m, struct reduction *r, size_t count, struct segment **out)
{
    uint32_t segments = 1;
    r->segment[0][0] = (struct segment){0, (uint32_t)count};
    for (uint32_t i = 0; i < r->conditions && segments > 0; i++) {
        const struct condition *c = &r->condition[i];
        struct segment *from = r->segment[i % 2], *to = r->segment[(i + 1) % 2];
        uint32_t kept = 0;
        for (uint32_t s = 0; s < segments; s++) {
            if (c->node) {
                kept += split(m, r, c, from[s], to + kept);
            } else {
                to[kept] = clip(interpret_slot_sum(m, &c->sum), c->run_factor, c->limit, from[s]);
                kept += to[kept].end > to[kept].begin;
            }
        }
        segments = kept;
    }
    *out = r->segment[r->conditions % 2];
    return segments;
}

/* ---- one term ---- */

static void add_f32(float *acc, const float *value, size_t step, size_t count)
{
    for (size_t i = 0; i < count; i++)
        acc[i] += value[i * step];
}

static void add_i32(uint32_t *acc, const uint32_t *value, size_t step, size_t count)
{
    for (size_t i = 0; i < count; i++)
        acc[i] += value[i * step];
}

/* The first of equals wins, a NaN wins over numbers, and whatever comes first over nothing. */
static void keep_max(float *best, int32_t *at, const float *value, size_t step, size_t count, int32_t position,
                     int32_t nothing)
{
    for (size_t i = 0; i < count; i++) {
        float here = value[i * step];
        if (at[i] == nothing || best[i] < here || (isnan(here) && !isnan(best[i]))) {
            best[i] = here;
            at[i] = position;
        }
    }
}

static void add_term(struct machine *m, struct node *node, struct segment s, int32_t position, int32_t nothing)
{
    struct reduction *r = node->reduction;
    size_t count = s.end - s.begin;
    float *acc = (float *)node->out + s.begin;
    shift_run(m, r, s.begin);
    const void *a = interpret_eval(m, r->term[0], count);
    if (r->term[1]) {
        const float *b = interpret_eval(m, r->term[1], count);
        m->fma(acc, count, a, 0, r->term[0]->uniform, b, 0, r->term[1]->uniform, 1);
    } else if (r->kind == KR_MAX_AT) {
        keep_max(acc, r->position + s.begin, a, !r->term[0]->uniform, count, position, nothing);
    } else if (node->type == KT_I32) {
        add_i32((uint32_t *)node->out + s.begin, a, !r->term[0]->uniform, count);
    } else {
        add_f32(acc, a, !r->term[0]->uniform, count);
    }
    shift_run(m, r, -(int64_t)s.begin);
}

/* ---- the fast way for two loads ---- */

static const float *pointer(const struct machine *m, const struct node *load, const struct located *at, size_t i)
{
    const float *base = (const float *)(const void *)m->base[load->place.bank] + at->address;
    return base + (at->offset ? at->offset[i] : (int64_t)i * at->step);
}

static int64_t slot_factor(const struct slot_sum *sum, uint32_t slot)
{
    for (uint32_t i = 0; i < sum->count; i++)
        if (sum->term[i].slot == slot)
            return sum->term[i].factor;
    return 0;
}

/* The terms begin .. end-1 of the innermost index, for the whole run. */
static void add_pointers(struct machine *m, struct node *node, int64_t begin, int64_t end, size_t count)
{
    struct reduction *r = node->reduction;
    uint32_t slot = r->index[r->indices - 1].slot;
    struct node *a = r->term[0], *b = r->term[1];
    m->slot[slot] = begin;
    struct located at_a = interpret_locate(m, &a->place, a->uniform ? 1 : count);
    struct located at_b = interpret_locate(m, &b->place, b->uniform ? 1 : count);
    for (size_t i = 0, next; i < count; i = next) { /* stretches in which both lie side by side */
        size_t a_end = a->uniform ? count : interpret_stretch(&at_a, i, count);
        size_t b_end = b->uniform ? count : interpret_stretch(&at_b, i, count);
        next = a_end < b_end ? a_end : b_end;
        m->fma((float *)node->out + i, next - i, pointer(m, a, &at_a, a->uniform ? 0 : i),
               slot_factor(&a->place.address, slot), a->uniform, pointer(m, b, &at_b, b->uniform ? 0 : i),
               slot_factor(&b->place.address, slot), b->uniform, end - begin);
    }
}

/* The part of the innermost index on which all conditions hold: they are sums, so it is a range. */
static struct segment inner_range(struct machine *m, const struct reduction *r, int64_t count)
{
    uint32_t slot = r->index[r->indices - 1].slot;
    struct segment range = {0, (uint32_t)count};
    m->slot[slot] = 0;
    for (uint32_t i = 0; i < r->conditions; i++)
        range = clip(interpret_slot_sum(m, &r->condition[i].sum), slot_factor(&r->condition[i].sum, slot),
                     r->condition[i].limit, range);
    return range;
}

/* ---- sequential reductions ---- */

/* Steps the indices [0, indices) like an odometer, the last fastest; false when all are back at 0. */
static bool advance(struct machine *m, const struct reduction *r, uint32_t indices, const int64_t *limit)
{
    while (indices-- > 0) {
        int64_t *slot = &m->slot[r->index[indices].slot];
        if (++*slot < limit[indices])
            return true;
        *slot = 0;
    }
    return false;
}

static int32_t row_major(const struct machine *m, const struct reduction *r)
{
    int64_t position = 0;
    for (uint32_t i = 0; i < r->indices; i++)
        position = position * r->index[i].extent + m->slot[r->index[i].slot];
    return (int32_t)position;
}

static int32_t positions(const struct reduction *r)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < r->indices; i++)
        count *= r->index[i].extent;
    return (int32_t)count;
}

static void begin_sum(struct machine *m, struct node *node, size_t count)
{
    struct reduction *r = node->reduction;
    uint32_t *acc = node->out;
    const float nothing = r->kind == KR_MAX_AT ? -INFINITY : 0.0f;
    const void *from = r->from ? interpret_eval(m, r->from, count) : &nothing;
    bool uniform = !r->from || r->from->uniform;
    for (size_t i = 0; i < count; i++)
        memcpy(acc + i, (const uint32_t *)from + (uniform ? 0 : i), sizeof *acc);
    for (size_t i = 0; r->kind == KR_MAX_AT && i < count; i++)
        r->position[i] = positions(r);
}

static const void *sequential(struct machine *m, struct node *node, size_t count)
{
    struct reduction *r = node->reduction;
    int64_t limit[KERNEL_MAX_RANK];
    begin_sum(m, node, count);
    for (uint32_t i = 0; i < r->indices; i++) {
        limit[i] = index_count(m, r, i);
        m->slot[r->index[i].slot] = 0;
        if (limit[i] == 0)
            return node->out;
    }
    uint32_t last = r->indices - 1;
    if (r->pointers) {
        do {
            struct segment range = inner_range(m, r, limit[last]);
            if (range.begin < range.end)
                add_pointers(m, node, range.begin, range.end, count);
        } while (advance(m, r, last, limit));
        return node->out;
    }
    /* Without `from` the first term present is taken as it is; with it, it must be greater. */
    int32_t nothing = r->from ? -1 : positions(r);
    do {
        struct segment *segment;
        uint32_t segments = present(m, r, count, &segment);
        for (uint32_t s = 0; s < segments; s++)
            add_term(m, node, segment[s], row_major(m, r), nothing);
    } while (advance(m, r, r->indices, limit));
    return node->out;
}

/* ---- sums joined by the balanced tree ---- */

/* Adds the next leaf: equal halves join at once, the earlier one on the left. Destroys `leaf`. */
static void join_push(struct joiner *j, float *leaf)
{
    uint32_t level = 0;
    for (; j->count >> level & 1; level++) {
        const float *left = j->level + (size_t)level * j->width;
        for (uint32_t i = 0; i < j->width; i++)
            leaf[i] = left[i] + leaf[i];
    }
    memcpy(j->level + (size_t)level * j->width, leaf, j->width * sizeof *leaf);
    j->count++;
}

/* The root. What is missing on the right is skipped: adding -0 would change nothing. */
static void join_finish(struct joiner *j, float *out)
{
    bool any = false;
    for (uint32_t i = 0; i < j->width; i++)
        out[i] = -0.0f;
    for (uint32_t level = 0; j->count >> level; level++) {
        const float *left = j->level + (size_t)level * j->width;
        if (!(j->count >> level & 1))
            continue;
        for (uint32_t i = 0; i < j->width; i++)
            out[i] = any ? left[i] + out[i] : left[i];
        any = true;
    }
    j->count = 0;
}

/* 16 lanes of `width` values each: lane l + lane l+8, then 4, 2, 1. */
static void fold_lanes(float *lanes, size_t width)
{
    for (size_t half = KERNEL_TREE_GROUP / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half * width; i++)
            lanes[i] += lanes[i + half * width];
}

/* The run stays what it is: 16 lanes of `count` elements are a leaf. */
static const void *tree_along(struct machine *m, struct node *node, size_t count)
{
    struct reduction *r = node->reduction;
    int64_t live = index_count(m, r, 0);
    r->joiner.width = (uint32_t)(KERNEL_TREE_GROUP * count);
    for (int64_t first = 0; first < live; first += KERNEL_TREE_GROUP) {
        for (int64_t l = 0; l < KERNEL_TREE_GROUP; l++) {
            float *lane = r->group + (size_t)l * count;
            bool absent = first + l >= live;
            m->slot[r->index[0].slot] = first + l;
            const float *value = absent ? NULL : interpret_eval(m, r->term[0], count);
            for (size_t i = 0; i < count; i++)
                lane[i] = absent ? -0.0f : value[r->term[0]->uniform ? 0 : i];
        }
        join_push(&r->joiner, r->group);
    }
    join_finish(&r->joiner, r->group);
    fold_lanes(r->group, count);
    memcpy(node->out, r->group, count * sizeof(float));
    return node->out;
}

/* One result from terms evaluated with the batch as the run. */
static float tree_across_one(struct machine *m, struct reduction *r, int64_t live)
{
    float lanes[KERNEL_TREE_GROUP];
    r->joiner.width = KERNEL_TREE_GROUP;
    for (int64_t first = 0; first < live; first += RUN) {
        size_t here = live - first < RUN ? (size_t)(live - first) : RUN;
        m->slot[r->index[0].slot] = first;
        const float *value = interpret_eval(m, r->term[0], here);
        for (size_t group = 0; group < here; group += KERNEL_TREE_GROUP) {
            for (size_t l = 0; l < KERNEL_TREE_GROUP; l++)
                lanes[l] = group + l < here ? value[r->term[0]->uniform ? 0 : group + l] : -0.0f;
            join_push(&r->joiner, lanes);
        }
    }
    join_finish(&r->joiner, lanes);
    fold_lanes(lanes, 1);
    return lanes[0];
}

static const void *tree_across(struct machine *m, struct node *node, size_t count)
{
    struct reduction *r = node->reduction;
    int64_t live = index_count(m, r, 0);
    float *out = node->out;
    for (size_t i = 0; i < count; i++) {
        shift_run(m, r, (int64_t)i);
        out[i] = tree_across_one(m, r, live);
        shift_run(m, r, -(int64_t)i);
    }
    return out;
}

/* Sequential within 64 examples, each block from 0; the blocks are the leaves. */
static const void *blocks(struct machine *m, struct node *node, size_t count)
{
    struct reduction *r = node->reduction;
    int64_t live = index_count(m, r, 0);
    float *acc = node->out;
    r->joiner.width = (uint32_t)count;
    for (int64_t first = 0; first < live; first += KERNEL_SUM_BLOCK) {
        int64_t end = live - first < KERNEL_SUM_BLOCK ? live : first + KERNEL_SUM_BLOCK;
        memset(acc, 0, count * sizeof *acc);
        if (r->pointers) {
            add_pointers(m, node, first, end, count);
        } else {
            for (int64_t i = first; i < end; i++) {
                m->slot[r->index[0].slot] = i;
                add_term(m, node, (struct segment){0, (uint32_t)count}, 0, 0);
            }
        }
        join_push(&r->joiner, acc);
    }
    join_finish(&r->joiner, acc);
    return acc;
}

const void *interpret_reduce(struct machine *m, struct node *node, size_t count)
{
    struct reduction *r = node->reduction;
    if (r->kind == KR_SUM_BLOCKS)
        return blocks(m, node, count);
    if (r->kind == KR_SUM_TREE)
        return r->across ? tree_across(m, node, count) : tree_along(m, node, count);
    return sequential(m, node, count);
}
