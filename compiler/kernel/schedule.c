/* Derives a schedule for each kernel from its extents and the target.
 *
 * Lanes: the index whose neighbours lie side by side in most of the memory that the kernel touches. Tile: among the
 * tiles whose accumulators, operands and one broadcast fit into the registers, the one that needs the fewest cycles for
 * the whole extents, edges included, by counting multiply-adds and loads of the innermost loop. Parallel: the index with
 * the most even split. Nothing here can change a bit. */
#include "loops_internal.h"

#include <string.h>

enum { MAX_DIMS = 12, MAX_LOADS = 64, LARGEST_WINDOW = 9, ELEMENTWISE_VECTORS = 4, LARGEST_CODE = 2048 };

/* A direction that a tile may extend in: an index of the store, or of an unrolled window. */
struct dim {
    const char *name;
    int64_t extent;
    bool window;
    int64_t tile;
};

struct access { /* a load or store of the innermost loop */
    uint32_t dims;   /* bit set of the dims its address depends on */
    int64_t weight;  /* how often it is executed for one point */
    bool store;
    const struct kbuffer *buffer;
    int8_t step[MAX_DIMS]; /* along dim d: 0 none, 1 contiguous, 2 anything else */
};

struct survey {
    struct arena *arena;
    const struct kernel *kernel;
    uint32_t dims, accesses;
    struct dim dim[MAX_DIMS];
    struct access access[MAX_LOADS];
    uint32_t conditioned; /* dims that the condition of a sum depends on: bounds of loops while their tile is 1 */
    int64_t heaviest;  /* weight of the innermost loop */
    int64_t terms;     /* multiply-adds of one innermost iteration */
    int64_t operators; /* of one point, reductions' bodies counted once */
    const char *tree;  /* the batch index of a sum.tree, when there is one */
    int64_t tree_extent;
    uint32_t tree_dim;
};

/* What an index variable means here: which dims it moves with, and whether by exactly one step of one. */
struct meaning {
    const struct kindex *index;
    uint32_t dims;    /* depends on */
    uint32_t unit;    /* of these: moves by one when the dim does */
    const struct meaning *outer;
};

static const struct meaning *meaning_of(const struct meaning *m, const struct kindex *index)
{
    while (m && m->index != index)
        m = m->outer;
    return m;
}

static const struct meaning *bind(struct survey *s, const struct meaning *outer, const struct kindex *index,
                                  uint32_t dims, uint32_t unit)
{
    struct meaning *m = ARENA_NEW(s->arena, struct meaning);
    *m = (struct meaning){index, dims, unit, outer};
    return m;
}

static int find_dim(const struct survey *s, const char *name)
{
    for (uint32_t d = 0; d < s->dims; d++)
        if (strcmp(s->dim[d].name, name) == 0)
            return (int)d;
    return -1;
}

static int add_dim(struct survey *s, const char *name, int64_t extent, bool window)
{
    int d = find_dim(s, name);
    if (d >= 0 || s->dims == MAX_DIMS)
        return d;
    s->dim[s->dims] = (struct dim){name, extent, window, window ? extent : 1};
    return (int)s->dims++;
}

/* Dims that an index expression moves with; *unit: those that move it by one. */
static uint32_t dims_of(const struct kexpr *expr, const struct meaning *m, uint32_t *unit)
{
    uint32_t u0 = 0, u1 = 0, d0, d1;
    switch (expr->op) {
    case KX_INDEX: {
        const struct meaning *found = meaning_of(m, expr->index);
        *unit = found ? found->unit : 0;
        return found ? found->dims : 0;
    }
    case KX_ADD:
        d0 = dims_of(expr->arg[0], m, &u0);
        d1 = dims_of(expr->arg[1], m, &u1);
        *unit = (u0 & ~d1) | (u1 & ~d0);
        return d0 | d1;
    case KX_SUB:
        d0 = dims_of(expr->arg[0], m, &u0);
        d1 = dims_of(expr->arg[1], m, &u1);
        *unit = u0 & ~d1;
        return d0 | d1;
    default: {
        uint32_t all = 0;
        for (uint32_t i = 0; i < expr->count; i++)
            all |= dims_of(expr->arg[i], m, &u0);
        *unit = 0;
        return all;
    }
    }
}

static void add_access(struct survey *s, const struct kbuffer *buffer, const uint32_t *dims, const uint32_t *unit,
                       uint32_t rank, int64_t weight, bool store)
{
    if (s->accesses == MAX_LOADS)
        return;
    struct access *a = &s->access[s->accesses];
    *a = (struct access){.weight = weight, .store = store, .buffer = buffer};
    for (uint32_t i = 0; i < rank; i++) {
        a->dims |= dims[i];
        bool contiguous = false;
        for (uint32_t k = 0; k < buffer->layout.count; k++) {
            const struct kdigit *g = &buffer->layout.digit[k];
            contiguous |= g->dim == i && g->stride == 1 && g->div <= 1;
        }
        for (uint32_t d = 0; d < s->dims; d++)
            if (dims[i] >> d & 1)
                a->step[d] = contiguous && (unit[i] >> d & 1) && a->step[d] == 0 ? 1 : 2;
    }
    for (uint32_t i = 0; i < s->accesses; i++) /* the same place twice costs once */
        if (s->access[i].buffer == buffer && s->access[i].store == store && s->access[i].weight == weight &&
            s->access[i].dims == a->dims)
            return;
    s->accesses++;
}

static bool is_window(const struct kreduce *r)
{
    int64_t positions = 1;
    for (uint32_t i = 0; i < r->indices; i++) {
        if (r->index[i]->bound || r->index[i]->extent > LARGEST_WINDOW)
            return false;
        positions *= r->index[i]->extent;
    }
    return r->kind == KR_MAX_AT && r->conditions == 0 && positions <= LARGEST_WINDOW;
}

static void look_at(struct survey *s, const struct kexpr *expr, const struct meaning *m, int64_t weight)
{
    s->operators++;
    switch (expr->op) {
    case KX_LOAD: {
        uint32_t dims[KERNEL_MAX_RANK], unit[KERNEL_MAX_RANK];
        for (uint32_t i = 0; i < expr->count; i++) {
            dims[i] = dims_of(expr->arg[i], m, &unit[i]);
            if (expr->arg[i]->op != KX_INDEX)
                look_at(s, expr->arg[i], m, weight);
        }
        add_access(s, expr->buffer, dims, unit, expr->count, weight, false);
        return;
    }
    case KX_LET: {
        const struct meaning *inner = NULL;
        for (uint32_t i = 0; i < expr->count; i++) {
            uint32_t unit, dims = dims_of(expr->arg[i], m, &unit);
            inner = bind(s, inner, expr->let->index[i], dims, unit);
        }
        look_at(s, expr->let->value, inner, weight);
        return;
    }
    case KX_REDUCE: {
        const struct kreduce *r = expr->reduce;
        int64_t inside = weight;
        bool window = is_window(r);
        if (r->from)
            look_at(s, r->from, m, weight);
        for (uint32_t i = 0; i < r->indices; i++) {
            uint32_t dims = 0;
            if (window) {
                dims = 1u << add_dim(s, r->index[i]->name, r->index[i]->extent, true);
            } else if (r->kind == KR_SUM_TREE) {
                s->tree = r->index[i]->name;
                s->tree_extent = r->index[i]->extent;
                dims = 1u << s->tree_dim;
            } else {
                inside *= r->index[i]->extent;
            }
            m = bind(s, m, r->index[i], dims, dims);
        }
        for (uint32_t i = 0; i < r->conditions; i++) {
            uint32_t unit;
            s->conditioned |= dims_of(r->condition[i].value, m, &unit);
        }
        if (inside > s->heaviest) {
            s->heaviest = inside;
            s->terms = 0;
        }
        if (inside == s->heaviest && inside > 1)
            s->terms++;
        for (int i = 0; i < 2; i++)
            if (r->term[i])
                look_at(s, r->term[i], m, inside);
        return;
    }
    default:
        for (uint32_t i = 0; i < expr->count; i++)
            look_at(s, expr->arg[i], m, weight);
    }
}

static void look_at_store(struct survey *s, const struct kstatement *store)
{
    const struct meaning *m = NULL;
    uint32_t dims[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < store->rank; i++) {
        int d = add_dim(s, store->index[i]->name, store->index[i]->extent, false);
        dims[i] = d < 0 ? 0 : 1u << d;
        m = bind(s, m, store->index[i], dims[i], dims[i]);
    }
    look_at(s, store->value, m, 1);
    add_access(s, store->buffer, dims, dims, store->rank, 1, true);
    if (store->buffer2)
        add_access(s, store->buffer2, dims, dims, store->rank, 1, true);
}

/* ---- lanes ---- */

static double lanes_cost(const struct survey *s, uint32_t d, int64_t extent, uint32_t lanes)
{
    double cost = 0;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        double each = a->step[d] < 2 ? 1 : a->store ? 2 : lanes;
        cost += each * (double)a->weight;
    }
    int64_t vectors = (extent + lanes - 1) / lanes;
    return cost * (double)vectors / (double)extent;
}

static int choose_lanes(const struct survey *s, uint32_t lanes)
{
    double best = 0;
    int chosen = -1;
    for (uint32_t i = 0; i < s->accesses; i++)
        best += (double)s->access[i].weight; /* of scalar code */
    for (uint32_t d = 0; d < s->dims; d++) {
        bool tree = s->tree && d == s->tree_dim;
        if (s->dim[d].window || (s->tree && !tree && strcmp(s->dim[d].name, s->tree) == 0))
            continue;
        double cost = lanes_cost(s, d, tree ? s->tree_extent : s->dim[d].extent, lanes);
        if (cost < best * 0.999) {
            best = cost;
            chosen = (int)d;
        }
    }
    return chosen;
}

/* ---- tile ---- */

static int64_t steps(const struct dim *dim, bool lanes, uint32_t width)
{
    return lanes ? (dim->tile + width - 1) / width : dim->tile;
}

/* Cycles of one innermost iteration of the tile, and the registers it needs. */
static double iteration_cost(const struct survey *s, int lane_dim, uint32_t width, int64_t *out_registers)
{
    int64_t points = 1, vectors = 0;
    double loads = 0;
    for (uint32_t d = 0; d < s->dims; d++)
        points *= steps(&s->dim[d], (int)d == lane_dim, width);
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        if (a->weight != s->heaviest || a->store)
            continue;
        int64_t n = 1;
        for (uint32_t d = 0; d < s->dims; d++)
            if (a->dims >> d & 1)
                n *= steps(&s->dim[d], (int)d == lane_dim, width);
        loads += (double)n;
        if (lane_dim >= 0 && (a->dims >> lane_dim & 1) && n > vectors)
            vectors = n;
    }
    *out_registers = points + vectors + 1;
    double fma = (double)points * (double)(s->terms ? s->terms : 1);
    double cycles = loads / 2 > fma ? loads / 2 : fma;
    return (cycles < 8 ? 8 : cycles) + 1 + loads / 10; /* a chain of additions takes eight cycles, however few */
}

/* A tile of lanes must not straddle the panels of a layout (k/48, m, k%48). */
static bool fits_panels(const struct survey *s, uint32_t lane_dim)
{
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        if (a->step[lane_dim] != 1)
            continue;
        for (uint32_t k = 0; k < a->buffer->layout.count; k++) {
            const struct kdigit *g = &a->buffer->layout.digit[k];
            if (g->stride == 1 && g->div <= 1 && g->mod && g->mod % s->dim[lane_dim].tile &&
                s->dim[lane_dim].tile % g->mod)
                return false;
        }
    }
    return true;
}

static double tile_cost(struct survey *s, int lane_dim, const struct ktarget *target)
{
    int64_t registers;
    double cost = iteration_cost(s, lane_dim, target->lanes, &registers);
    if (registers > target->registers - (target->registers > 16 ? 2 : 1) ||
        (lane_dim >= 0 && !fits_panels(s, (uint32_t)lane_dim)))
        return -1;
    /* edges: tiles of the rest, each as a tile of its own; products of whole and edge pieces */
    double total = 1;
    for (uint32_t d = 0; d < s->dims; d++) {
        struct dim *dim = &s->dim[d];
        if (dim->window || (s->tree && d == s->tree_dim))
            continue;
        int64_t tile = dim->tile, whole = dim->extent / tile, edge = dim->extent % tile;
        double part = (double)whole;
        if (edge) {
            dim->tile = edge;
            part += iteration_cost(s, lane_dim, target->lanes, &registers) / cost;
            dim->tile = tile;
        }
        total *= part;
    }
    return cost * total;
}

static bool may_tile(const struct survey *s, uint32_t d, int lane_dim)
{
    return !s->dim[d].window && (int)d != lane_dim && !(s->tree && d == s->tree_dim) &&
           (s->dim[d].extent == 1 || !(s->conditioned >> d & 1));
}

static void choose_tile(struct survey *s, int lane_dim, const struct ktarget *target)
{
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 24};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    uint32_t width = target->lanes;
    bool lanes_stored = lane_dim >= 0 && !(s->tree && (uint32_t)lane_dim == s->tree_dim);
    int64_t best_tile[MAX_DIMS];
    double best = -1;
    /* up to two dims beside the lanes */
    for (uint32_t x = 0; x < s->dims; x++)
        for (uint32_t y = x; y < s->dims; y++) {
            if (!may_tile(s, x, lane_dim) || !may_tile(s, y, lane_dim))
                continue;
            for (int i = 0; i < SIZES && sizes[i] <= s->dim[x].extent; i++)
                for (int j = 0; j < (x == y ? 1 : SIZES) && sizes[j] <= s->dim[y].extent; j++)
                    for (int v = 0; v < (lanes_stored ? 6 : 1); v++) {
                        for (uint32_t d = 0; d < s->dims; d++)
                            s->dim[d].tile = s->dim[d].window ? s->dim[d].extent : 1;
                        s->dim[x].tile = sizes[i];
                        if (y != x)
                            s->dim[y].tile = sizes[j];
                        if (lane_dim >= 0) {
                            int64_t vectors = (s->dim[lane_dim].extent + width - 1) / width;
                            if (v >= vectors && v)
                                continue;
                            s->dim[lane_dim].tile = (int64_t)(v + 1) * width;
                        }
                        double cost = tile_cost(s, lane_dim, target);
                        if (cost < 0 || (best >= 0 && cost >= best * 0.9999))
                            continue;
                        best = cost;
                        for (uint32_t d = 0; d < s->dims; d++)
                            best_tile[d] = s->dim[d].tile;
                    }
        }
    if (best >= 0)
        for (uint32_t d = 0; d < s->dims; d++)
            s->dim[d].tile = best_tile[d];
}

/* Elementwise: a few vectors at a time; where a store lies across the lanes, a square that can be transposed. */
static void choose_elementwise_tile(struct survey *s, int lane_dim, const struct ktarget *target)
{
    if (lane_dim < 0)
        return;
    s->dim[lane_dim].tile = ELEMENTWISE_VECTORS * (int64_t)target->lanes;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        if (!a->store || a->step[lane_dim] < 2)
            continue;
        for (uint32_t d = 0; d < s->dims; d++)
            if ((int)d != lane_dim && a->step[d] == 1 && s->dim[d].extent >= target->lanes) {
                s->dim[d].tile = target->lanes;
                s->dim[lane_dim].tile = target->lanes;
            }
    }
}

/* The code of a tile is that of a point as often as it has vectors: an expression of hundreds of operators (a table of
 * class weights as selects) is computed a vector at a time. */
static void limit_code(struct survey *s, int lane_dim, const struct ktarget *target)
{
    int64_t points = 1;
    for (uint32_t d = 0; d < s->dims; d++)
        points *= steps(&s->dim[d], (int)d == lane_dim, target->lanes);
    if (points * s->operators <= LARGEST_CODE)
        return;
    for (uint32_t d = 0; d < s->dims; d++)
        if (!s->dim[d].window)
            s->dim[d].tile = (int)d == lane_dim ? target->lanes : 1;
}

/* ---- threads ---- */

static double evenness(int64_t tiles)
{
    double sum = 0;
    for (int64_t threads = 2; threads <= 8; threads *= 2) {
        int64_t most = (tiles + threads - 1) / threads;
        sum += (double)tiles / (double)(most * threads);
    }
    return sum;
}

static const char *choose_parallel(const struct survey *s)
{
    const char *best = NULL;
    double most = 0;
    for (uint32_t d = 0; d < s->dims; d++) {
        const struct dim *dim = &s->dim[d];
        int64_t tiles = (dim->extent + dim->tile - 1) / dim->tile;
        if (dim->window || (s->tree && d == s->tree_dim) || tiles < 2)
            continue;
        if (evenness(tiles) > most * 1.001) {
            most = evenness(tiles);
            best = dim->name;
        }
    }
    return best;
}

/* ---- a kernel ---- */

static void unroll_windows(struct survey *s, const struct kexpr *expr, struct kschedule *out)
{
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        for (uint32_t i = 0; is_window(r) && i < r->indices; i++) {
            bool known = false;
            for (size_t k = 0; k < out->unroll.count; k++)
                known |= strcmp(out->unroll.at[k], r->index[i]->name) == 0;
            if (!known)
                vec_push(s->arena, &out->unroll, r->index[i]->name);
        }
        for (int i = 0; i < 2; i++)
            if (r->term[i])
                unroll_windows(s, r->term[i], out);
    }
    if (expr->op == KX_LET)
        unroll_windows(s, expr->let->value, out);
    for (uint32_t i = 0; i < expr->count; i++)
        unroll_windows(s, expr->arg[i], out);
}

static struct survey *survey_kernel(struct arena *arena, const struct kernel *kernel, bool *out_independent,
                                    const struct kstatement ***out_stores, uint32_t *out_count)
{
    struct survey *s = ARENA_NEW(arena, struct survey);
    s->arena = arena;
    s->kernel = kernel;
    s->heaviest = 1;
    s->tree_dim = MAX_DIMS - 1;
    const struct kstatement **store = ARENA_ARRAY(arena, const struct kstatement *, kernel->statements.count + 1);
    struct loops_nest *nest;
    uint32_t stores = 0, nests = loops_nests(arena, kernel, &nest);
    *out_independent = loops_are_independent(nest, nests);
    for (uint32_t i = 0; i < nests; i++)
        for (uint32_t k = 0; k < nest[i].stores; k++)
            store[stores++] = nest[i].store[k];
    /* dims of all stores first, so that meanings can name them */
    for (uint32_t i = 0; i < stores; i++)
        for (uint32_t k = 0; k < store[i]->rank; k++)
            add_dim(s, store[i]->index[k]->name, store[i]->index[k]->extent, false);
    s->tree_dim = s->dims;
    if (s->dims < MAX_DIMS)
        s->dim[s->dims++] = (struct dim){"(tree)", 1, false, 1};
    for (uint32_t i = 0; i < stores; i++)
        look_at_store(s, store[i]);
    *out_stores = store;
    *out_count = stores;
    return s;
}

static void schedule_kernel(struct arena *arena, struct kernel *kernel, const struct ktarget *target)
{
    const struct kstatement **store;
    uint32_t stores;
    bool independent;
    struct survey *s = survey_kernel(arena, kernel, &independent, &store, &stores);
    struct kschedule *out = &kernel->schedule;
    kernel->scheduled = true;
    int lane_dim = target->lanes > 1 ? choose_lanes(s, target->lanes) : -1;
    bool tree_lanes = s->tree && lane_dim == (int)s->tree_dim;
    if (lane_dim >= 0)
        out->lanes = tree_lanes ? s->tree : s->dim[lane_dim].name;
    if (s->heaviest > 1)
        choose_tile(s, lane_dim, target);
    else
        choose_elementwise_tile(s, lane_dim, target);
    limit_code(s, lane_dim, target);
    for (uint32_t i = 0; i < stores; i++)
        unroll_windows(s, store[i]->value, out);
    if (independent)
        out->parallel = choose_parallel(s);
    /* loops: the lanes' tiles outermost, so that their panel stays in the cache; what is tiled for reuse innermost */
    if (lane_dim >= 0 && !tree_lanes)
        vec_push(arena, &out->order, s->dim[lane_dim].name);
    for (int tiled = 0; tiled < 2; tiled++)
        for (uint32_t d = 0; d < s->dims; d++)
            if ((int)d != lane_dim && !s->dim[d].window && d != s->tree_dim && (s->dim[d].tile > 1) == tiled)
                vec_push(arena, &out->order, s->dim[d].name);
    for (uint32_t d = 0; d < s->dims; d++)
        if (!s->dim[d].window && d != s->tree_dim && s->dim[d].tile > 1)
            vec_push(arena, &out->tile, (struct ktile){s->dim[d].name, s->dim[d].tile});
    if (s->heaviest > 1)
        for (size_t i = 0; i < kernel->buffers.count; i++)
            if (kernel->buffers.at[i]->access == KA_INOUT && kernel->buffers.at[i]->rank > 1)
                vec_push(arena, &out->prefetch, kernel->buffers.at[i]->name);
}

void kernel_schedule(struct kprogram *program, const struct ktarget *target)
{
    for (size_t i = 0; i < program->kernels.count; i++)
        if (!program->kernels.at[i]->scheduled)
            schedule_kernel(program->arena, program->kernels.at[i], target);
}

/* ---- random schedules ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void kernel_schedule_random(struct kprogram *program, const struct ktarget *target, uint64_t seed)
{
    for (size_t i = 0; i < program->kernels.count; i++) {
        struct kernel *kernel = program->kernels.at[i];
        const struct kstatement **store;
        uint32_t stores;
        bool independent;
        struct survey *s = survey_kernel(program->arena, kernel, &independent, &store, &stores);
        kernel->schedule = (struct kschedule){0};
        kernel->scheduled = true;
        struct kschedule *out = &kernel->schedule;
        uint32_t names = 0, name[MAX_DIMS];
        for (uint32_t d = 0; d < s->dims; d++)
            if (!s->dim[d].window && d != s->tree_dim)
                name[names++] = d;
        uint64_t lanes = next_random(&seed) % (names + 2);
        if (lanes < names && target->lanes > 1)
            out->lanes = s->dim[name[lanes]].name;
        else if (lanes == names && s->tree && target->lanes > 1)
            out->lanes = s->tree;
        for (uint32_t k = names; k > 1; k--) { /* Fisher-Yates */
            uint32_t other = (uint32_t)(next_random(&seed) % k), kept = name[k - 1];
            name[k - 1] = name[other];
            name[other] = kept;
        }
        int64_t room = 32;
        for (uint32_t k = 0; k < names; k++) {
            const struct dim *dim = &s->dim[name[k]];
            bool in_lanes = out->lanes && strcmp(out->lanes, dim->name) == 0;
            int64_t size = 1 + (int64_t)(next_random(&seed) % 7);
            if (size > room)
                size = 1;
            room /= size;
            vec_push(program->arena, &out->order, dim->name);
            vec_push(program->arena, &out->tile,
                     (struct ktile){dim->name, in_lanes ? size * target->lanes : size});
        }
        if (next_random(&seed) % 2)
            for (uint32_t k = 0; k < stores; k++)
                unroll_windows(s, store[k]->value, out);
        if (names && next_random(&seed) % 4)
            out->parallel = s->dim[name[next_random(&seed) % names]].name;
    }
}
