/* Slices of long sums (loops_slices.c), and the order of loops that goes with them: for products of two matrices, whose
 * operands together do not fit into the caches. A slice of the outer loop's operand stays in the first cache while the
 * inner loop's passes from the second; between slices the sums travel to memory and back. */
#include "schedule_internal.h"

#include <string.h>

enum { LINE_BYTES = 64, NEAR_BYTES = 1024, LEAST_TERMS = 48, FMA_PER_CYCLE = 16, SLICE_CYCLES = 40 };

/* Cycles that a line takes which lies in the second cache, or beyond it, and how much of that cache such lines may
 * fill: lines one behind the other are fetched ahead, lines a page apart are not; with every few lines come neighbours
 * that nobody asked for. */
enum stride { IN_TURN, NEARBY, APART };
static const struct {
    double second, beyond, share;
} line_cycles[] = {[IN_TURN] = {0.2, 1, 0.75}, [NEARBY] = {0.4, 4, 0.5}, [APART] = {1, 10, 0.75}};

static const double LEAST_GAIN = 0.05;

struct operand {
    uint32_t dim;     /* the one that it has beside the sum's index */
    bool along;       /* the sum's index is the contiguous one */
    int64_t stride;   /* bytes from term to term */
};

struct product {
    const struct survey *survey;
    const struct ktarget *target;
    int64_t terms;
    struct operand operand[2];
};

static const struct kdigit *digit_of(const struct kbuffer *buffer, uint32_t dim)
{
    for (uint32_t i = 0; i < buffer->layout.count; i++)
        if (buffer->layout.digit[i].dim == dim && buffer->layout.digit[i].div <= 1)
            return &buffer->layout.digit[i];
    return NULL;
}

/* A factor [d, k] or [k, d] of the sum over k. */
static bool look_at_operand(const struct survey *s, const struct kindex *sum, const struct kexpr *term,
                            struct operand *out)
{
    if (!term || term->op != KX_LOAD || term->count != 2)
        return false;
    uint32_t found = 0;
    for (uint32_t i = 0; i < 2; i++) {
        const struct kdigit *digit = digit_of(term->buffer, i);
        if (term->arg[i]->op != KX_INDEX || !digit)
            return false;
        if (term->arg[i]->index == sum) {
            out->along = digit->stride == 1;
            out->stride = digit->stride * (int64_t)sizeof(float);
            found |= 1;
        }
        for (uint32_t d = 0; d < s->dims; d++)
            if (term->arg[i]->index != sum && strcmp(s->dim[d].name, term->arg[i]->index->name) == 0) {
                out->dim = d;
                found |= 2;
            }
    }
    return found == 3;
}

static double lines_of(const struct operand *o, int64_t elements, int64_t terms)
{
    int64_t bytes = (o->along ? terms : elements) * (int64_t)sizeof(float);
    return (double)((bytes + LINE_BYTES - 1) / LINE_BYTES) * (double)(o->along ? elements : terms);
}

static double cycles_at(const struct ktarget *target, enum stride stride, double lines_between)
{
    double bytes = lines_between * LINE_BYTES;
    return bytes <= (double)target->l1_bytes * 0.75                         ? 0
           : bytes <= (double)target->l2_bytes * line_cycles[stride].share ? line_cycles[stride].second
                                                                           : line_cycles[stride].beyond;
}

/* Lines of cache that these take: of every few lines one leaves the sets of the others unused. */
static double room_of(const struct operand *o, int64_t elements, int64_t terms)
{
    double lines = lines_of(o, elements, terms), between = (double)o->stride / LINE_BYTES * (double)terms;
    return o->along || o->stride > NEAR_BYTES || between < lines ? lines : between;
}

/* What fetching costs, in cycles of all, with the outer loop over the tiles of operand `outer`. */
static double fetch_cost(const struct product *p, int outer, int64_t slice)
{
    const struct dim *dim[2];
    double tiles[2], lines[2], all[2], cost = 0;
    int64_t slices = (p->terms + slice - 1) / slice;
    for (int i = 0; i < 2; i++) {
        dim[i] = &p->survey->dim[p->operand[i].dim];
        tiles[i] = (double)((dim[i]->extent + dim[i]->tile - 1) / dim[i]->tile);
        lines[i] = lines_of(&p->operand[i], dim[i]->tile, slice);
        all[i] = lines_of(&p->operand[i], dim[i]->extent, slice);
    }
    int inner = 1 - outer;
    double between[2]; /* until the same line is read again */
    between[outer] = room_of(&p->operand[outer], dim[outer]->tile, slice) + 2 * lines[inner];
    between[inner] = lines[outer] + all[inner];
    for (int i = 0; i < 2; i++) {
        const struct operand *o = &p->operand[i];
        int64_t width = dim[i]->tile * (int64_t)sizeof(float);
        enum stride stride = o->along || o->stride <= width ? IN_TURN : o->stride <= NEAR_BYTES ? NEARBY : APART;
        double touched = tiles[0] * tiles[1] * lines[i], passes = i == outer ? 1 : tiles[outer];
        double first = all[i] * passes < touched ? all[i] : touched / passes;
        /* a line is read for the first time, by the next pass of the inner loop, or by a neighbour's tile */
        cost += first * cycles_at(p->target, stride, lines_of(o, dim[i]->extent, p->terms)) +
                first * (passes - 1) * cycles_at(p->target, stride, between[i]) +
                (touched - first * passes) *
                cycles_at(p->target, stride, i == outer ? between[i] : lines[0] + lines[1]);
    }
    cost *= (double)slices;
    double points = (double)(dim[0]->tile * dim[1]->tile) / p->target->lanes;
    double kept = (double)(dim[0]->extent * dim[1]->extent) * sizeof(float) / LINE_BYTES;
    double store = 2 * kept * cycles_at(p->target, IN_TURN, kept);
    return cost + (double)(slices - 1) * (store + tiles[0] * tiles[1] * (2 * points + SLICE_CYCLES));
}

void schedule_slices(const struct survey *s, int lane_dim, const struct ktarget *target,
                     const struct kstatement *const *store, uint32_t stores, uint32_t *order, uint32_t count,
                     struct kschedule *out)
{
    const struct kexpr *sum = stores == 1 ? loops_sliced_sum(store[0]) : NULL;
    if (!sum || sum->reduce->indices != 1 || count != 2)
        return;
    const struct kindex *index = sum->reduce->index[0];
    struct product p = {s, target, index->extent, {{0}}};
    for (int i = 0; i < 2; i++)
        if (!look_at_operand(s, index, sum->reduce->term[i], &p.operand[i]) ||
            (p.operand[i].along && (int)p.operand[i].dim == lane_dim))
            return;
    if (p.operand[0].dim == p.operand[1].dim)
        return;
    double fma = (double)s->dim[order[0]].extent * (double)s->dim[order[1]].extent * (double)p.terms / FMA_PER_CYCLE;
    int outer = p.operand[0].dim == order[0] ? 0 : 1, best_outer = outer;
    double best = (fma + fetch_cost(&p, outer, p.terms)) / (1 + LEAST_GAIN) - fma;
    int64_t best_slice = p.terms;
    for (int64_t slices = 1; p.terms / slices >= LEAST_TERMS; slices++)
        for (int o = 0; o < 2; o++) {
            int64_t slice = ((p.terms + slices - 1) / slices + 15) / 16 * 16;
            double cost = fetch_cost(&p, o, slice < p.terms ? slice : p.terms);
            if (cost >= best)
                continue;
            best = cost;
            best_outer = o;
            best_slice = slice;
        }
    order[0] = p.operand[best_outer].dim;
    order[1] = p.operand[1 - best_outer].dim;
    if (best_slice < p.terms)
        vec_push(s->arena, &out->block, (struct ktile){index->name, best_slice});
}
