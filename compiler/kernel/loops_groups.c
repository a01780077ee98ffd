/* Nests whose one sum over the batch, with the batch in the lanes, is made block by block: around all the tiles of a
 * block runs the loop over groups of 16 examples, so that what a group reads stays in the cache while every tile of the
 * block uses it. Partial sums lie in scratch, where a binary counter joins them; behind the last group the sums of
 * neighbouring elements are folded into one vector, and the stores happen as many at a time as there are lanes. */
#include "loops_internal.h"

#include <string.h>

struct block_dim {
    const char *name;
    int64_t extent, tile, size, blocks; /* size: of a block, a multiple of the tile or the extent */
    int64_t scratch;                    /* from one element to the next in scratch, in elements */
    struct laffine base;                /* first element of the block */
    struct laffine within, at;          /* first element of the tile, seen from there and from the beginning */
    int64_t count;                      /* elements of the tile */
};

struct blocks {
    const struct kstatement *const *store;
    const struct kstatement *reducing; /* a store whose value has the sum in it */
    uint32_t stores, rank, split;      /* split: from this dim on a block's elements lie side by side everywhere */
    struct block_dim dim[KERNEL_MAX_RANK];
    uint32_t order[KERNEL_MAX_RANK]; /* loops over tiles, outside in */
    int64_t elements;                /* of a block */
};

/* ---- which nests ---- */

/* What an index within lets means: a dim of the nest. */
struct meaning {
    const struct kindex *index;
    uint32_t dim;
    const struct meaning *outer;
};

struct probe {
    struct builder *b;
    uint32_t rank, flat;         /* flat: from this dim on elements lie side by side in every buffer read or written */
    const struct kexpr *reduce;  /* the only sum, found so far */
};

static const struct meaning *meaning_of(const struct meaning *m, const struct kexpr *expr)
{
    while (expr->op == KX_INDEX && m && m->index != expr->index)
        m = m->outer;
    return expr->op == KX_INDEX ? m : NULL;
}

static bool depends(const struct kexpr *expr, const struct kindex *index)
{
    bool found = expr->op == KX_INDEX && expr->index == index;
    if (expr->op == KX_LET) {
        for (uint32_t i = 0; i < expr->count; i++)
            found |= depends(expr->arg[i], index) && depends(expr->let->value, expr->let->index[i]);
        return found;
    }
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        const struct kexpr *const part[] = {r->from, r->term[0], r->term[1]};
        for (int i = 0; i < 3; i++)
            found |= part[i] && depends(part[i], index);
    }
    for (uint32_t i = 0; i < expr->count; i++)
        found |= depends(expr->arg[i], index);
    return found;
}

static void note_layout(struct probe *p, const struct kbuffer *buffer)
{
    int64_t stride[KERNEL_MAX_RANK], next = 1;
    bool plain[KERNEL_MAX_RANK] = {false};
    for (uint32_t i = 0; i < buffer->layout.count; i++) {
        const struct kdigit *g = &buffer->layout.digit[i];
        stride[g->dim] = g->stride;
        plain[g->dim] = g->div <= 1 && g->mod == 0;
    }
    uint32_t flat = p->rank;
    while (flat && plain[flat - 1] && stride[flat - 1] == next)
        next *= buffer->extent[--flat];
    p->flat = flat > p->flat ? flat : p->flat;
}

/* Whether the value at an element needs nothing but scalars, the buffers' elements there, and one sum. */
static bool probe(struct probe *p, const struct kexpr *expr, const struct meaning *m)
{
    switch (expr->op) {
    case KX_INDEX:
    case KX_POSITION:
        return false;
    case KX_LOAD:
        for (uint32_t i = 0; i < expr->count; i++) {
            const struct meaning *of = meaning_of(m, expr->arg[i]);
            if (expr->count != p->rank || !of || of->dim != i)
                return false;
        }
        if (expr->count)
            note_layout(p, expr->buffer);
        return true;
    case KX_LET: {
        const struct meaning *inner = NULL;
        for (uint32_t i = 0; i < expr->count; i++) {
            const struct meaning *of = meaning_of(m, expr->arg[i]);
            if (!of)
                return false;
            struct meaning *bound = ARENA_NEW(p->b->arena, struct meaning);
            *bound = (struct meaning){expr->let->index[i], of->dim, inner};
            inner = bound;
        }
        return probe(p, expr->let->value, inner);
    }
    case KX_REDUCE: {
        uint32_t dims = 0;
        for (; m; m = m->outer)
            if (depends(expr, m->index))
                dims |= 1u << m->dim;
        if (expr->reduce->kind != KR_SUM_TREE || dims != (1u << p->rank) - 1 || (p->reduce && p->reduce != expr) ||
            strcmp(expr->reduce->index[0]->name, p->b->kernel->schedule.lanes) != 0)
            return false;
        p->reduce = expr;
        return true;
    }
    case KX_WHERE:
    case KX_LAND:
    case KX_LOR:
        if (loops_reduces(expr))
            return false;
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (!probe(p, expr->arg[i], m))
            return false;
    return true;
}

static int64_t size_of(const struct ktile *list, size_t count, const char *name, int64_t otherwise)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].index, name) == 0)
            return list[i].size;
    return otherwise;
}

static void choose_order(const struct kschedule *schedule, struct blocks *n)
{
    uint32_t placed = 0, done = 0;
    for (size_t i = 0; i < schedule->order.count; i++)
        for (uint32_t d = 0; d < n->rank; d++)
            if (!(done >> d & 1) && strcmp(schedule->order.at[i], n->dim[d].name) == 0) {
                n->order[placed++] = d;
                done |= 1u << d;
            }
    for (uint32_t d = 0; d < n->rank; d++)
        if (!(done >> d & 1))
            n->order[placed++] = d;
}

static bool find_blocks(struct builder *b, const struct kstatement *const *store, uint32_t stores, struct blocks *n)
{
    const struct kschedule *schedule = &b->kernel->schedule;
    if (!schedule->block.count || !schedule->lanes || b->lanes < 4 || store[0]->rank == 0)
        return false;
    *n = (struct blocks){.store = store, .stores = stores, .rank = store[0]->rank};
    struct probe p = {.b = b, .rank = n->rank};
    for (uint32_t s = 0; s < stores; s++) {
        const struct meaning *m = NULL;
        for (uint32_t d = 0; d < n->rank; d++) {
            if (strcmp(store[s]->index[d]->name, store[0]->index[d]->name) != 0)
                return false;
            struct meaning *bound = ARENA_NEW(b->arena, struct meaning);
            *bound = (struct meaning){store[s]->index[d], d, m};
            m = bound;
        }
        if (store[s]->buffer2 || !probe(&p, store[s]->value, m))
            return false;
        note_layout(&p, store[s]->buffer);
        if (!n->reducing && loops_reduces(store[s]->value))
            n->reducing = store[s];
    }
    if (!p.reduce)
        return false;
    n->elements = 1;
    for (uint32_t d = n->rank; d-- > 0;) {
        struct block_dim *dim = &n->dim[d];
        dim->name = store[0]->index[d]->name;
        dim->extent = store[0]->index[d]->extent;
        dim->tile = size_of(schedule->tile.at, schedule->tile.count, dim->name, 1);
        dim->tile = dim->tile > dim->extent ? dim->extent : dim->tile;
        dim->size = size_of(schedule->block.at, schedule->block.count, dim->name, dim->extent);
        dim->size = dim->size > dim->extent ? dim->extent : dim->size;
        dim->size = (dim->size + dim->tile - 1) / dim->tile * dim->tile;
        dim->size = dim->size > dim->extent ? dim->extent : dim->size;
        dim->blocks = (dim->extent + dim->size - 1) / dim->size;
        dim->scratch = n->elements;
        n->elements *= dim->size;
    }
    n->split = n->rank - 1;
    while (n->split > p.flat && n->dim[n->split].blocks == 1)
        n->split--;
    choose_order(schedule, n);
    return true;
}

/* ---- partial sums of one group ---- */

/* What reduce_tree does with the nest's sum instead of summing over the whole batch. */
struct group_sums {
    const struct kreduce *reduce;
    const struct llocal *local;
    enum ktype type;
    int64_t elements;              /* of a level in scratch */
    uint32_t levels;               /* of the tree; the pending sum of level l lies in slot l */
    struct laffine group, present; /* this group's number; how many there are */
    struct laffine joins;          /* pending sums that this group's joins, and the level where it then is pending */
    const struct laffine *element; /* of each point, in scratch */
    const struct lvalue *finished; /* not NULL: the sums of a vector of elements */
};

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
    struct lcarried *carried = ARENA_ARRAY(b->arena, struct lcarried, count);
    for (uint32_t i = 0; i < count; i++) {
        carried[i].first = sum[i];
        sum[i] = carried[i].phi = value_phi(b, g->type, b->lanes);
    }
    struct loop_frame frame = loop_open(b, var, &zero, 1, &g->joins, 1);
    for (uint32_t i = 0; i < count; i++)
        carried[i].next = value_binary(b, KX_ADD, g->type, slot_load(b, g, &level, &g->element[i], vector), sum[i]);
    loop_close(b, &frame, count, carried);
}

static const struct lvalue *neutral(struct builder *b, enum ktype type)
{
    return value_splat(b, type == KT_I32 ? value_i32(b, 0) : value_f32(b, -0.0f));
}

/* One vector of the group's examples. */
static void sum_vector(struct builder *b, const struct group_sums *g, const struct kexpr *expr,
                       const struct laffine *vector, uint32_t count, const struct point *point)
{
    const struct kindex *m = expr->reduce->index[0];
    struct lindex to = {.base = affine_scale(b, &g->group, KERNEL_TREE_GROUP), .lane = 1};
    to.base = affine_add(b, &to.base, vector, b->lanes);
    const struct lvalue *in = NULL;
    if (m->bound || m->extent % KERNEL_TREE_GROUP) {
        struct laffine live = m->bound ? affine_term(b, term_scalar(b, m->bound), 1) : affine_constant(m->extent);
        in = value_binary(b, KX_LT, KT_BOOL, value_index(b, &to), value_integer(b, &live));
    }
    struct point *p = ARENA_ARRAY(b->arena, struct point, count);
    const struct lvalue **sum = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    for (uint32_t i = 0; i < count; i++)
        p[i] = (struct point){env_index(b, point[i].env, m, to), in, b->lanes, m->extent % KERNEL_TREE_GROUP == 0};
    eval(b, expr->reduce->term[0], count, p, sum);
    for (uint32_t i = 0; i < count; i++) {
        sum[i] = value_splat(b, sum[i]);
        if (in)
            sum[i] = value_kop(b, KX_SELECT, g->type, 3, (const struct lvalue *[]){in, sum[i], neutral(b, g->type)});
    }
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
    struct laffine zero = affine_constant(0), vectors = affine_constant(KERNEL_TREE_GROUP / b->lanes);
    if (!g->finished && vectors.constant == 1) {
        sum_vector(b, g, expr, &zero, count, point);
    } else if (!g->finished) {
        const struct lterm *var = term_var(b, "vector", 0, vectors.constant - 1);
        struct laffine vector = affine_term(b, var, 1);
        struct loop_frame frame = loop_open(b, var, &zero, 1, &vectors, 1);
        sum_vector(b, g, expr, &vector, count, point);
        loop_close(b, &frame, 0, NULL);
    }
    for (uint32_t i = 0; i < count; i++) /* partial sums stay in scratch */
        out[i] = g->finished ? g->finished : neutral(b, g->type);
    return true;
}

static void sum_tile(struct builder *b, struct blocks *n)
{
    uint32_t count = 1;
    for (uint32_t d = 0; d < n->rank; d++)
        count *= (uint32_t)n->dim[d].count;
    struct point *point = ARENA_ARRAY(b->arena, struct point, count);
    struct laffine *element = ARENA_ARRAY(b->arena, struct laffine, count);
    for (uint32_t i = 0; i < count; i++) {
        point[i].valid = b->lanes;
        uint32_t rest = i;
        for (uint32_t d = n->rank; d-- > 0;) {
            const struct block_dim *dim = &n->dim[d];
            struct laffine within = dim->within;
            struct lindex to = {.base = dim->at};
            within.constant += rest % dim->count;
            to.base.constant += rest % dim->count;
            rest /= (uint32_t)dim->count;
            point[i].env = env_index(b, point[i].env, n->reducing->index[d], to);
            element[i] = affine_add(b, &element[i], &within, dim->scratch);
        }
    }
    b->groups->element = element;
    eval_reductions(b, n->reducing->value, count, point);
}

static const struct lvalue *is_last_block(struct builder *b, const struct block_dim *dim)
{
    return value_binary(b, KX_EQ, KT_BOOL, value_integer(b, &dim->base),
                        value_i32(b, (int32_t)((dim->blocks - 1) * dim->size)));
}

/* Elements of the last block along a dim, and tiles of this one: bounds of a loop. */
static int64_t last_size(const struct block_dim *dim)
{
    return dim->extent - (dim->blocks - 1) * dim->size;
}

static uint32_t block_bounds(struct builder *b, const struct block_dim *dim, int64_t tile, struct laffine out[2])
{
    out[0] = affine_constant(dim->size / tile);
    if (last_size(dim) == dim->size)
        return 1;
    struct laffine left = affine_scale(b, &dim->base, -1);
    left.constant += dim->extent;
    out[1] = affine_div(b, &left, tile);
    return 2;
}

static void open_tiles(struct builder *b, struct blocks *n, uint32_t level);

static void enter_tile(struct builder *b, struct blocks *n, uint32_t level, struct laffine within, int64_t count)
{
    struct block_dim *dim = &n->dim[n->order[level]];
    dim->count = count;
    dim->within = within;
    dim->at = affine_add(b, &dim->base, &within, 1);
    if (affine_most(&dim->at) > dim->extent - count) /* the last block is smaller, which ranges do not know */
        dim->at = affine_term(b, term_value(b, value_integer(b, &dim->at), 0, dim->extent - count), 1);
    open_tiles(b, n, level + 1);
}

static void open_tiles(struct builder *b, struct blocks *n, uint32_t level)
{
    if (level == n->rank) {
        sum_tile(b, n);
        return;
    }
    struct block_dim *dim = &n->dim[n->order[level]];
    int64_t edge = last_size(dim) % dim->tile;
    struct laffine zero = affine_constant(0), base = dim->base;
    size_t mark = scope_open(b);
    if (dim->blocks == 1 && dim->size / dim->tile == 1) {
        enter_tile(b, n, level, zero, dim->tile);
    } else {
        const struct lterm *var = term_var(b, dim->name, 0, dim->size / dim->tile - 1);
        struct laffine end[2];
        uint32_t ends = block_bounds(b, dim, dim->tile, end);
        struct loop_frame frame = loop_open(b, var, &zero, 1, end, ends);
        enter_tile(b, n, level, affine_term(b, var, dim->tile), dim->tile);
        loop_close(b, &frame, 0, NULL);
    }
    scope_close(b, mark);
    if (!edge)
        return;
    struct lblock *outer = b->block;
    if (dim->blocks > 1) {
        const struct lvalue *last = is_last_block(b, dim);
        struct lstatement *branch = loops_emit(b, LS_IF);
        branch->value = last;
        b->block = &branch->body;
        dim->base = affine_constant(dim->extent - last_size(dim));
    }
    mark = scope_open(b);
    enter_tile(b, n, level, affine_constant(last_size(dim) - edge), edge);
    scope_close(b, mark);
    dim->base = base;
    b->block = outer;
}

/* ---- behind the last group ---- */

/* All that is pending of one vector of elements, from the lowest level on, folded. */
static const struct lvalue *folded(struct builder *b, const struct laffine *element)
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
    struct lcarried *outer = ARENA_ARRAY(b->arena, struct lcarried, registers);
    struct lcarried *inner = ARENA_ARRAY(b->arena, struct lcarried, registers);
    for (uint32_t i = 0; i < registers; i++) {
        outer[i].first = neutral(b, g->type);
        outer[i].phi = value_phi(b, g->type, b->lanes);
        outer[i].next = inner[i].phi = value_phi(b, g->type, b->lanes);
        inner[i].next = outer[i].phi;
        sum[i] = outer[i].phi;
    }
    struct loop_frame frame = loop_open(b, var, &zero, 1, &end, 1);
    const struct lvalue *bit = value_binary(b, KX_LSHR, KT_I32, value_integer(b, &g->present), value_integer(b, &level));
    bit = value_binary(b, KX_AND, KT_I32, bit, value_i32(b, 1));
    const struct lvalue *pending = value_binary(b, KX_EQ, KT_BOOL, bit, value_i32(b, 1));
    struct lstatement *branch = loops_emit(b, LS_IF);
    branch->value = pending;
    branch->carries = registers;
    branch->carried = inner;
    struct lblock *block = b->block;
    size_t mark = scope_open(b);
    b->block = &branch->body;
    for (uint32_t i = 0; i < registers; i++) {
        struct laffine vector = affine_constant(i % vectors);
        inner[i].first = value_binary(b, KX_ADD, g->type, slot_load(b, g, &level, &at[i], &vector), sum[i]);
    }
    scope_close(b, mark);
    b->block = block;
    loop_close(b, &frame, registers, outer);
    return value_folds16(b, sum);
}

/* One vector of neighbours: `first` counts the last dim's elements from the block's beginning along the split one. */
static void store_vector(struct builder *b, struct blocks *n, const struct laffine *first, uint32_t valid)
{
    const struct block_dim *split = &n->dim[n->split];
    struct tile_index index[KERNEL_MAX_RANK];
    struct laffine element = *first, flat = affine_scale(b, &split->base, split->scratch);
    flat = affine_add(b, &flat, first, 1);
    for (uint32_t d = 0; d < n->rank; d++) {
        const struct block_dim *dim = &n->dim[d];
        struct laffine here = affine_constant(0);
        if (d < n->split) {
            here = affine_add(b, &dim->base, &dim->within, 1);
            element = affine_add(b, &element, &dim->within, dim->scratch);
        }
        index[d] = (struct tile_index){.name = dim->name, .base = d + 1 < n->rank ? here : flat, .count = 1};
    }
    index[n->rank - 1].count = valid;
    index[n->rank - 1].lanes = index[n->rank - 1].within = true;
    struct point point = {.valid = valid};
    for (uint32_t s = 0; s < n->stores; s++)
        for (uint32_t d = 0; d < n->rank; d++) {
            struct lindex to = {.base = index[d].base, .lane = index[d].lanes};
            point.env = env_index(b, point.env, n->store[s]->index[d], to);
        }
    b->groups->finished = folded(b, &element);
    loops_store_point(b, n->store, n->stores, &point, index);
    b->groups->finished = NULL;
}

/* `elements` neighbours, whole vectors and the rest. */
static void store_run(struct builder *b, struct blocks *n, int64_t elements)
{
    int64_t whole = elements / b->lanes;
    if (whole) {
        const struct lterm *var = term_var(b, "vector", 0, whole - 1);
        struct laffine zero = affine_constant(0), end = affine_constant(whole), first = affine_term(b, var, b->lanes);
        struct loop_frame frame = loop_open(b, var, &zero, 1, &end, 1);
        store_vector(b, n, &first, b->lanes);
        loop_close(b, &frame, 0, NULL);
    }
    if (elements % b->lanes) {
        size_t mark = scope_open(b);
        struct laffine first = affine_constant(whole * b->lanes);
        store_vector(b, n, &first, (uint32_t)(elements % b->lanes));
        scope_close(b, mark);
    }
}

static void store_block(struct builder *b, struct blocks *n, uint32_t d)
{
    struct block_dim *dim = &n->dim[d];
    if (d < n->split) {
        const struct lterm *var = term_var(b, dim->name, 0, dim->size - 1);
        struct laffine zero = affine_constant(0), end[2];
        uint32_t ends = block_bounds(b, dim, 1, end);
        struct loop_frame frame = loop_open(b, var, &zero, 1, end, ends);
        dim->within = affine_term(b, var, 1);
        store_block(b, n, d + 1);
        loop_close(b, &frame, 0, NULL);
        return;
    }
    if (last_size(dim) == dim->size) {
        store_run(b, n, dim->size * dim->scratch);
        return;
    }
    const struct lvalue *last = is_last_block(b, dim);
    struct lstatement *branch = loops_emit(b, LS_IF);
    branch->value = last;
    struct lblock *outer = b->block;
    for (int side = 0; side < 2; side++) {
        size_t mark = scope_open(b);
        b->block = side ? &branch->otherwise : &branch->body;
        store_run(b, n, (side ? dim->size : last_size(dim)) * dim->scratch);
        scope_close(b, mark);
    }
    b->block = outer;
}

/* ---- a block ---- */

/* As many as the group's number has ones at its end. */
static struct laffine count_joins(struct builder *b, const struct group_sums *g)
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

static struct group_sums new_sums(struct builder *b, const struct blocks *n, const struct kexpr *reduce)
{
    const struct kindex *m = reduce->reduce->index[0];
    int64_t groups = (m->extent + KERNEL_TREE_GROUP - 1) / KERNEL_TREE_GROUP;
    struct group_sums g = {.reduce = reduce->reduce, .type = reduce->type, .elements = n->elements, .levels = 1};
    while ((int64_t)1 << (g.levels - 1) < groups)
        g.levels++;
    /* the last vector of elements reads, and does not use, what lies behind */
    int64_t room = (n->elements * g.levels + b->lanes - 1) * KERNEL_TREE_GROUP;
    struct llocal *local = ARENA_NEW(b->arena, struct llocal);
    *local = (struct llocal){"part", g.type, room, (uint32_t)b->out->locals.count, true};
    vec_push(b->arena, &b->out->locals, local);
    g.local = local;
    struct laffine present = m->bound ? affine_term(b, term_scalar(b, m->bound), 1) : affine_constant(m->extent);
    present.constant += KERNEL_TREE_GROUP - 1;
    g.present = affine_div(b, &present, KERNEL_TREE_GROUP);
    return g;
}

static void fill_block(struct builder *b, struct blocks *n)
{
    struct group_sums *g = b->groups;
    struct laffine zero = affine_constant(0);
    g->group = g->joins = zero;
    if (g->levels == 1) {
        open_tiles(b, n, 0);
    } else {
        const struct lterm *var = term_var(b, "group", 0, ((int64_t)1 << (g->levels - 1)) - 1);
        struct loop_frame frame = loop_open(b, var, &zero, 1, &g->present, 1);
        g->group = affine_term(b, var, 1);
        g->joins = count_joins(b, g);
        open_tiles(b, n, 0);
        loop_close(b, &frame, 0, NULL);
    }
    store_block(b, n, 0);
}

static const struct kexpr *find_sum(const struct kexpr *expr)
{
    if (expr->op == KX_REDUCE)
        return expr;
    if (expr->op == KX_LET)
        return find_sum(expr->let->value);
    for (uint32_t i = 0; i < expr->count; i++)
        if (loops_reduces(expr->arg[i]))
            return find_sum(expr->arg[i]);
    return NULL;
}

bool loops_in_groups(struct builder *b, const struct kstatement *const *store, uint32_t stores)
{
    struct blocks n;
    if (!find_blocks(b, store, stores, &n))
        return false;
    struct group_sums sums = new_sums(b, &n, find_sum(n.reducing->value));
    int64_t blocks = 1;
    for (uint32_t d = 0; d < n.rank; d++)
        blocks *= n.dim[d].blocks;
    bool parallel = b->parallel && b->kernel->schedule.parallel.count && blocks > 1;
    struct lblock *outer = b->block;
    size_t mark = scope_open(b);
    if (!parallel)
        b->block = &loops_emit(b, LS_ONCE)->body;
    b->groups = &sums;
    const struct lterm *var = term_var(b, "block", 0, blocks - 1);
    struct laffine number = affine_term(b, var, 1), zero = affine_constant(0), end = affine_constant(blocks);
    struct loop_frame frame = loop_open(b, var, &zero, 1, &end, 1);
    frame.loop->parallel = parallel;
    for (uint32_t d = n.rank; d-- > 0;) {
        struct laffine coordinate = affine_mod(b, &number, n.dim[d].blocks);
        n.dim[d].base = n.dim[d].blocks == 1 ? zero : affine_scale(b, &coordinate, n.dim[d].size);
        number = affine_div(b, &number, n.dim[d].blocks);
    }
    fill_block(b, &n);
    loop_close(b, &frame, 0, NULL);
    b->groups = NULL;
    scope_close(b, mark);
    b->block = outer;
    return true;
}
