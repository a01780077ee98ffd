/* Sums along which a factor lies side by side in memory while its lanes lie across: W[n, k] with the outputs n
 * innermost, summed over n, with k in the lanes. Instead of gathering lanes one by one the sum goes in blocks of as
 * many terms as a vector has lanes. Of these four at a time are loaded, squares of four lanes by four terms side by
 * side in registers, and transposed. The terms join in the order of the text. */
#include "loops_reduce.h"

#include <string.h>

enum {
    SQUARE = 4,
    LARGEST_LANES = 16,
    MOST_CODE = 1024, /* terms written out */
    AHEAD = 8         /* blocks: a sum goes across panels, where the processor does not see what comes next */
};

static struct point bind(struct builder *b, const struct point *point, const struct kindex *index,
                         const struct laffine *base, uint32_t number)
{
    struct lindex to = {.base = *base};
    struct point bound = *point;
    to.base.constant += number;
    bound.env = env_index(b, point->env, index, to);
    return bound;
}

static struct laddress address_of(struct builder *b, const struct kexpr *load, const struct point *point)
{
    struct lindex subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < load->count; i++)
        subscript[i] = eval_index(b, load->arg[i], point);
    return eval_address(b, load->buffer, subscript);
}

/* Whether there is memory for whole vectors along the sum's index. */
static bool has_runs(const struct kexpr *load, const struct kindex *index, uint32_t lanes)
{
    for (uint32_t i = 0; i < load->count; i++)
        if (load->arg[i]->op == KX_INDEX && load->arg[i]->index == index)
            return klayout_has_runs(&load->buffer->layout, i, lanes);
    return false;
}

/* Whether a block's terms are neighbours in memory, each lane's apart from the next one's. */
static bool lies_along(struct builder *b, const struct kexpr *load, const struct point *point,
                       const struct kindex *index, const struct laffine *base)
{
    struct point p = bind(b, point, index, base, 0);
    struct laddress first = address_of(b, load, &p);
    if (first.index || first.stride < 2)
        return false;
    for (uint32_t i = 1; i < b->lanes; i++) {
        p = bind(b, point, index, base, i);
        struct laddress next = address_of(b, load, &p);
        struct laffine step = affine_add(b, &next.place.element, &first.place.element, -1);
        if (next.index || next.stride != first.stride || step.count || step.constant != i)
            return false;
    }
    return true;
}

/* The factor that is to be transposed; NULL: none. */
static const struct kexpr *find_load(struct builder *b, const struct reduce_nest *nest, const struct point *point,
                                     const struct laffine *base)
{
    const struct kreduce *r = nest->reduce;
    for (int t = 0; t < 2; t++) {
        const struct kexpr *load = r->term[t];
        if (!load || load->op != KX_LOAD || load->type != KT_F32 || load == r->term[1 - t])
            continue;
        bool fits = has_runs(load, r->index[r->indices - 1], b->lanes);
        for (uint32_t i = 0; fits && i < nest->count; i++)
            fits = !point[i].mask && lies_along(b, load, &point[i], r->index[r->indices - 1], base);
        if (fits)
            return load;
    }
    return NULL;
}

const struct lvalue *eval_turned(struct builder *b, const struct kexpr *load, const struct point *point)
{
    struct laddress a = address_of(b, load, point);
    const struct lvalue *row[SQUARE], *part[LARGEST_LANES / SQUARE];
    uint32_t number = b->turned.number % SQUARE, parts = b->lanes / SQUARE;
    a.place.element.constant -= number;
    for (uint32_t r = 0; r < SQUARE; r++) {
        for (uint32_t q = 0; q < parts; q++) {
            struct lplace place = a.place;
            uint32_t lane = q * SQUARE + r;
            place.element.constant += lane * a.stride;
            part[q] = lane < point->valid ? value_load(b, &place, KT_F32, SQUARE, 1, NULL, NULL,
                                                       affine_is_multiple(&place.element, SQUARE))
                                          : value_f32(b, 0);
        }
        row[r] = value_join(b, parts, part);
    }
    return value_transposed(b, SQUARE, row, number);
}

/* Fetches every so many vectors of a later block, from one on; behind the sum's end that is memory of anything, or
 * none, and does no harm. */
static void fetch_ahead(struct builder *b, const struct kexpr *load, const struct point *point,
                        const struct kindex *index, const struct laffine *base, uint32_t from, uint32_t step)
{
    struct point later = bind(b, point, index, base, AHEAD * b->lanes);
    struct laddress a = address_of(b, load, &later);
    for (uint32_t l = from; l < point->valid; l += step) {
        struct lstatement *line = loops_emit(b, LS_PREFETCH);
        line->place = a.place;
        line->place.element.constant += l * a.stride;
    }
}

/* `terms` of a block. Points that read other vectors follow each other, so that one transposition is in registers at a
 * time. */
static void add_block(struct builder *b, struct reduce_nest *nest, const struct point *point, const struct kexpr *load,
                      const struct laffine *base, uint32_t terms, const struct lvalue **acc)
{
    const struct kindex *index = nest->reduce->index[nest->reduce->indices - 1];
    bool fetches = index->extent > AHEAD * (int64_t)b->lanes && terms == b->lanes;
    uint32_t *number = ARENA_ARRAY(b->arena, uint32_t, nest->count);
    uint32_t *pick = ARENA_ARRAY(b->arena, uint32_t, nest->count);
    struct point *p = ARENA_ARRAY(b->arena, struct point, nest->count);
    for (uint32_t i = 0; i < nest->count; i++)
        p[i] = bind(b, &point[i], index, base, 0);
    uint32_t vectors = reduce_alike(b, load, nest->count, p, number);
    for (uint32_t v = 0; v < vectors; v++) {
        struct reduce_nest part = *nest;
        const struct lvalue **sum = ARENA_ARRAY(b->arena, const struct lvalue *, nest->count);
        size_t mark = scope_open(b);
        part.count = 0;
        for (uint32_t i = 0; i < nest->count; i++)
            if (number[i] == v)
                pick[part.count++] = i;
        for (uint32_t i = 0; i < part.count; i++)
            sum[i] = acc[pick[i]];
        for (uint32_t t = 0; t < terms; t++) {
            if (fetches && t % SQUARE == 0)
                fetch_ahead(b, load, &point[pick[0]], index, base, t / SQUARE, b->lanes / SQUARE);
            b->turned = (struct turned){load, t};
            for (uint32_t i = 0; i < part.count; i++)
                p[i] = bind(b, &point[pick[i]], index, base, t);
            reduce_terms(b, &part, p, sum, NULL);
        }
        for (uint32_t i = 0; i < part.count; i++)
            acc[pick[i]] = sum[i];
        scope_close(b, mark);
    }
    b->turned = (struct turned){0};
}

bool reduce_turned(struct builder *b, struct reduce_nest *nest, const struct point *point, const struct lvalue **acc)
{
    const struct kreduce *r = nest->reduce;
    const struct kindex *index = r->index[r->indices - 1];
    if (b->lanes < 4 || r->kind != KR_SUM_FMA || r->conditions || index->bound || nest->count * b->lanes > MOST_CODE)
        return false;
    int64_t blocks = index->extent / b->lanes;
    const struct lterm *var = term_var(b, index->name, 0, (index->extent - 1) / b->lanes);
    struct laffine first = affine_term(b, var, b->lanes), rest = affine_constant(blocks * b->lanes);
    const struct kexpr *load = find_load(b, nest, point, &first);
    if (!load)
        return false;
    if (blocks) {
        struct laffine lo = affine_constant(0), hi = affine_constant(blocks);
        struct frame frame = loop_open(b, var, &lo, 1, &hi, 1);
        loop_carry(b, &frame, nest->count, acc);
        add_block(b, nest, point, load, &first, b->lanes, acc);
        loop_close(b, &frame);
    }
    if (index->extent % b->lanes)
        add_block(b, nest, point, load, &rest, (uint32_t)(index->extent % b->lanes), acc);
    return true;
}
