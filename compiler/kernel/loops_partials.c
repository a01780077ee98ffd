/* Sums over the batch group by group, for nests in blocks: the partial sums of 16 examples lie in scratch per element
 * of the block, where a binary counter joins them; behind the last group all that is pending is folded. */
#include "loops_blocks.h"

static struct lplace slot_place(struct builder *b, const struct group_sums *g, const struct laffine *level,
                                const struct laffine *element, const struct laffine *vector)
{
    struct laffine at = affine_scale(b, level, g->elements);
    at = affine_add(b, &at, element, 1);
    at = affine_scale(b, &at, KERNEL_TREE_GROUP);
    at = affine_add(b, &at, vector, b->lanes);
    return (struct lplace){.local = g->local, .element = at};
}

static const struct lvalue *slot_load(struct builder *b, const struct group_sums *g, const struct laffine *level,
                                      const struct laffine *element, const struct laffine *vector)
{
    struct lplace place = slot_place(b, g, level, element, vector);
    return value_load(b, &place, g->type, b->lanes, 1, NULL, NULL, true);
}

/* Level by level, as long as one is pending there: what is pending + what is new. */
static void join_pending(struct builder *b, const struct group_sums *g, const struct laffine *vector, uint32_t count,
                         const struct lvalue **sum)
{
    const struct lterm *var = term_var(b, "level", 0, g->levels - 1);
    struct laffine zero = affine_constant(0), level = affine_term(b, var, 1);
    struct frame frame = loop_open(b, var, &zero, 1, &g->joins, 1);
    loop_carry(b, &frame, count, sum);
    for (uint32_t i = 0; i < count; i++)
        sum[i] = value_binary(b, KX_ADD, g->type, slot_load(b, g, &level, &g->element[i], vector), sum[i]);
    loop_close(b, &frame);
}

/* One vector of the group's examples, or of places without any. */
static void sum_vector(struct builder *b, const struct group_sums *g, const struct kexpr *expr,
                       const struct laffine *vector, bool absent, uint32_t count, const struct point *point)
{
    struct laffine first = affine_scale(b, &g->group, KERNEL_TREE_GROUP);
    first = affine_add(b, &first, vector, b->lanes);
    const struct lvalue **sum = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    for (uint32_t i = 0; i < count && absent; i++)
        sum[i] = value_splat(b, tree_neutral(b, g->type));
    if (!absent)
        tree_terms(b, expr, &first, count, point, sum);
    if (g->levels > 1)
        join_pending(b, g, vector, count, sum);
    for (uint32_t i = 0; i < count; i++) {
        struct lplace place = slot_place(b, g, &g->joins, &g->element[i], vector);
        loops_store(b, &place, sum[i], 1, NULL, true);
    }
}

bool reduce_in_groups(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                      const struct lvalue **out)
{
    const struct group_sums *g = b->groups;
    if (!g || g->reduce != expr->reduce)
        return false;
    struct laffine zero = affine_constant(0), end[2] = {affine_constant(KERNEL_TREE_GROUP / b->lanes)};
    const struct kindex *m = expr->reduce->index[0];
    bool sometimes = m->extent % KERNEL_TREE_GROUP; /* the last group's vectors have an example each */
    if (sometimes) {
        struct laffine live = affine_extent(b, m);
        end[1] = affine_div_up(b, &live, b->lanes);
        end[1] = affine_add(b, &end[1], &g->group, -end[0].constant);
    }
    if (!g->finished && end[0].constant == 1)
        sum_vector(b, g, expr, &zero, false, count, point);
    for (int absent = 0; absent < 1 + sometimes && end[0].constant > 1 && !g->finished; absent++) {
        const struct lterm *var = term_var(b, "vector", 0, end[0].constant - 1);
        struct laffine vector = affine_term(b, var, 1);
        struct frame frame = loop_open(b, var, absent ? end + 1 : &zero, 1, end, sometimes && !absent ? 2 : 1);
        sum_vector(b, g, expr, &vector, absent, count, point);
        loop_close(b, &frame);
    }
    for (uint32_t i = 0; i < count; i++) /* partial sums stay in scratch */
        out[i] = g->finished ? g->finished : value_splat(b, tree_neutral(b, g->type));
    return true;
}

struct laffine groups_joins(struct builder *b, const struct group_sums *g)
{
    const struct lvalue *joins = value_i32(b, 0);
    for (uint32_t l = 1; l < g->levels; l++) {
        struct laffine low = affine_mod(b, &g->group, (int64_t)1 << l);
        const struct lvalue *ones =
            value_binary(b, KX_EQ, KT_BOOL, value_integer(b, &low), value_i32(b, (int32_t)(((int64_t)1 << l) - 1)));
        const struct lvalue *one = value_kop(b, KX_SELECT, KT_I32, 3,
                                             (const struct lvalue *[]){ones, value_i32(b, 1), value_i32(b, 0)});
        joins = value_binary(b, KX_ADD, KT_I32, joins, one);
    }
    return affine_term(b, term_value(b, joins, 0, g->levels - 1), 1);
}

struct group_sums groups_new(struct builder *b, const struct blocks *n)
{
    const struct kreduce *r = n->sum->reduce;
    const struct kindex *m = r->index[0];
    int64_t groups = (m->extent + KERNEL_TREE_GROUP - 1) / KERNEL_TREE_GROUP;
    struct group_sums g = {.reduce = r, .type = n->sum->type, .elements = n->elements, .levels = 1};
    while ((int64_t)1 << (g.levels - 1) < groups)
        g.levels++;
    /* the last vector of elements reads, and does not use, what lies behind */
    int64_t room = (n->elements * g.levels + b->lanes - 1) * KERNEL_TREE_GROUP;
    struct llocal *local = ARENA_NEW(b->arena, struct llocal);
    *local = (struct llocal){"part", g.type, room, (uint32_t)b->out->locals.count, true};
    vec_push(b->arena, &b->out->locals, local);
    g.local = local;
    struct laffine live = affine_extent(b, m);
    g.present = affine_div_up(b, &live, KERNEL_TREE_GROUP);
    return g;
}

const struct lvalue *groups_folded(struct builder *b, const struct laffine *element)
{
    const struct group_sums *g = b->groups;
    uint32_t vectors = KERNEL_TREE_GROUP / b->lanes, registers = KERNEL_TREE_GROUP;
    const struct lvalue *sum[KERNEL_TREE_GROUP];
    struct laffine zero = affine_constant(0), end = affine_constant(g->levels), at[KERNEL_TREE_GROUP];
    for (uint32_t i = 0; i < registers; i++) {
        at[i] = *element;
        at[i].constant += i / vectors;
    }
    if (g->levels == 1) {
        for (uint32_t i = 0; i < registers; i++) {
            struct laffine vector = affine_constant(i % vectors);
            sum[i] = slot_load(b, g, &zero, &at[i], &vector);
        }
        return value_folds16(b, sum);
    }
    const struct lterm *var = term_var(b, "level", 0, g->levels - 1);
    struct laffine level = affine_term(b, var, 1);
    for (uint32_t i = 0; i < registers; i++)
        sum[i] = value_splat(b, tree_neutral(b, g->type));
    struct frame frame = loop_open(b, var, &zero, 1, &end, 1);
    loop_carry(b, &frame, registers, sum);
    const struct lvalue *number = value_integer(b, &level);
    const struct lvalue *bit = value_binary(b, KX_LSHR, KT_I32, value_integer(b, &g->present), number);
    bit = value_binary(b, KX_AND, KT_I32, bit, value_i32(b, 1));
    struct frame pending = branch_open(b, value_binary(b, KX_EQ, KT_BOOL, bit, value_i32(b, 1)));
    branch_carry(b, &pending, registers, sum);
    for (uint32_t i = 0; i < registers; i++) {
        struct laffine vector = affine_constant(i % vectors);
        sum[i] = value_binary(b, KX_ADD, g->type, slot_load(b, g, &level, &at[i], &vector), sum[i]);
    }
    branch_close(b, &pending);
    loop_close(b, &frame);
    return value_folds16(b, sum);
}
