/* Stores of a tile: contiguous vectors where the lanes lie side by side in memory, transposed ones where another index
 * of the tile does, single elements otherwise. */
#include "loops_internal.h"

#include <string.h>

static const struct kindex *const *statement_index(const struct kstatement *s)
{
    return (const struct kindex *const *)s->index;
}

static struct laddress store_address(struct builder *b, const struct kbuffer *buffer, const struct kstatement *s,
                                     const struct point *point)
{
    struct lindex subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < s->rank; i++)
        subscript[i] = env_find(point->env, statement_index(s)[i])->index;
    return eval_address(b, buffer, subscript);
}

/* Whether lanes behind the extent may be written: they fall into padding that belongs to no element, whatever the
 * other subscripts are. What padding holds is never part of a result. */
static bool lanes_have_room(const struct builder *b, const struct kbuffer *buffer, uint32_t dim)
{
    const struct klayout *layout = &buffer->layout;
    int64_t room = (buffer->extent[dim] + b->lanes - 1) / b->lanes * b->lanes, last = 0;
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct kdigit *d = &layout->digit[i];
        if (d->dim == dim && d->stride == 1 && d->div <= 1 && d->mod) {
            if (d->mod % b->lanes)
                return false;
            room = room < d->mod ? room : d->mod; /* of one panel */
        }
    }
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct kdigit *d = &layout->digit[i];
        if (d->dim == dim && d->stride == 1 && d->div <= 1)
            continue;
        if (d->stride < room && !(d->dim != dim && buffer->extent[d->dim] == 1))
            return false;
        int64_t count = (buffer->extent[d->dim] + (d->div > 1 ? d->div : 1) - 1) / (d->div > 1 ? d->div : 1);
        last += ((d->mod && d->mod < count ? d->mod : count) - 1) * d->stride;
    }
    return last + room <= layout->elements;
}

static const struct lvalue *lanes_below(struct builder *b, uint32_t valid)
{
    return value_binary(b, KX_LT, KT_BOOL, value_lane(b), value_i32(b, (int32_t)valid));
}

/* How a tile is stored across its lanes: in blocks of `rows` vectors, which are neighbours in memory along index `side`
 * and `step` points apart. side = rank: not so. */
struct transposition {
    uint32_t side, step, rows;
};

/* Each block's points, `step` apart, are neighbours in memory: a panel of the layout may end within a block. */
static bool blocks_are_whole(struct builder *b, const struct kbuffer *buffer, const struct kstatement *s,
                             const struct point *point, uint32_t step, int64_t neighbours, uint32_t rows)
{
    struct laddress first = {0};
    for (uint32_t i = 0; i < neighbours; i++) {
        struct laddress a = store_address(b, buffer, s, &point[(size_t)i * step]);
        if (i % rows == 0)
            first = a;
        struct laffine difference = affine_add(b, &a.place.element, &first.place.element, -1);
        if (a.index || difference.count > 0 || difference.constant != i % rows)
            return false;
    }
    return true;
}

/* As many rows as lanes, the last block fewer unless they are stored sooner one by one; else fours. 0: neither. */
static uint32_t rows_of_blocks(const struct builder *b, const struct tile_index *index)
{
    uint32_t last = index->count % b->lanes;
    if (!(last && 4 * last < b->lanes) && affine_is_multiple(&index->base, b->lanes))
        return b->lanes;
    return index->count % 4 == 0 && affine_is_multiple(&index->base, 4) ? 4 : 0;
}

/* What one of its stores has: a row of the transposed block; of fours four lanes of it. */
static const struct lvalue *transposed(struct builder *b, const struct lvalue *const *block, uint32_t rows, uint32_t l)
{
    if (rows == b->lanes)
        return value_transposed(b, rows, block, l);
    return value_four(b, value_transposed(b, rows, block, l % 4), l / 4 * 4);
}

static struct transposition find_transposition(struct builder *b, const struct kbuffer *buffer,
                                               const struct kstatement *s, const struct tile_index *const *index,
                                               uint32_t count, const struct point *point)
{
    struct transposition t = {s->rank, 1, 0};
    struct laddress first = store_address(b, buffer, s, &point[0]);
    bool lanes = false;
    for (uint32_t i = 0; i < s->rank; i++)
        lanes |= index[i]->lanes;
    if (!lanes || b->lanes < 4 || buffer->type != KT_F32 || first.index || first.stride == 1)
        return t;
    /* a neighbour along index i is the first point whose subscript i differs */
    for (uint32_t i = 0; i < s->rank; i++) {
        uint32_t rows = index[i]->lanes ? 0 : rows_of_blocks(b, index[i]);
        for (uint32_t p = 1; rows && p < count; p++) {
            struct laffine x = env_find(point[p].env, statement_index(s)[i])->index.base;
            if (affine_equal(&x, &index[i]->base))
                continue;
            if (blocks_are_whole(b, buffer, s, point, p, index[i]->count, rows))
                t = (struct transposition){i, p, rows};
            break;
        }
    }
    return t;
}

static bool store_transposed(struct builder *b, const struct kbuffer *buffer, const struct kstatement *s,
                             const struct tile_index *const *index, uint32_t count, const struct point *point,
                             const struct lvalue *const *value)
{
    struct transposition t = find_transposition(b, buffer, s, index, count, point);
    if (t.side == s->rank)
        return false;
    for (uint32_t p = 0; p < count; p++) {
        uint32_t number = p / t.step % index[t.side]->count, rows = index[t.side]->count - number;
        if (number % t.rows)
            continue;
        const struct lvalue *block[64], *mask = rows < t.rows ? lanes_below(b, rows) : NULL;
        for (uint32_t l = 0; l < t.rows; l++)
            block[l] = value_splat(b, l < rows ? value[p + l * t.step] : value_f32(b, 0));
        struct laddress a = store_address(b, buffer, s, &point[p]);
        for (uint32_t l = 0; l < point[p].valid && l < b->lanes; l++) {
            struct lplace place = a.place;
            place.element.constant += (int64_t)l * a.stride;
            loops_store(b, &place, transposed(b, block, t.rows, l), 1, mask,
                        affine_is_multiple(&place.element, t.rows));
        }
    }
    b->version[buffer->number]++;
    return true;
}

bool store_transposes(struct builder *b, const struct kstatement *s, const struct tile_index *const *index,
                      uint32_t count, const struct point *point)
{
    return find_transposition(b, s->buffer, s, index, count, point).side < s->rank ||
           (s->buffer2 && find_transposition(b, s->buffer2, s, index, count, point).side < s->rank);
}

static void store_points(struct builder *b, const struct kbuffer *buffer, const struct kstatement *s,
                         const struct tile_index *const *index, uint32_t count, const struct point *point,
                         const struct lvalue *const *value)
{
    uint32_t lane_dim = s->rank;
    for (uint32_t i = 0; i < s->rank; i++)
        if (index[i]->lanes)
            lane_dim = i;
    if (count > 1 && store_transposed(b, buffer, s, index, count, point, value))
        return;
    struct laddress *address = ARENA_ARRAY(b->arena, struct laddress, count);
    for (uint32_t i = 0; i < count; i++)
        address[i] = store_address(b, buffer, s, &point[i]);
    for (uint32_t i = 0; i < count; i++) {
        const struct laddress *a = &address[i];
        bool wide = lane_dim < s->rank && b->lanes > 1;
        const struct lvalue *v = wide ? value_splat(b, value[i]) : value[i];
        if (a->index) { /* an index register: lane by lane is rare enough */
            const struct lvalue *mask = point[i].valid < b->lanes ? lanes_below(b, point[i].valid) : NULL;
            struct lstatement *store;
            loops_store(b, &a->place, v, a->stride, mask, false);
            store = b->block->list.at[b->block->list.count - 1];
            store->index = a->index;
            continue;
        }
        const struct lvalue *mask = NULL;
        if (wide && point[i].valid < b->lanes &&
            !(a->stride == 1 && !index[lane_dim]->within && lanes_have_room(b, buffer, lane_dim)))
            mask = lanes_below(b, point[i].valid);
        loops_store(b, &a->place, v, wide ? a->stride : 1, mask,
                   a->stride == 1 && affine_is_multiple(&a->place.element, b->lanes));
    }
    b->version[buffer->number]++;
    for (uint32_t i = 0; i < count; i++)
        if (!address[i].index && buffer->type == value[i]->type && (address[i].stride == 1 || lane_dim == s->rank)) {
            const struct lvalue *v = lane_dim < s->rank ? value_splat(b, value[i]) : value[i];
            value_forward(b, &address[i].place, address[i].stride,
                          v->width > 1 && affine_is_multiple(&address[i].place.element, b->lanes), v);
        }
}

void store_tile(struct builder *b, const struct kstatement *statement, const struct tile_index *const *index,
                uint32_t count, const struct point *point)
{
    const struct lvalue **value = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    const struct lvalue **position = ARENA_ARRAY(b->arena, const struct lvalue *, count);
    eval(b, statement->value, count, point, value);
    if (statement->buffer2) {
        struct kexpr *at = kx_position(b->arena, statement->value);
        eval(b, at, count, point, position);
    }
    store_points(b, statement->buffer, statement, index, count, point, value);
    if (statement->buffer2)
        store_points(b, statement->buffer2, statement, index, count, point, position);
}
