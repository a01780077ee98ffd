/* How a kernel's tiles are shared by the threads: the tiles of up to three indices are one sequence, of which each
 * thread takes a run; or all are thread 0's. Chosen is what leaves the busiest thread the least to compute, to read and
 * to fetch from other threads' caches. */
#include "schedule_internal.h"

#include <math.h>
#include <string.h>

/* Reading from another cache is quick, but before a line is written anew those who read it have to give it up, one by
 * one. */
enum {
    MOST_SPLIT = 3,
    MOST_WEIGHED = 512,
    MOST_TILES = 1 << 30, /* counted */
    CACHE_BYTES_PER_CYCLE = 16,
    RECLAIMED_BYTES_PER_CYCLE = 2,
    MEETING_CYCLES = 300,
    TWO_LINES = 128
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

/* What a tile costs beside a whole one. */
static double edge_part(const struct dim *dim, bool in_lanes, uint32_t lanes)
{
    int64_t edge = dim->extent % dim->tile, tile = dim->tile;
    if (in_lanes) {
        edge = (edge + lanes - 1) / lanes;
        tile = (tile + lanes - 1) / lanes;
    }
    return (double)edge / (double)tile;
}

/* Each thread's run and its part of the work; tiles at the edges are less. */
static void deal(const struct survey *s, const char *lane, uint32_t lanes, struct split *split)
{
    double before[MOST_WEIGHED + 1], edge[MAX_DIMS];
    split->tiles = 1;
    for (uint32_t i = 0; i < split->dims; i++) {
        const struct dim *dim = &s->dim[split->dim[i]];
        split->count[i] = tiles_of(dim);
        if (__builtin_mul_overflow(split->tiles, split->count[i], &split->tiles) || split->tiles > MOST_TILES)
            split->tiles = MOST_TILES;
        edge[i] = dim->extent % dim->tile ? edge_part(dim, lane && strcmp(lane, dim->name) == 0, lanes) : 1;
    }
    before[0] = 0;
    for (int64_t number = 0; number < split->tiles && split->tiles <= MOST_WEIGHED; number++) {
        double work = 1;
        int64_t rest = number;
        for (uint32_t i = split->dims; i-- > 0;) {
            work *= rest % split->count[i] == split->count[i] - 1 ? edge[i] : 1;
            rest /= split->count[i];
        }
        before[number + 1] = before[number] + work;
    }
    uint32_t slot = 0;
    for (uint32_t team = 0; team < TEAMS; team++)
        for (uint32_t t = 0; t < schedule_team[team]; t++, slot++) {
            struct run *run = &split->run[slot];
            run->first = split->tiles * t / schedule_team[team];
            run->end = split->tiles * (t + 1) / schedule_team[team];
            if (split->dims == 0)
                *run = (struct run){0, t == 0, t == 0};
            else if (split->tiles > MOST_WEIGHED)
                run->share = (double)(run->end - run->first) / (double)split->tiles;
            else
                run->share = (before[run->end] - before[run->first]) / before[split->tiles];
        }
}

struct choice {
    const struct survey *s;
    const struct ownership *ownership;
    double cycles; /* of the kernel's arithmetic */
    double bytes[MAX_LOADS];
    struct related related[MAX_LOADS];
    bool joined[MAX_LOADS]; /* with others' accesses */
};

static void prepare(const struct survey *s, uint32_t lanes, const struct ownership *ownership, struct choice *c)
{
    c->s = s;
    c->ownership = ownership;
    c->cycles = (double)(survey_adds(s) ? s->heaviest * s->terms : s->accesses) / lanes;
    for (uint32_t d = 0; d < s->dims; d++)
        c->cycles *= survey_is_index(s, d) ? (double)s->dim[d].extent : 1;
    if (s->tree)
        c->cycles *= (double)s->tree_extent;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct kbuffer *buffer = s->access[i].buffer;
        c->bytes[i] = buffer->type == KT_U8 ? 1 : 4;
        for (uint32_t d = 0; d < buffer->rank; d++)
            c->bytes[i] *= (double)(buffer->extent[d] > 0 ? buffer->extent[d] : 1);
        owners_find(ownership, &s->access[i], &c->related[i]);
        c->joined[i] = c->related[i].found.count || c->related[i].wanted.count;
    }
}

/* Cycles that a thread computes, reads, and waits for others' caches. */
static double run_cost(const struct choice *c, const struct split *split, uint32_t slot)
{
    const struct run *run = &split->run[slot];
    double cost = c->cycles * run->share;
    for (uint32_t i = 0; i < c->s->accesses; i++) {
        const struct access *a = &c->s->access[i];
        struct interval mine = owners_interval(c->s, a, split, run);
        double part = (double)mine.hi - (double)mine.lo;
        cost += c->bytes[i] * part / CACHE_BYTES_PER_CYCLE;
        if (!c->joined[i])
            continue;
        double fetched = c->bytes[i] * owners_fetched(c->ownership, &c->related[i], slot, &mine);
        cost += fetched / CACHE_BYTES_PER_CYCLE;
        double reclaimed = fetched; /* by whoever writes it next */
        if (a->store) /* lines are fetched in pairs, beyond the end of each piece too */
            reclaimed = c->bytes[i] * owners_reclaimed(c->ownership, &c->related[i], slot, &mine) +
                        (part > 0 && part < 1 ? TWO_LINES * (double)owners_pieces(a, &mine) : 0);
        cost += reclaimed / RECLAIMED_BYTES_PER_CYCLE;
    }
    return cost;
}

/* The busiest thread's cycles, over several teams; something above `enough` once it is clear that they are more. */
static double split_cost(const struct choice *c, const struct split *split, double enough)
{
    double cost = 0;
    uint32_t slot = 0;
    for (uint32_t team = 0; team < TEAMS && cost <= enough; team++) {
        double most = 0;
        for (uint32_t t = 0; t < schedule_team[team]; t++, slot++) {
            double mine = run_cost(c, split, slot);
            most = mine > most ? mine : most;
        }
        cost += most + (split->dims ? MEETING_CYCLES : 0);
    }
    return cost;
}

void split_kernel(struct survey *s, const uint32_t *order, uint32_t count, uint32_t lanes,
                  const struct ownership *ownership, struct kschedule *out)
{
    struct choice choice;
    struct split best = {0};
    double least = 0;
    prepare(s, lanes, ownership, &choice);
    for (uint32_t subset = 0; subset < 1u << count; subset++) {
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
        if (!splits || split.dims > (out->cold ? 1 : MOST_SPLIT))
            continue;
        deal(s, out->lanes, lanes, &split);
        double cost = split_cost(&choice, &split, subset ? least : HUGE_VAL);
        cost *= 1 + 0.01 * split.dims + 0.02 * passed; /* the loops' order is there for a reason */
        if (subset && cost >= least)
            continue;
        least = cost;
        best = split;
    }
    for (uint32_t i = 0; i < best.dims; i++)
        vec_push(s->arena, &out->parallel, s->dim[best.dim[i]].name);
}

static bool split_has(const struct split *split, uint32_t d)
{
    for (uint32_t i = 0; i < split->dims; i++)
        if (split->dim[i] == d)
            return true;
    return false;
}

void split_note(struct ownership *ownership, struct survey *s, uint32_t lanes, const struct kschedule *schedule)
{
    struct split split = {0};
    for (size_t i = 0; i < schedule->parallel.count; i++)
        for (uint32_t d = 0; d < s->dims; d++)
            if (strcmp(s->dim[d].name, schedule->parallel.at[i]) == 0 && !split_has(&split, d))
                split.dim[split.dims++] = d;
    deal(s, schedule->lanes, lanes, &split);
    owners_note(ownership, s, &split);
}
