/* The tile of a kernel: among those whose accumulators, operands and one broadcast fit into the registers, the one that
 * needs the fewest cycles for the whole extents, edges included, by counting multiply-adds and loads of the innermost
 * loop; of elementwise kernels a few vectors, or a square to transpose. */
#include "schedule_internal.h"

enum {
    ELEMENTWISE_VECTORS = 4,
    WIDEST_PANEL = 8, /* in vectors */
    LARGEST_CODE = 2048,
    LONG_POINT = 32, /* operators */
    LARGEST_WHOLE = 32,
    LARGEST_CUT = 256,
    COPY_LINES = 50,
    FULL_LANES = 16,
    LINE = 16, /* floats */
    CHAIN_SLOTS = 8, /* multiply-adds that could start while one waits for the one before it */
    SHUFFLE_SLOTS = 2,
    TURNED_REGISTERS = 6 /* four vectors, and two while they are transposed */
};

static const double WHOLE_CHARGE = 1.5, LINE_SLOTS = 0.75; /* multiply-adds while a line comes from the second cache */
/* Lines of LLVM's IR that cost as much as all the time that a kernel takes: of two tiles nearly as fast the one with
 * fewer copies of itself at the edges is chosen, and the smaller one where time hardly counts. */
static const double LINES = 50000, COLD_LINES = 2000;

static int64_t steps(const struct dim *dim, bool lanes, uint32_t width)
{
    return lanes ? (dim->tile + width - 1) / width : dim->tile;
}

/* Cycles of one innermost iteration of the tile, and the registers it needs. */
static double iteration_cost(const struct survey *s, int lane_dim, const struct ktarget *target,
                             int64_t *out_registers)
{
    uint32_t width = target->lanes;
    bool tree = s->tree && lane_dim == (int)s->tree_dim;
    int64_t points = 1, vectors = 0, windows = 0;
    int64_t rows = 0, streams = 0, scalars = 0, inner = 0, positions = 1;
    bool branches = false, row = false, few = target->registers <= 16;
    double loads = 0, wide = 0, far = 0, lines = 0, turned = 0;
    for (uint32_t d = 0; d < s->dims; d++) {
        points *= steps(&s->dim[d], (int)d == lane_dim, width);
        windows += s->dim[d].window && s->dim[d].tile < s->dim[d].extent;
        positions *= s->dim[d].window ? s->dim[d].tile : 1;
        branches |= s->dim[d].window && s->dim[d].tile > 1 && s->conditioned >> d & 1;
        row |= !tree && !s->dim[d].window && s->dim[d].tile > 1 && (s->conditioned & ~s->brief) >> d & 1;
    }
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        if (!survey_is_inner(s, a))
            continue;
        inner++;
        int64_t n = 1;
        for (uint32_t d = 0; d < s->dims; d++)
            if ((a->dims & (a->apart | ~s->grouped)) >> d & 1)
                n *= steps(&s->dim[d], (int)d == lane_dim, width);
        loads += (double)n;
        if (lane_dim < 0 || !(a->dims >> lane_dim & 1)) {
            scalars += n;
            /* of each input's weights a position uses its taps, and the next position comes long after */
            if (a->dims & s->narrow && a->buffer->layout.elements * (int64_t)sizeof(float) > target->l1_bytes)
                lines += (double)n / (double)(s->taps < LINE ? s->taps : LINE);
            continue;
        }
        wide += (double)n;
        streams++;
        if (a->step[lane_dim] == 2 && survey_turns(a, width)) { /* blocks of vectors are transposed one by one */
            turned += (double)n;
            rows = TURNED_REGISTERS;
            continue;
        }
        /* of two factors in vectors the one with fewer is kept in registers */
        if (tree ? vectors == 0 || n < vectors : n > vectors)
            vectors = n;
    }
    if (!tree) /* a vector comes from further away than what is broadcast */
        far = wide / 20;
    else { /* what does not stay in the first cache from one tap to the next comes at half a line a cycle or so */
        int64_t vectors_read = survey_lines(s, false);
        int64_t bytes = vectors_read * s->heaviest * (int64_t)sizeof(float) * KERNEL_TREE_GROUP;
        far = bytes > target->l1_bytes / 4 * 3 ? (double)vectors_read / 2 : 0;
    }
    far += LINE_SLOTS * lines;
    if (windows) /* the largest so far and where it stood give way to a sum's accumulators */
        far += 3 * (double)points / (double)s->heaviest;
    /* a single row, or positions of one vector with a tap each: every vector is used once, as it is loaded */
    if (lane_dim >= 0 && points == vectors) {
        int64_t side = steps(&s->dim[lane_dim], true, width);
        vectors = points == side || (side == 1 && s->tapped) ? 1 : vectors;
    }
    /* of a tree's streams two are on their way at a time; a product's is used up as it is loaded where there are few
     * registers, and nothing else needs one. So is one factor of a sum of products, which may be the one in vectors
     * where these are all positions of a window. */
    bool product = tree && streams == 2 && few;
    bool filled = few && !tree && !rows && inner == 2 && streams == 1 &&
                  (positions > 1 || steps(&s->dim[lane_dim], true, width) > 2);
    if (filled && positions > 1 && scalars < vectors)
        vectors = scalars;
    *out_registers = points + (rows ? rows : vectors + (product || filled ? 0 : tree ? 2 : 1));
    if (few && row && inner > 1) /* its sums change places from tap to tap */
        *out_registers += 2;
    double fma = (double)points * (double)(s->terms ? s->terms : 1);
    for (uint32_t w = width; turned > 0 && w > 1; w /= 2)
        fma += SHUFFLE_SLOTS * turned;
    /* a load takes as long as a multiply-add on every processor so far */
    double cycles = loads > fma ? loads : fma;
    double ends = s->nested ? (double)FULL_LANES / width : 1; /* a loop's end takes as long beside shorter vectors */
    if (branches && few) /* which position has a term is asked beside few sums */
        ends += (double)positions;
    return (cycles < CHAIN_SLOTS ? CHAIN_SLOTS : cycles) + ends + loads / 10 + far;
}

/* Of what is transposed while it is loaded one vector's block is in registers at a time. A second vector of a tile has
 * nothing to share with the first: it is there to be added while that one's chain of additions is waited for. */
static bool fits_turned(const struct survey *s, uint32_t lane_dim, uint32_t width)
{
    bool turned = false;
    int64_t vectors = steps(&s->dim[lane_dim], true, width), rows = 1, slots = 0;
    for (uint32_t i = 0; i < s->accesses; i++)
        turned |= s->access[i].step[lane_dim] == 2 && !s->access[i].store && survey_turns(&s->access[i], width);
    for (uint32_t d = 0; d < s->dims; d++)
        rows *= d == lane_dim ? 1 : s->dim[d].tile;
    for (uint32_t w = width; w > 1; w /= 2)
        slots += SHUFFLE_SLOTS;
    return !turned || (vectors - 1) * (rows + slots) < CHAIN_SLOTS;
}

/* How many of the lanes lie side by side, where what is touched has panels of a layout (k/48, m, k%48); 0: it has not,
 * or the lanes run through something else. */
static int64_t panel_of(const struct access *a, uint32_t lane_dim)
{
    const struct klayout *layout = &a->buffer->layout;
    for (uint32_t k = 0; k < layout->count && a->step[lane_dim] == 1; k++)
        if (layout->digit[k].stride == 1 && layout->digit[k].mod)
            return layout->digit[k].mod;
    return 0;
}

/* A tile of lanes must not straddle panels, nor have rows and touch more than two that are half a line each. */
static bool fits_panels(const struct survey *s, uint32_t lane_dim)
{
    int64_t tile = s->dim[lane_dim].tile;
    bool rows = false;
    for (uint32_t d = 0; d < s->dims; d++)
        rows |= d != lane_dim && s->dim[d].tile > 1;
    for (uint32_t i = 0; i < s->accesses; i++) {
        int64_t panel = panel_of(&s->access[i], lane_dim);
        if (panel && ((panel % tile && tile % panel) || (rows && panel < FULL_LANES && tile > 2 * panel)))
            return false;
    }
    return true;
}

/* Whether the lanes of a tile lie side by side in all that it touches. */
static bool inside_panels(const struct survey *s, uint32_t lane_dim)
{
    for (uint32_t i = 0; i < s->accesses; i++) {
        int64_t panel = panel_of(&s->access[i], lane_dim);
        if (panel && s->dim[lane_dim].tile > panel)
            return false;
    }
    return true;
}

/* Multiply-adds written out: once for every run of positions between which another tap has its first or last term. */
static int64_t cut_code(const struct survey *s)
{
    int64_t code = 1;
    for (uint32_t d = 0; d < s->dims; d++) {
        int64_t tile = d == s->tree_dim ? 1 : s->dim[d].tile;
        code *= s->conditioned >> d & 1 ? tile * tile : tile;
    }
    return code;
}

/* What a few numbers of threads lose because tiles are too few to share out evenly, as a factor. */
static double unevenness(int64_t tiles)
{
    return (double)split_shares(tiles, 4) / (double)(3 * tiles);
}

/* Lines that store a vector across its lanes: element by element, or four neighbours at a time (loops_store.c). */
static double lines_across(const struct survey *s, int lane_dim, uint32_t width)
{
    double lines = 0;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        int64_t neighbours = 1;
        if (!a->store || lane_dim < 0 || a->step[lane_dim] != 2)
            continue;
        for (uint32_t d = 0; d < s->dims; d++)
            neighbours = a->step[d] == 1 ? s->dim[d].tile : neighbours;
        lines += neighbours % 4 ? 3 * width : width / 2 + 2;
    }
    return lines;
}

static double tile_cost(struct survey *s, int lane_dim, const struct ktarget *target)
{
    bool tree = s->tree && lane_dim == (int)s->tree_dim;
    int64_t registers, code = tree ? cut_code(s) : 0;
    double cost = iteration_cost(s, lane_dim, target, &registers);
    if (registers > target->registers - (target->registers > 16 ? 2 : 1) || code > LARGEST_CUT ||
        (lane_dim >= 0 && !(fits_panels(s, (uint32_t)lane_dim) && fits_turned(s, (uint32_t)lane_dim, target->lanes))))
        return -1;
    for (uint32_t d = 0; d < s->dims; d++)
        if ((s->grouped & ~s->conditioned) >> d & 1 && s->dim[d].period % s->dim[d].tile)
            return -1;
    /* edges: tiles of the rest, each as a tile of its own; products of whole and edge pieces */
    double total = 1, points = 1;
    int64_t tiles = 1, copies = 1;
    for (uint32_t d = 0; d < s->dims; d++) {
        struct dim *dim = &s->dim[d];
        if (s->tree && d == s->tree_dim)
            continue;
        int64_t tile = dim->tile, whole = dim->extent / tile, edge = dim->extent % tile;
        double part = (double)whole;
        int64_t written = whole ? steps(dim, (int)d == lane_dim, target->lanes) : 0;
        tiles *= whole + (edge != 0);
        copies *= (whole != 0) + (edge != 0);
        if (edge) {
            dim->tile = edge;
            part += iteration_cost(s, lane_dim, target, &registers) / cost;
            written += steps(dim, (int)d == lane_dim, target->lanes);
            dim->tile = tile;
        }
        total *= part;
        points *= (double)written;
    }
    if (!tree) {
        double each = 0.8 * (double)s->operators + lines_across(s, lane_dim, target->lanes);
        double lines = COPY_LINES * (double)copies + each * points;
        return cost * total * (1 + lines / (s->kernel->schedule.cold ? COLD_LINES : LINES));
    }
    /* code takes time to compile, and the loops' ends some to run */
    return cost * total * (1 + (double)code / 5000) * unevenness(tiles);
}

static bool may_tile(const struct survey *s, uint32_t d, int lane_dim)
{
    return !s->dim[d].window && (int)d != lane_dim && !(s->tree && d == s->tree_dim) &&
           (s->dim[d].extent == 1 || !(s->conditioned >> d & 1));
}

/* Dims that a tile may take as a whole though conditions depend on them, taps of a kernel or positions of an image:
 * which of them has a term at which position or tap is known then, and the loop over these is cut where that
 * changes. */
static uint32_t whole_dims(const struct survey *s)
{
    uint32_t dims = 0;
    for (uint32_t d = 0; d < s->dims; d++)
        if (s->dim[d].extent > 1 && s->dim[d].extent <= LARGEST_WHOLE && (s->conditioned & ~s->tied) >> d & 1)
            dims |= 1u << d;
    return dims;
}

/* Vectors that a tile may have. Where there are no rows to be had, as many as hide the latency of additions. */
static int widest_tile(const struct survey *s, int lane_dim)
{
    bool rows = false;
    for (uint32_t d = 0; d < s->dims; d++)
        rows |= s->dim[d].extent > 1 && (s->dim[d].window || may_tile(s, d, lane_dim));
    return lane_dim < 0 || (s->tree && (uint32_t)lane_dim == s->tree_dim) ? 1 : rows ? 6 : 8;
}

struct best_tile {
    double cost; /* negative: none yet */
    int64_t tile[MAX_DIMS];
};

static void keep_better(const struct survey *s, double cost, struct best_tile *best)
{
    if (cost < 0 || (best->cost >= 0 && cost >= best->cost * 0.9999))
        return;
    best->cost = cost;
    for (uint32_t d = 0; d < s->dims; d++)
        best->tile[d] = s->dim[d].tile;
}

/* Tiles of all sizes along dims x and y and of one vector to the widest, with the dims of `whole` as a whole. */
static void try_tiles(struct survey *s, int lane_dim, const struct ktarget *target, uint32_t x, uint32_t y,
                      uint32_t whole, struct best_tile *best)
{
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 24};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    uint32_t width = target->lanes;
    int widest = widest_tile(s, lane_dim);
    for (int i = 0; i < SIZES && sizes[i] <= s->dim[x].extent; i++)
        for (int j = 0; j < (x == y ? 1 : SIZES) && sizes[j] <= s->dim[y].extent; j++)
            for (int v = 0; v < widest; v++) {
                s->tapped = !s->tree && (whole & s->narrow);
                for (uint32_t d = 0; d < s->dims; d++)
                    s->dim[d].tile = whole >> d & 1 ? s->dim[d].extent : 1;
                s->dim[x].tile = sizes[i];
                if (y != x)
                    s->dim[y].tile = sizes[j];
                if (lane_dim >= 0) {
                    int64_t vectors = (s->dim[lane_dim].extent + width - 1) / width;
                    if (v >= vectors && v)
                        continue;
                    s->dim[lane_dim].tile = (int64_t)(v + 1) * width;
                }
                keep_better(s, tile_cost(s, lane_dim, target), best);
            }
}

/* A row that is too long for the registers as a whole: the longest piece of it that leaves one other, so that each
 * piece still knows its place. */
static void try_pieces(struct survey *s, int lane_dim, const struct ktarget *target, uint32_t row,
                       struct best_tile *best)
{
    struct dim *dim = &s->dim[row];
    double cost = -1;
    s->tapped = s->narrow >> row & 1;
    for (uint32_t d = 0; d < s->dims; d++)
        s->dim[d].tile = (int)d == lane_dim ? target->lanes : 1;
    for (dim->tile = dim->extent; cost < 0 && 2 * dim->tile > dim->extent; dim->tile -= cost < 0)
        cost = tile_cost(s, lane_dim, target);
    keep_better(s, cost, best);
}

/* Whether what the innermost loop loads lies in panels of fewer lanes than the tile has, and what it needs for each of
 * them again stays in the first cache. */
static bool loads_across_panels(const struct survey *s, uint32_t lane_dim, int64_t cache)
{
    bool across = false;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        if (!survey_is_inner(s, a))
            continue;
        if (a->step[lane_dim] == 0 && a->buffer->layout.elements * (int64_t)sizeof(float) > cache)
            return false;
        if (a->step[lane_dim] != 1)
            continue;
        int64_t panel = panel_of(a, lane_dim);
        if (!panel || panel >= s->dim[lane_dim].tile)
            return false;
        across = true;
    }
    return across;
}

/* Whether it is a single row whose weights, each used once, come from beyond the first cache: that takes longer than
 * half as many chains of additions. */
static bool streams_weights(const struct survey *s, uint32_t lane_dim, const struct ktarget *target)
{
    bool streams = s->dim[lane_dim].tile >= CHAIN_SLOTS * (int64_t)target->lanes;
    for (uint32_t d = 0; d < s->dims; d++)
        streams = streams && (d == lane_dim || s->dim[d].extent == 1);
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        if (survey_is_inner(s, a) && a->step[lane_dim] == 1 &&
            a->buffer->layout.elements * (int64_t)sizeof(float) > 2 * target->l1_bytes)
            return streams;
    }
    return false;
}

/* A tile that takes all lanes, from several panels, leaves the threads nothing to share but what each needs of all
 * examples. Half of it, if hardly dearer, lets them stay with examples of their own from kernel to kernel. So does
 * half a row of weights. */
static void leave_lanes_to_share(struct survey *s, int lane_dim, const struct ktarget *target, double cost)
{
    static const double DEARER = 1.08;
    struct dim *lanes = &s->dim[lane_dim];
    int64_t tile = lanes->tile;
    bool row = streams_weights(s, (uint32_t)lane_dim, target);
    if (tile < lanes->extent || tile % (2 * target->lanes) ||
        !(row || loads_across_panels(s, (uint32_t)lane_dim, target->l1_bytes)))
        return;
    lanes->tile = tile / 2;
    if (row)
        return;
    double half = tile_cost(s, lane_dim, target);
    if (half < 0 || half > cost * DEARER)
        lanes->tile = tile;
}

/* Rows that have no part in a sum share nothing in its loop: some hide each other's latency, more are only code. */
static void limit_idle_rows(struct survey *s, int lane_dim)
{
    uint32_t busy = s->conditioned;
    for (uint32_t i = 0; i < s->accesses; i++)
        busy |= survey_is_inner(s, &s->access[i]) ? s->access[i].dims : 0;
    for (uint32_t d = 0; d < s->dims; d++) {
        struct dim *dim = &s->dim[d];
        if ((int)d == lane_dim || dim->window || busy >> d & 1 || dim->tile <= ELEMENTWISE_VECTORS)
            continue;
        dim->tile = ELEMENTWISE_VECTORS;
        while (dim->tile > 2 && dim->extent % dim->tile)
            dim->tile--;
    }
}

/* The largest of a window and where it stands: points share nothing but what neighbours along a row both read, and two
 * registers each are all that is needed where an operand may lie in memory and be taken by a mask. A whole row knows
 * which of its positions have which terms; pieces ask, and are as long as hides the latency. */
static bool tile_picked_row(struct survey *s, int lane_dim, const struct ktarget *target)
{
    int64_t most = target->registers > 16 ? target->registers / 2 : (target->registers - 4) / 2;
    int row = -1;
    for (uint32_t d = 0; d < s->dims; d++)
        if (survey_is_index(s, d) && s->slides >> d & 1)
            row = (int)d;
    if (!s->picks || lane_dim < 0 || row < 0 || row == lane_dim)
        return false;
    struct dim *dim = &s->dim[row], *lanes = &s->dim[lane_dim];
    dim->tile = dim->extent <= most ? dim->extent : most < CHAIN_SLOTS ? most : CHAIN_SLOTS;
    lanes->tile = target->lanes;
    if (4 * dim->tile <= most + 2 && lanes->extent > lanes->tile) /* short: two vectors hide each other's latency */
        lanes->tile *= 2;
    return true;
}

void schedule_tile(struct survey *s, int lane_dim, const struct ktarget *target)
{
    if (tile_picked_row(s, lane_dim, target))
        return;
    struct best_tile best = {.cost = -1}, plain = best;
    uint32_t whole = whole_dims(s), windows = 0;
    for (uint32_t d = 0; d < s->dims; d++)
        windows |= (uint32_t)s->dim[d].window << d;
    /* up to two dims beside the lanes and whole ones */
    for (uint32_t x = 0; x < s->dims; x++)
        for (uint32_t y = x; y < s->dims; y++) {
            if (!may_tile(s, x, lane_dim) || !may_tile(s, y, lane_dim))
                continue;
            try_tiles(s, lane_dim, target, x, y, windows, &plain);
            for (uint32_t w = whole; w; w = (w - 1) & whole) /* every subset */
                try_tiles(s, lane_dim, target, x, y, w | windows, &best);
        }
    for (uint32_t d = s->dims; d-- > 0 && !s->tree && lane_dim >= 0 && !windows;)
        if ((int)d != lane_dim && (whole & ~s->brief) >> d & 1)
            try_pieces(s, lane_dim, target, d, &best);
    /* few registers may be better used by one position of a window after the other */
    for (uint32_t x = 0; windows && x < s->dims; x++)
        for (uint32_t y = x; y < s->dims; y++)
            if (may_tile(s, x, lane_dim) && may_tile(s, y, lane_dim))
                try_tiles(s, lane_dim, target, x, y, 0, &plain);
    /* what is cut is more code, and not all of a whole dim's points have a term each time */
    double charge = s->tree || !(whole & ~s->brief) ? 1 : WHOLE_CHARGE;
    if (best.cost < 0 || (plain.cost >= 0 && plain.cost <= best.cost * charge))
        best = plain;
    if (best.cost >= 0)
        for (uint32_t d = 0; d < s->dims; d++)
            s->dim[d].tile = best.tile[d];
    limit_idle_rows(s, lane_dim);
    if (best.cost >= 0 && lane_dim >= 0 && !s->tree)
        leave_lanes_to_share(s, lane_dim, target, best.cost);
}

/* Lanes of a panel of weights, where it is no wider than what is evaluated at a time: whole, it is one stream. */
static int64_t narrow_panel(const struct survey *s, uint32_t lane_dim, uint32_t lanes)
{
    int64_t panel = 0;
    for (uint32_t i = 0; i < s->accesses; i++) {
        int64_t stored = s->access[i].store ? panel_of(&s->access[i], lane_dim) : 0;
        panel = stored > panel ? stored : panel;
    }
    return panel % lanes || panel > WIDEST_PANEL * lanes ? 0 : panel;
}

/* Elementwise: a few vectors side by side in memory; of windows of pooling a row, so that what is written stays one
 * stream; where a store lies across the lanes, a square that can be transposed. */
void schedule_elementwise_tile(struct survey *s, int lane_dim, const struct ktarget *target)
{
    if (lane_dim < 0)
        return;
    int64_t vectors = ELEMENTWISE_VECTORS;
    for (uint32_t d = s->dims; d-- > 0 && vectors == ELEMENTWISE_VECTORS;)
        if ((int)d != lane_dim && !s->dim[d].window && s->dim[d].period > 1 &&
            s->dim[d].period <= s->dim[d].extent) {
            s->dim[d].tile = s->dim[d].period;
            vectors /= s->dim[d].period;
        }
    do
        s->dim[lane_dim].tile = (vectors > 1 ? vectors : 1) * (int64_t)target->lanes;
    while (!inside_panels(s, (uint32_t)lane_dim) && (vectors /= 2) > 0);
    int64_t panel = vectors == ELEMENTWISE_VECTORS ? narrow_panel(s, (uint32_t)lane_dim, target->lanes) : 0;
    if (panel > s->dim[lane_dim].tile)
        s->dim[lane_dim].tile = panel;
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
 * class weights as selects) is computed a vector at a time, and where time hardly counts one of dozens (a softmax). */
void schedule_limit_code(struct survey *s, int lane_dim, const struct ktarget *target)
{
    int64_t points = 1;
    for (uint32_t d = 0; d < s->dims; d++)
        points *= steps(&s->dim[d], (int)d == lane_dim, target->lanes);
    bool one = s->kernel->schedule.cold && s->operators >= LONG_POINT;
    if (!one && points * s->operators <= LARGEST_CODE)
        return;
    for (uint32_t d = 0; d < s->dims; d++)
        if (!s->dim[d].window)
            s->dim[d].tile = (int)d == lane_dim ? target->lanes : 1;
}
