/* Which parts of which variables lie in which thread's cache. Each thread has a run of a kernel's tiles, and so touches
 * an interval of what the kernel reads and writes; what it does not find where the kernels before it left it comes from
 * another thread's cache, and the line has to be taken from that one again before it can be written anew. */
#include "schedule_internal.h"

#include <assert.h>

const uint32_t schedule_team[TEAMS] = {2, 3, 4, 6, 8};

enum { LINE = 64, NONE = -1 };

/* The dimension of the buffer that dim d runs through. */
static int dimension_along(const struct access *a, uint32_t d)
{
    for (uint32_t i = 0; i < a->buffer->rank; i++)
        if (a->by[i] >> d & 1)
            return (int)i;
    return NONE;
}

/* Neighbours in a cache line go together. */
static struct interval whole_lines(struct interval in, int64_t extent, int64_t size)
{
    int64_t of_line = LINE / size, lines = (extent + of_line - 1) / of_line;
    double all = (double)extent / (double)of_line, lo = (double)in.lo * all, hi = (double)in.hi * all;
    int64_t first = (int64_t)lo, end = (int64_t)hi + (hi > (double)(int64_t)hi);
    in.lo = (float)((double)first / (double)lines);
    in.hi = (float)((double)(end < lines ? end : lines) / (double)lines);
    return in;
}

struct interval owners_interval(const struct survey *s, const struct access *a, const struct split *split,
                                const struct run *run)
{
    struct interval whole = {NONE, 0, 1};
    if (run->first >= run->end)
        return (struct interval){NONE, 0, 0};
    int64_t first = run->first, last = run->end - 1, behind = split->tiles;
    uint32_t inner = 0, along = 0;
    for (uint32_t i = 0; i < split->dims; i++)
        inner |= 1u << split->dim[i];
    for (uint32_t i = 0; i < a->buffer->rank; i++)
        along |= a->by[i];
    for (uint32_t i = 0; i < split->dims; i++) {
        uint32_t d = split->dim[i];
        behind /= split->count[i];
        int64_t from = first / behind, to = last / behind;
        first %= behind;
        last %= behind;
        inner &= ~(1u << d);
        if (along >> d & 1) {
            bool exact = inner && (along & inner) == inner; /* a tile at a run's end is divided */
            double lo = (double)from + (exact ? (double)first / (double)behind : 0);
            double hi = (double)to + (exact ? (double)(last + 1) / (double)behind : 1);
            double scale = (double)s->dim[d].tile / (double)s->dim[d].extent;
            struct interval in = {dimension_along(a, d), (float)(lo * scale), (float)(hi * scale)};
            in.lo = in.lo < 1 ? in.lo : 1;
            in.hi = in.hi < 1 ? in.hi : 1;
            bool neighbours = a->step[d] == 1 && !exact;
            return neighbours ? whole_lines(in, s->dim[d].extent, a->buffer->type == KT_U8 ? 1 : 4) : in;
        }
        if (from != to)
            return whole;
    }
    return whole;
}

/* How much of the one is not in the other. */
static double missing(const struct interval *mine, const struct interval *other)
{
    double length = (double)mine->hi - (double)mine->lo, both;
    if (mine->dim == other->dim) {
        double lo = mine->lo > other->lo ? mine->lo : other->lo, hi = mine->hi < other->hi ? mine->hi : other->hi;
        both = hi > lo ? hi - lo : 0;
    } else {
        both = length * ((double)other->hi - (double)other->lo);
    }
    return length - both;
}

int64_t owners_pieces(const struct access *a, const struct interval *mine)
{
    const struct klayout *layout = &a->buffer->layout;
    int64_t stride = 0, pieces = 1;
    for (uint32_t k = 0; k < layout->count; k++)
        if ((int)layout->digit[k].dim == mine->dim && layout->digit[k].stride > stride)
            stride = layout->digit[k].stride;
    for (uint32_t k = 0; k < layout->count && stride; k++) {
        const struct kdigit *g = &layout->digit[k];
        int64_t extent = a->buffer->extent[g->dim], div = g->div > 1 ? g->div : 1;
        int64_t values = g->mod ? g->mod : (extent + div - 1) / div;
        if (g->stride > stride && values > 1)
            pieces *= values;
    }
    return pieces;
}

/* Calls from `from` up to `to`, past the end of the program to its next step. */
static ptrdiff_t distance(const struct kcall *from, const struct kcall *to)
{
    enum { FAR = 1 << 20 };
    return to > from ? to - from : to - from + FAR;
}

/* Of the touches of the variable before the call, or behind it, the nearest that writes; NONE: there is none. */
static ptrdiff_t nearest_writer(const struct ownership *o, const struct kvar *var, bool behind)
{
    ptrdiff_t best = NONE, least = 0;
    for (size_t i = 0; i < o->touches.count; i++) {
        const struct touch *t = &o->touches.at[i];
        if (!t->store || t->call == o->call || !kvar_overlap(t->var, var))
            continue;
        ptrdiff_t far = behind ? distance(o->call, t->call) : distance(t->call, o->call);
        if (best == NONE || far < least) {
            best = (ptrdiff_t)i;
            least = far;
        }
    }
    return best;
}

static bool writes(const struct ownership *o, const struct kvar *var)
{
    for (size_t i = 0; i < o->call->kernel->buffers.count; i++)
        if (o->call->kernel->buffers.at[i]->access != KA_IN && o->call->argument[i] == var)
            return true;
    return false;
}

/* Where nobody is known to write it yet, whoever reads it first is taken for its owner. */
static void find_sources(const struct ownership *o, const struct kvar *var, struct related *out)
{
    ptrdiff_t writer = nearest_writer(o, var, false);
    if (writer != NONE)
        vec_push(o->arena, &out->found, (size_t)writer);
    for (size_t i = 0; i < o->touches.count; i++) {
        const struct touch *t = &o->touches.at[i];
        if (t->store || t->call == o->call || !kvar_overlap(t->var, var))
            continue;
        if (writer != NONE ? distance(t->call, o->call) < distance(o->touches.at[writer].call, o->call)
                           : var->place == KP_STATE && out->found.count == 0)
            vec_push(o->arena, &out->found, i);
    }
}

static void find_readers(const struct ownership *o, const struct kvar *var, struct related *out)
{
    ptrdiff_t writer = nearest_writer(o, var, true);
    for (size_t i = 0; i < o->touches.count; i++) {
        const struct touch *t = &o->touches.at[i];
        if (!t->store && t->call != o->call && kvar_overlap(t->var, var) &&
            (writer == NONE || distance(o->call, t->call) <= distance(o->call, o->touches.at[writer].call)))
            vec_push(o->arena, &out->wanted, i);
    }
}

void owners_find(const struct ownership *ownership, const struct access *a, struct related *out)
{
    *out = (struct related){0};
    if (!ownership->call)
        return;
    const struct kvar *var = ownership->call->argument[a->buffer->number];
    if (a->store)
        find_readers(ownership, var, out);
    else if (!writes(ownership, var)) /* what is updated counts as a store */
        find_sources(ownership, var, out);
}

double owners_fetched(const struct ownership *ownership, const struct related *related, uint32_t slot,
                      const struct interval *mine)
{
    double least = related->found.count ? 1 : 0, most = 0;
    for (size_t i = 0; i < related->found.count; i++) {
        double lacks = missing(mine, &ownership->touches.at[related->found.at[i]].part[slot]);
        least = lacks < least ? lacks : least;
    }
    for (size_t i = 0; i < related->wanted.count; i++) {
        double lacks = missing(&ownership->touches.at[related->wanted.at[i]].part[slot], mine);
        most = lacks > most ? lacks : most;
    }
    return least + most;
}

double owners_reclaimed(const struct ownership *ownership, const struct related *related, uint32_t slot,
                        const struct interval *mine)
{
    double most = 0, length = (double)mine->hi - (double)mine->lo;
    uint32_t first = 0, team = 0;
    while (first + schedule_team[team] <= slot)
        first += schedule_team[team++];
    for (size_t i = 0; i < related->wanted.count; i++) {
        double shared = 0;
        for (uint32_t other = first; other < first + schedule_team[team]; other++)
            if (other != slot)
                shared += length - missing(mine, &ownership->touches.at[related->wanted.at[i]].part[other]);
        most = shared > most ? shared : most;
    }
    return most < length ? most : length;
}

/* The touch of the call's that this access is, or a new one. */
static struct touch *touch_of(struct ownership *o, const struct kvar *var, bool store)
{
    for (size_t i = 0; i < o->touches.count; i++) {
        struct touch *t = &o->touches.at[i];
        if (t->call == o->call && t->var == var && t->store == store)
            return t;
    }
    vec_push(o->arena, &o->touches, (struct touch){.call = o->call, .var = var, .store = store});
    return &o->touches.at[o->touches.count - 1];
}

void owners_note(struct ownership *ownership, const struct survey *s, const struct split *split)
{
    assert(ownership->call);
    for (size_t i = 0; i < ownership->touches.count; i++)
        if (ownership->touches.at[i].call == ownership->call)
            for (uint32_t slot = 0; slot < SLOTS; slot++)
                ownership->touches.at[i].part[slot] = (struct interval){NONE, 0, 0};
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        struct touch *touch = touch_of(ownership, ownership->call->argument[a->buffer->number], a->store);
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            struct interval mine = owners_interval(s, a, split, &split->run[slot]);
            struct interval *part = &touch->part[slot];
            if (mine.hi - mine.lo > part->hi - part->lo) /* of two accesses the one that touches more */
                *part = mine;
        }
    }
}
