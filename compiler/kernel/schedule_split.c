/* How a kernel's tiles are shared by the threads: the tiles of up to three indices are one sequence, of which each
 * thread takes a run. Chosen is what leaves the busiest thread the least to compute, to read and to fetch from other
 * threads' caches, because another kernel left it there. */
#include "schedule_internal.h"

#include <string.h>

enum { MOST_SPLIT = 3, MOST_WEIGHED = 512, CACHE_BYTES_PER_CYCLE = 16, OTHERS_BYTES_PER_CYCLE = 8 };

/* A way to split: tiles of some dims, outermost first, as one sequence of which each thread takes a run. */
struct split {
    uint32_t dims, dim[MAX_DIMS];
};

int64_t split_shares(int64_t count, int64_t most)
{
    int64_t shares = 0;
    for (int64_t threads = 1; threads <= most; threads *= 2)
        shares += (count + threads - 1) / threads * threads;
    return shares;
}

static int64_t tiles_of(const struct dim *dim)
{
    return (dim->extent + dim->tile - 1) / dim->tile;
}

/* How much work tile `number` of the sequence is, a whole tile 1: tiles at the edges are smaller. */
static double tile_work(const struct survey *s, const struct split *split, int64_t number)
{
    double work = 1;
    for (uint32_t i = split->dims; i-- > 0;) {
        const struct dim *dim = &s->dim[split->dim[i]];
        int64_t there = tiles_of(dim), edge = dim->extent % dim->tile;
        if (edge && number % there == there - 1)
            work *= (double)edge / (double)dim->tile;
        number /= there;
    }
    return work;
}

/* The work of all tiles before each one. */
static void add_up(const struct survey *s, const struct split *split, int64_t tiles, double before[MOST_WEIGHED + 1])
{
    before[0] = 0;
    for (int64_t number = 0; number < tiles && tiles <= MOST_WEIGHED; number++)
        before[number + 1] = before[number] + tile_work(s, split, number);
}

/* The busiest thread's part of the whole. */
static double largest_share(const double before[MOST_WEIGHED + 1], int64_t tiles, int64_t threads)
{
    if (tiles > MOST_WEIGHED)
        return (double)((tiles + threads - 1) / threads) / (double)tiles;
    double most = 0;
    for (int64_t t = 0; t < threads; t++) {
        double mine = before[tiles * (t + 1) / threads] - before[tiles * t / threads];
        most = mine > most ? mine : most;
    }
    return most / before[tiles];
}

/* ---- who touched what before ---- */

enum { EVERY_THREAD = -1, THREAD_0 = -2 };

/* The dimension of the buffer that dim d runs through: threads that share d's tiles own parts along it. */
static int part_along(const struct access *a, int d)
{
    for (uint32_t i = 0; i < a->buffer->rank; i++)
        if (d >= 0 && a->by[i] >> d & 1)
            return (int)i;
    return d == THREAD_0 ? THREAD_0 : EVERY_THREAD;
}

/* A view is what no call writes: its memory is taken to be what was written last of its size. */
static const struct owner *owner_of(const struct ownership *ownership, const struct kvar *var)
{
    const struct owner *same_size = NULL;
    for (size_t i = ownership->owners.count; i-- > 0;) {
        const struct owner *o = &ownership->owners.at[i];
        if (o->var == var)
            return o;
        if (!same_size && o->written && o->var->layout.elements == var->layout.elements)
            same_size = o;
    }
    return var->place == KP_ARENA ? same_size : NULL;
}

/* Whether threads that share the tiles of dim d find in each other's caches what they touch here. */
static bool lies_elsewhere(const struct ownership *ownership, const struct access *a, uint32_t d)
{
    if (!ownership->call)
        return false;
    const struct kvar *var = ownership->call->argument[a->buffer->number];
    const struct owner *owner = owner_of(ownership, var);
    int mine = part_along(a, (int)d);
    if (a->store && var->place == KP_STATE) /* read next by the first call of the next step */
        return owner && owner->first != mine;
    if (a->store) /* what all threads read lies elsewhere in any case */
        return owner && owner->var == var && owner->last != EVERY_THREAD && owner->last != mine;
    return owner && owner->written && owner->writer != mine;
}

void split_note(struct ownership *ownership, const struct survey *s, const struct kschedule *schedule)
{
    int outermost = THREAD_0;
    for (uint32_t d = 0; d < s->dims && schedule->parallel.count; d++)
        if (strcmp(s->dim[d].name, schedule->parallel.at[0]) == 0)
            outermost = (int)d;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        const struct kvar *var = ownership->call->argument[a->buffer->number];
        struct owner *owner = NULL;
        for (size_t k = 0; k < ownership->owners.count; k++)
            if (ownership->owners.at[k].var == var)
                owner = &ownership->owners.at[k];
        int part = part_along(a, outermost);
        if (!owner) {
            vec_push(ownership->arena, &ownership->owners, (struct owner){.var = var, .first = part});
            owner = &ownership->owners.at[ownership->owners.count - 1];
        }
        owner->last = part;
        if (a->store) {
            owner->writer = part;
            owner->written = true;
        }
    }
}

/* ---- the choice ---- */

/* Cycles of the busiest of `threads` threads: its share of the arithmetic, and the memory that it touches. */
static double split_cost(const struct survey *s, const struct split *split, int64_t tiles,
                         const double before[MOST_WEIGHED + 1], uint32_t lanes, int64_t threads,
                         const struct ownership *ownership)
{
    double touched[MAX_DIMS], cycles = (double)(survey_adds(s) ? s->heaviest * s->terms : s->accesses) / lanes;
    uint32_t all = 0;
    for (uint32_t d = 0; d < s->dims; d++) {
        touched[d] = 1;
        cycles *= survey_is_index(s, d) ? (double)s->dim[d].extent : 1;
    }
    for (uint32_t i = 0; i < split->dims; i++)
        all |= 1u << split->dim[i];
    int64_t run = (tiles + threads - 1) / threads;
    double share = largest_share(before, tiles, threads);
    cycles *= share;
    for (uint32_t i = split->dims; i-- > 0;) { /* the part of each dim's tiles that a run visits */
        int64_t there = tiles_of(&s->dim[split->dim[i]]);
        touched[split->dim[i]] = run < there ? (double)run / (double)there : 1;
        run = (run + there - 1) / there;
    }
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        double bytes = a->buffer->type == KT_U8 ? 1 : 4;
        for (uint32_t d = 0; d < s->dims && (a->dims & all) != all; d++)
            bytes *= a->dims >> d & 1 ? touched[d] : 1;
        if ((a->dims & all) == all)
            bytes *= share;
        for (uint32_t d = 0; d < a->buffer->rank; d++)
            bytes *= (double)(a->buffer->extent[d] > 0 ? a->buffer->extent[d] : 1);
        cycles += bytes / CACHE_BYTES_PER_CYCLE;
        if (lies_elsewhere(ownership, a, split->dim[0]))
            cycles += bytes * (double)(threads - 1) / (double)threads / OTHERS_BYTES_PER_CYCLE;
    }
    return cycles;
}

/* Among all ways to split the one with the least cost, over several numbers of threads: the machine that compiles need
 * not be the one that runs. */
void split_kernel(struct survey *s, const uint32_t *order, uint32_t count, uint32_t lanes,
                  const struct ownership *ownership, struct kschedule *out)
{
    static const int64_t threads[] = {2, 3, 4, 6, 8};
    struct split best = {0};
    double least = 0;
    for (uint32_t subset = 1; subset < 1u << count; subset++) {
        struct split split = {0};
        bool splits = true;
        uint32_t passed = 0; /* loops that would stand outside of one that is split */
        for (uint32_t i = 0; i < count; i++) {
            bool several = tiles_of(&s->dim[order[i]]) > 1;
            if (subset >> i & 1) {
                splits &= several;
                split.dim[split.dims++] = order[i];
            } else {
                passed += several && subset >> i;
            }
        }
        if (!splits || split.dims > MOST_SPLIT)
            continue;
        int64_t tiles = 1;
        for (uint32_t i = 0; i < split.dims; i++)
            tiles *= tiles_of(&s->dim[split.dim[i]]);
        double cost = 0, before[MOST_WEIGHED + 1];
        add_up(s, &split, tiles, before);
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++)
            cost += split_cost(s, &split, tiles, before, lanes, threads[t], ownership) * (double)threads[t];
        cost *= 1 + 0.01 * split.dims + 0.02 * passed; /* the loops' order is there for a reason */
        if (best.dims && cost >= least)
            continue;
        least = cost;
        best = split;
    }
    for (uint32_t i = 0; i < best.dims; i++)
        vec_push(s->arena, &out->parallel, s->dim[best.dim[i]].name);
}
