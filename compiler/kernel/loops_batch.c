/* Sums over the batch: partial sums per group of 16 examples (or block of 64) in scratch, joined as adjacent pairs of the
 * balanced tree; what is absent is skipped, which is the same as adding its -0. */
#include "loops_internal.h"

#include <string.h>

struct parts {
    const struct llocal *local;
    enum ktype type;
    uint32_t width, pieces; /* registers a group has */
};

static struct lplace part_place(struct builder *b, const struct parts *parts, const struct laffine *group,
                                uint32_t piece)
{
    struct laffine element = affine_scale(b, group, (int64_t)parts->pieces * parts->width);
    element.constant += (int64_t)piece * parts->width;
    return (struct lplace){.local = parts->local, .element = element};
}

static const struct lvalue *part_load(struct builder *b, const struct parts *parts, const struct laffine *group,
                                      uint32_t piece)
{
    struct lplace place = part_place(b, parts, group, piece);
    return value_load(b, &place, parts->type, parts->width, 1, NULL, NULL, parts->width > 1);
}

static void part_store(struct builder *b, const struct parts *parts, const struct laffine *group, uint32_t piece,
                       const struct lvalue *value)
{
    struct lplace place = part_place(b, parts, group, piece);
    if (parts->width > 1)
        value = value_splat(b, value);
    loops_store(b, &place, value, 1, NULL, parts->width > 1);
}

static struct parts parts_new(struct builder *b, enum ktype type, uint32_t width, uint32_t pieces, int64_t groups)
{
    struct llocal *local = ARENA_NEW(b->arena, struct llocal);
    *local = (struct llocal){"part", type, (int64_t)pieces * width * groups, (uint32_t)b->out->locals.count};
    vec_push(b->arena, &b->out->locals, local);
    return (struct parts){local, type, width, pieces};
}

/* part[i] += part[i + stride] for i = 0, 2 stride, ... while i + stride < present, stride = 1, 2, 4, ... */
static void join_parts(struct builder *b, const struct parts *parts, int64_t groups, const struct laffine *present)
{
    for (int64_t stride = 1; stride < groups; stride *= 2) {
        /* pair number i: left 2 stride i, right 2 stride i + stride < present */
        struct laffine pairs = *present;
        pairs.constant += stride - 1;
        pairs = affine_floor_div(b, &pairs, 2 * stride);
        const struct lterm *var = term_var(b, "pair", 0, (groups - stride - 1) / (2 * stride));
        struct laffine zero = affine_constant(0);
        struct loop_frame frame = loop_open(b, var, &zero, 1, &pairs, 1);
        struct laffine left = affine_term(b, var, 2 * stride), right = left;
        right.constant += stride;
        for (uint32_t p = 0; p < parts->pieces; p++) {
            const struct lvalue *x = part_load(b, parts, &left, p), *y = part_load(b, parts, &right, p);
            part_store(b, parts, &left, p, value_binary(b, KX_ADD, parts->type, x, y));
        }
        loop_close(b, &frame, 0, NULL);
    }
}

static const struct lvalue *neutral(struct builder *b, enum ktype type)
{
    return type == KT_I32 ? value_i32(b, 0) : value_f32(b, -0.0f);
}

static struct laffine live_of(struct builder *b, const struct kindex *index)
{
    return index->bound ? affine_term(b, term_scalar(b, index->bound), 1) : affine_constant(index->extent);
}

/* sum.tree with the batch in the lanes: a group of 16 is 16 / lanes vectors. */
static void tree_in_lanes(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                          const struct lvalue **out)
{
    const struct kreduce *r = expr->reduce;
    const struct kindex *m = r->index[0];
    uint32_t vectors = KERNEL_TREE_GROUP / b->lanes;
    int64_t groups = (m->extent + KERNEL_TREE_GROUP - 1) / KERNEL_TREE_GROUP;
    struct laffine live = live_of(b, m), present = live;
    present.constant += KERNEL_TREE_GROUP - 1;
    present = affine_div(b, &present, KERNEL_TREE_GROUP);
    struct parts parts = {0};
    struct loop_frame frame;
    struct laffine group = affine_constant(0), zero = group;
    if (groups > 1) {
        parts = parts_new(b, expr->type, b->lanes, count * vectors, groups);
        const struct lterm *var = term_var(b, "group", 0, groups - 1);
        group = affine_term(b, var, 1);
        frame = loop_open(b, var, &zero, 1, &present, 1);
    }
    const struct lvalue **term = ARENA_ARRAY(b->arena, const struct lvalue *, (size_t)count * vectors);
    for (uint32_t v = 0; v < vectors; v++) {
        struct lindex to = {.base = affine_scale(b, &group, KERNEL_TREE_GROUP), .lane = 1};
        to.base.constant += (int64_t)v * b->lanes;
        const struct lvalue *in = NULL;
        if (m->bound || m->extent % KERNEL_TREE_GROUP)
            in = value_binary(b, KX_LT, KT_BOOL, value_index(b, &to), value_integer(b, &live));
        struct point *p = ARENA_ARRAY(b->arena, struct point, count);
        const struct lvalue **x = ARENA_ARRAY(b->arena, const struct lvalue *, count);
        for (uint32_t i = 0; i < count; i++) {
            p[i] = point[i];
            p[i].env = env_index(b, point[i].env, m, to);
            if (in)
                p[i].mask = p[i].mask ? value_binary(b, KX_LAND, KT_BOOL, p[i].mask, in) : in;
        }
        eval(b, r->term[0], count, p, x);
        for (uint32_t i = 0; i < count; i++) {
            const struct lvalue *e = value_splat(b, x[i]);
            if (in)
                e = value_kop(b, KX_SELECT, expr->type, 3, (const struct lvalue *[]){in, e, neutral(b, expr->type)});
            if (groups > 1)
                part_store(b, &parts, &group, i * vectors + v, e);
            term[i * vectors + v] = e;
        }
    }
    if (groups > 1) {
        loop_close(b, &frame, 0, NULL);
        join_parts(b, &parts, groups, &present);
        for (uint32_t i = 0; i < count * vectors; i++)
            term[i] = part_load(b, &parts, &zero, i);
    }
    for (uint32_t i = 0; i < count; i++)
        out[i] = value_fold16(b, vectors, term + i * vectors);
}

/* sum.tree with something else, or nothing, in the lanes: example after example into scratch, then the same tree. */
static void tree_by_examples(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                             const struct lvalue **out)
{
    const struct kreduce *r = expr->reduce;
    const struct kindex *m = r->index[0];
    int64_t groups = (m->extent + KERNEL_TREE_GROUP - 1) / KERNEL_TREE_GROUP;
    bool wide = false;
    for (uint32_t i = 0; i < count; i++)
        wide |= loops_term_is_wide(b, r, &point[i]);
    uint32_t width = wide ? b->lanes : 1;
    struct parts parts = parts_new(b, expr->type, width, count * KERNEL_TREE_GROUP, groups);
    struct laffine live = live_of(b, m), present = live, zero = affine_constant(0);
    present.constant += KERNEL_TREE_GROUP - 1;
    present = affine_div(b, &present, KERNEL_TREE_GROUP);
    struct laffine room = affine_scale(b, &present, KERNEL_TREE_GROUP);
    /* piece p = point * 16 + lane; element = (group * count * 16 + p) * width */
    for (int absent = 0; absent < 2; absent++) {
        const struct lterm *var = term_var(b, m->name, 0, groups * KERNEL_TREE_GROUP - 1);
        struct loop_frame frame = loop_open(b, var, absent ? &live : &zero, 1, absent ? &room : &live, 1);
        struct laffine example = affine_term(b, var, 1);
        struct laffine g = affine_div(b, &example, KERNEL_TREE_GROUP), lane = affine_mod(b, &example, KERNEL_TREE_GROUP);
        const struct lvalue **x = ARENA_ARRAY(b->arena, const struct lvalue *, count);
        if (!absent) {
            struct point *p = ARENA_ARRAY(b->arena, struct point, count);
            for (uint32_t i = 0; i < count; i++) {
                p[i] = point[i];
                p[i].env = env_index(b, point[i].env, m, (struct lindex){.base = example});
            }
            eval(b, r->term[0], count, p, x);
        }
        for (uint32_t i = 0; i < count; i++) {
            struct lplace place = part_place(b, &parts, &g, i * KERNEL_TREE_GROUP);
            place.element = affine_add(b, &place.element, &lane, width);
            const struct lvalue *e = absent ? neutral(b, expr->type) : x[i];
            loops_store(b, &place, width > 1 ? value_splat(b, e) : e, 1, NULL, width > 1);
        }
        loop_close(b, &frame, 0, NULL);
    }
    join_parts(b, &parts, groups, &present);
    for (uint32_t i = 0; i < count; i++) {
        const struct lvalue *lane[KERNEL_TREE_GROUP];
        for (uint32_t l = 0; l < KERNEL_TREE_GROUP; l++)
            lane[l] = part_load(b, &parts, &zero, i * KERNEL_TREE_GROUP + l);
        for (uint32_t half = KERNEL_TREE_GROUP / 2; half; half /= 2)
            for (uint32_t l = 0; l < half; l++)
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
    struct laffine live = live_of(b, m), present = live, zero = affine_constant(0), block = zero;
    present.constant += KERNEL_SUM_BLOCK - 1;
    present = affine_div(b, &present, KERNEL_SUM_BLOCK);
    bool wide = false;
    for (uint32_t i = 0; i < count; i++)
        wide |= loops_term_is_wide(b, r, &point[i]);
    struct parts parts = {0};
    struct loop_frame outer;
    if (blocks > 1) {
        parts = parts_new(b, expr->type, wide ? b->lanes : 1, count, blocks);
        const struct lterm *var = term_var(b, "block", 0, blocks - 1);
        block = affine_term(b, var, 1);
        outer = loop_open(b, var, &zero, 1, &present, 1);
    }
    const struct lvalue **acc = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    struct lcarried *carried = ARENA_ARRAY(b->arena, struct lcarried, count);
    for (uint32_t i = 0; i < count; i++) {
        carried[i].first = value_f32(b, 0);
        if (loops_term_is_wide(b, r, &point[i]))
            carried[i].first = value_splat(b, carried[i].first);
        b->hint = "acc";
        carried[i].phi = value_phi(b, expr->type, carried[i].first->width);
    }
    const struct lterm *var = term_var(b, m->name, 0, (m->extent < KERNEL_SUM_BLOCK ? m->extent : KERNEL_SUM_BLOCK) - 1);
    struct laffine end[2] = {affine_scale(b, &block, -KERNEL_SUM_BLOCK), affine_constant(KERNEL_SUM_BLOCK)};
    end[0] = affine_add(b, &live, &end[0], 1);
    struct loop_frame frame = loop_open(b, var, &zero, 1, end, blocks > 1 ? 2 : 1);
    struct lindex to = {.base = affine_scale(b, &block, KERNEL_SUM_BLOCK)};
    struct laffine within = affine_term(b, var, 1);
    to.base = affine_add(b, &to.base, &within, 1);
    struct point *bound = ARENA_ARRAY(b->arena, struct point, count);
    uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) {
        acc[i] = carried[i].phi;
        pick[i] = i;
        bound[i] = point[i];
        bound[i].env = env_index(b, point[i].env, m, to);
    }
    loops_accumulate_products(b, r, bound, count, acc, pick);
    for (uint32_t i = 0; i < count; i++)
        carried[i].next = acc[i];
    loop_close(b, &frame, count, carried);
    for (uint32_t i = 0; i < count; i++)
        out[i] = carried[i].phi;
    if (blocks == 1)
        return;
    for (uint32_t i = 0; i < count; i++)
        part_store(b, &parts, &block, i, out[i]);
    loop_close(b, &outer, 0, NULL);
    join_parts(b, &parts, blocks, &present);
    for (uint32_t i = 0; i < count; i++)
        out[i] = part_load(b, &parts, &zero, i);
}

void reduce_tree(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                 const struct lvalue **out)
{
    const char *lanes = b->kernel->schedule.lanes;
    if (b->lanes > 1 && lanes && strcmp(lanes, expr->reduce->index[0]->name) == 0)
        tree_in_lanes(b, expr, count, point, out);
    else
        tree_by_examples(b, expr, count, point, out);
}
