/* Sums over the batch: partial sums per group of 16 examples (or block of 64) in scratch, joined as adjacent pairs of
 * the balanced tree; what is absent is skipped, which is the same as adding its -0. */
#include "loops_internal.h"

#include <string.h>

/* Partial sums in scratch. A binary counter joins them: group number g, when its partial sum is there, joins the
 * pending sum of every level whose bit of g is set, from the lowest on, and becomes pending at the first level whose
 * bit is not. These are the adjacent pairs of the balanced tree, with a number of slots that grows with its height
 * only. */
struct parts {
    struct llocal *local;
    enum ktype type;
    uint32_t width, pieces, levels; /* pieces: registers of a group; slot `levels` holds the newest group's */
};

static struct parts parts_new(struct builder *b, enum ktype type, uint32_t width, uint32_t pieces, int64_t groups)
{
    struct parts parts = {.type = type, .width = width, .pieces = pieces, .levels = 1};
    while ((int64_t)1 << (parts.levels - 1) < groups)
        parts.levels++;
    int64_t elements = (int64_t)pieces * width * (parts.levels + 1);
    for (size_t i = 0; i < b->out->locals.count && !parts.local; i++)
        if (!b->out->locals.at[i]->taken && b->out->locals.at[i]->type == type)
            parts.local = b->out->locals.at[i];
    if (!parts.local) {
        parts.local = ARENA_NEW(b->arena, struct llocal);
        *parts.local = (struct llocal){.name = "part", .type = type, .number = (uint32_t)b->out->locals.count};
        vec_push(b->arena, &b->out->locals, parts.local);
    }
    if (parts.local->elements < elements)
        parts.local->elements = elements;
    parts.local->taken = true;
    return parts;
}

static struct lplace part_place(const struct parts *parts, uint32_t slot, uint32_t piece)
{
    int64_t element = ((int64_t)slot * parts->pieces + piece) * parts->width;
    return (struct lplace){.local = parts->local, .element = affine_constant(element)};
}

static const struct lvalue *part_load(struct builder *b, const struct parts *parts, uint32_t slot, uint32_t piece)
{
    struct lplace place = part_place(parts, slot, piece);
    return value_load(b, &place, parts->type, parts->width, 1, NULL, NULL, parts->width > 1);
}

static void part_store(struct builder *b, const struct parts *parts, uint32_t slot, uint32_t piece,
                       const struct lvalue *value)
{
    struct lplace place = part_place(parts, slot, piece);
    if (parts->width > 1)
        value = value_splat(b, value);
    loops_store(b, &place, value, 1, NULL, parts->width > 1);
}

static const struct lvalue *bit_of(struct builder *b, const struct laffine *number, uint32_t level)
{
    struct laffine bit = affine_div(b, number, (int64_t)1 << level);
    bit = affine_mod(b, &bit, 2);
    return value_binary(b, KX_EQ, KT_BOOL, value_integer(b, &bit), value_i32(b, 1));
}

/* The newest group's sum is complete: join it with what is pending from `level` on. */
static void join_newest(struct builder *b, const struct parts *parts, const struct laffine *group, uint32_t level)
{
    struct frame branch = {0};
    bool last = level + 1 == parts->levels;
    if (!last) {
        branch = branch_open(b, bit_of(b, group, level));
        for (uint32_t p = 0; p < parts->pieces; p++) {
            const struct lvalue *left = part_load(b, parts, level, p), *right = part_load(b, parts, parts->levels, p);
            part_store(b, parts, parts->levels, p, value_binary(b, KX_ADD, parts->type, left, right));
        }
        join_newest(b, parts, group, level + 1);
        branch_otherwise(b, &branch);
    }
    size_t mark = scope_open(b);
    for (uint32_t p = 0; p < parts->pieces; p++)
        part_store(b, parts, level, p, part_load(b, parts, parts->levels, p));
    scope_close(b, mark);
    if (!last)
        branch_close(b, &branch);
}

const struct lvalue *tree_neutral(struct builder *b, enum ktype type)
{
    return type == KT_I32 ? value_i32(b, 0) : value_f32(b, -0.0f);
}

/* All that is pending, from the lowest level on: the tree of `present` groups. Then the scratch is free for
 * other sums. */
static void join_pending(struct builder *b, const struct parts *parts, const struct laffine *present,
                         const struct lvalue **out)
{
    for (uint32_t p = 0; p < parts->pieces; p++)
        out[p] = parts->width > 1 ? value_splat(b, tree_neutral(b, parts->type)) : tree_neutral(b, parts->type);
    for (uint32_t level = 0; level < parts->levels; level++) {
        struct frame pending = branch_open(b, bit_of(b, present, level));
        branch_carry(b, &pending, parts->pieces, out);
        for (uint32_t p = 0; p < parts->pieces; p++)
            out[p] = value_binary(b, KX_ADD, parts->type, part_load(b, parts, level, p), out[p]);
        branch_close(b, &pending);
    }
    parts->local->taken = false;
}

void tree_terms(struct builder *b, const struct kexpr *expr, const struct laffine *first, uint32_t count,
                const struct point *point, const struct lvalue **out)
{
    const struct kindex *m = expr->reduce->index[0];
    bool whole = m->extent % b->lanes == 0; /* there is memory for all of a vector that has an example */
    struct lindex to = {.base = *first, .lane = 1};
    const struct lvalue *in = NULL;
    if (m->bound || !whole) {
        struct laffine live = affine_extent(b, m);
        in = value_binary(b, KX_LT, KT_BOOL, value_index(b, &to), value_integer(b, &live));
    }
    struct point *p = ARENA_ARRAY(b->arena, struct point, count);
    for (uint32_t i = 0; i < count; i++)
        p[i] = (struct point){env_index(b, point[i].env, m, to), in, b->lanes, whole};
    eval(b, expr->reduce->term[0], count, p, out);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = value_splat(b, out[i]);
        if (in)
            out[i] = value_kop(b, KX_SELECT, expr->type, 3,
                               (const struct lvalue *[]){in, out[i], tree_neutral(b, expr->type)});
    }
}

/* sum.tree with the batch in the lanes: a group of 16 is 16 / lanes vectors, of which the last group may have fewer. */
static void tree_in_lanes(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                          const struct lvalue **out)
{
    const struct kindex *m = expr->reduce->index[0];
    uint32_t vectors = KERNEL_TREE_GROUP / b->lanes;
    int64_t groups = (m->extent + KERNEL_TREE_GROUP - 1) / KERNEL_TREE_GROUP;
    struct laffine live = affine_extent(b, m), present = affine_div_up(b, &live, KERNEL_TREE_GROUP);
    struct parts parts = {0};
    struct frame frame;
    struct laffine group = affine_constant(0), zero = group;
    if (groups > 1) {
        parts = parts_new(b, expr->type, b->lanes, count * vectors, groups);
        const struct lterm *var = term_var(b, "group", 0, groups - 1);
        group = affine_term(b, var, 1);
        frame = loop_open(b, var, &zero, 1, &present, 1);
    }
    const struct lvalue **term = ARENA_ARRAY(b->arena, const struct lvalue *, (size_t)count * vectors);
    for (uint32_t v = 0; v < vectors; v++) {
        struct laffine first = affine_scale(b, &group, KERNEL_TREE_GROUP);
        first.constant += (int64_t)v * b->lanes;
        const struct lvalue **x = ARENA_ARRAY(b->arena, const struct lvalue *, count);
        bool never = groups == 1 && (int64_t)v * b->lanes >= m->extent;
        bool sometimes = !never && groups > 1 && v && m->extent % KERNEL_TREE_GROUP;
        struct frame there = {0};
        for (uint32_t i = 0; i < count && (never || sometimes); i++)
            x[i] = value_splat(b, tree_neutral(b, expr->type));
        if (sometimes) {
            there = branch_open(b, value_binary(b, KX_LT, KT_BOOL, value_integer(b, &first), value_integer(b, &live)));
            branch_carry(b, &there, count, x);
        }
        if (!never)
            tree_terms(b, expr, &first, count, point, x);
        if (sometimes)
            branch_close(b, &there);
        for (uint32_t i = 0; i < count; i++) {
            if (groups > 1)
                part_store(b, &parts, parts.levels, i * vectors + v, x[i]);
            term[i * vectors + v] = x[i];
        }
    }
    if (groups > 1) {
        join_newest(b, &parts, &group, 0);
        loop_close(b, &frame);
        join_pending(b, &parts, &present, term);
    }
    for (uint32_t i = 0; i < count; i++)
        out[i] = value_fold16(b, vectors, term + i * vectors);
}

/* A bound is at least 1, so that the only example there can be is there. */
static void tree_of_one(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                        const struct lvalue **out)
{
    struct lindex first = {.base = affine_constant(0)};
    eval(b, expr->reduce->term[0], count, env_points(b, count, point, expr->reduce->index[0], first), out);
}

/* sum.tree with something else, or nothing, in the lanes: example after example into scratch, then the same tree. */
static void tree_by_examples(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                             const struct lvalue **out)
{
    const struct kreduce *r = expr->reduce;
    const struct kindex *m = r->index[0];
    int64_t groups = (m->extent + KERNEL_TREE_GROUP - 1) / KERNEL_TREE_GROUP;
    /* lanes that no example can be in are left out: they would add -0 */
    uint32_t members = m->extent < KERNEL_TREE_GROUP ? (uint32_t)m->extent : KERNEL_TREE_GROUP;
    if (members == 1) {
        tree_of_one(b, expr, count, point, out);
        return;
    }
    bool wide = false;
    for (uint32_t i = 0; i < count; i++)
        wide |= loops_term_is_wide(b, r, &point[i]);
    uint32_t width = wide ? b->lanes : 1;
    struct parts parts = parts_new(b, expr->type, width, count * members, groups);
    struct laffine live = affine_extent(b, m), present = affine_div_up(b, &live, KERNEL_TREE_GROUP);
    struct laffine zero = affine_constant(0);
    const struct lterm *number = term_var(b, "group", 0, groups - 1);
    struct frame outer = loop_open(b, number, &zero, 1, &present, 1);
    struct laffine group = affine_term(b, number, 1), first = affine_scale(b, &group, KERNEL_TREE_GROUP);
    struct laffine here[2] = {affine_add(b, &live, &first, -1), affine_constant(members)};
    for (int absent = 0; absent < 2; absent++) { /* lanes of the group that have an example, then the others */
        const struct lterm *var = term_var(b, m->name, 0, members - 1);
        struct frame frame = loop_open(b, var, absent ? here : &zero, 1, absent ? here + 1 : here, absent ? 1 : 2);
        struct laffine lane = affine_term(b, var, 1), example = affine_add(b, &first, &lane, 1);
        const struct lvalue **x = ARENA_ARRAY(b->arena, const struct lvalue *, count);
        if (!absent)
            eval(b, r->term[0], count, env_points(b, count, point, m, (struct lindex){.base = example}), x);
        for (uint32_t i = 0; i < count; i++) {
            struct lplace place = part_place(&parts, parts.levels, i * members);
            place.element = affine_add(b, &place.element, &lane, width);
            const struct lvalue *e = absent ? tree_neutral(b, expr->type) : x[i];
            loops_store(b, &place, width > 1 ? value_splat(b, e) : e, 1, NULL, width > 1);
        }
        loop_close(b, &frame);
    }
    join_newest(b, &parts, &group, 0);
    loop_close(b, &outer);
    const struct lvalue **sum = ARENA_ARRAY(b->arena, const struct lvalue *, (size_t)count * members);
    join_pending(b, &parts, &present, sum);
    for (uint32_t i = 0; i < count; i++) {
        const struct lvalue *lane[KERNEL_TREE_GROUP];
        for (uint32_t l = 0; l < members; l++)
            lane[l] = sum[i * members + l];
        for (uint32_t half = KERNEL_TREE_GROUP / 2; half; half /= 2)
            for (uint32_t l = 0; l < half && l + half < members; l++)
                lane[l] = value_binary(b, KX_ADD, expr->type, lane[l], lane[l + half]);
        out[i] = lane[0];
    }
}

/* sum.blocks: sequential fma within blocks of 64 examples, blocks joined by the tree. */
void reduce_blocks(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                          const struct lvalue **out)
{
    const struct kreduce *r = expr->reduce;
    const struct kindex *m = r->index[0];
    int64_t blocks = (m->extent + KERNEL_SUM_BLOCK - 1) / KERNEL_SUM_BLOCK;
    struct laffine live = affine_extent(b, m), present = affine_div_up(b, &live, KERNEL_SUM_BLOCK);
    struct laffine zero = affine_constant(0), block = zero;
    bool wide = false;
    for (uint32_t i = 0; i < count; i++)
        wide |= loops_term_is_wide(b, r, &point[i]);
    struct parts parts = {0};
    struct frame outer;
    if (blocks > 1) {
        parts = parts_new(b, expr->type, wide ? b->lanes : 1, count, blocks);
        const struct lterm *var = term_var(b, "block", 0, blocks - 1);
        block = affine_term(b, var, 1);
        outer = loop_open(b, var, &zero, 1, &present, 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        out[i] = value_f32(b, 0);
        if (loops_term_is_wide(b, r, &point[i]))
            out[i] = value_splat(b, out[i]);
    }
    const struct lterm *var = term_var(b, m->name, 0,
                                       (m->extent < KERNEL_SUM_BLOCK ? m->extent : KERNEL_SUM_BLOCK) - 1);
    struct laffine end[2] = {affine_scale(b, &block, -KERNEL_SUM_BLOCK), affine_constant(KERNEL_SUM_BLOCK)};
    end[0] = affine_add(b, &live, &end[0], 1);
    struct frame frame = loop_open(b, var, &zero, 1, end, blocks > 1 ? 2 : 1);
    loop_carry(b, &frame, count, out);
    struct lindex to = {.base = affine_scale(b, &block, KERNEL_SUM_BLOCK)};
    struct laffine within = affine_term(b, var, 1);
    to.base = affine_add(b, &to.base, &within, 1);
    uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        pick[i] = i;
    loops_accumulate_products(b, r, env_points(b, count, point, m, to), count, out, pick);
    loop_close(b, &frame);
    if (blocks == 1)
        return;
    for (uint32_t i = 0; i < count; i++)
        part_store(b, &parts, parts.levels, i, out[i]);
    join_newest(b, &parts, &block, 0);
    loop_close(b, &outer);
    join_pending(b, &parts, &present, out);
}

void reduce_tree(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                 const struct lvalue **out)
{
    if (reduce_in_groups(b, expr, count, point, out))
        return;
    const char *lanes = b->kernel->schedule.lanes;
    bool in_lanes = b->lanes > 1 && lanes && strcmp(lanes, expr->reduce->index[0]->name) == 0;
    for (uint32_t i = 0; i < count; i++)
        in_lanes = in_lanes && !point[i].mask; /* a mask is of other lanes than the examples */
    if (in_lanes)
        tree_in_lanes(b, expr, count, point, out);
    else
        tree_by_examples(b, expr, count, point, out);
}
