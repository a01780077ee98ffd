/* Derives a schedule for each kernel from its extents and the target.
 *
 * Lanes: the index whose neighbours lie side by side in most of the memory that the kernel touches. Tile:
 * schedule_tile.c. Threads: schedule_split.c, schedule_owners.c. Nothing here can change a bit. */
#include "schedule_internal.h"

#include <string.h>

enum {
    FAR_CACHES = 4,    /* second caches that would hold it */
    FETCH_SLOTS = 200, /* multiply-adds while a line comes from beyond the second cache */
    NARROW_PANEL = 8,  /* examples */
    LONG_SUM = 16      /* terms beside which fetching a line ahead costs nothing */
};

/* ---- lanes ---- */

static double lanes_cost(const struct survey *s, uint32_t d, int64_t extent, uint32_t lanes)
{
    double cost = 0;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        double each = a->step[d] < 2 ? 1 : a->store || survey_turns(a, lanes) ? 2 : lanes;
        cost += each * (double)a->weight;
    }
    int64_t vectors = (extent + lanes - 1) / lanes;
    return cost * (double)vectors / (double)extent;
}

/* So many lanes, or as few as a panel of images has, of which a small batch is one. */
static uint32_t inside_panels(const struct survey *s, uint32_t lane_dim, uint32_t lanes)
{
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        const struct klayout *layout = &a->buffer->layout;
        const struct kdigit *last = layout->count ? &layout->digit[layout->count - 1] : NULL;
        if (last && last->stride == 1 && lanes > NARROW_PANEL &&
            (last->mod == NARROW_PANEL || (a->step[lane_dim] == 1 && a->buffer->extent[last->dim] == NARROW_PANEL)))
            lanes = NARROW_PANEL;
    }
    return lanes;
}

static int choose_lanes(const struct survey *s, uint32_t lanes)
{
    double best = 0;
    int chosen = -1;
    for (uint32_t i = 0; i < s->accesses; i++)
        best += (double)s->access[i].weight; /* of scalar code */
    for (uint32_t d = 0; d < s->dims; d++) {
        bool tree = s->tree && d == s->tree_dim;
        if (s->dim[d].window || s->narrow >> d & 1 || (s->tree && !tree && strcmp(s->dim[d].name, s->tree) == 0))
            continue;
        double cost = lanes_cost(s, d, tree ? s->tree_extent : s->dim[d].extent, lanes);
        if (cost < best * 0.999) {
            best = cost;
            chosen = (int)d;
        }
    }
    return chosen;
}

/* ---- a kernel ---- */

/* Whether every store extends along all dims. */
static bool stores_everywhere(const struct survey *s, const struct kstatement *const *store, uint32_t stores)
{
    uint32_t dims = 0;
    for (uint32_t d = 0; d < s->dims; d++)
        dims += survey_is_index(s, d);
    for (uint32_t i = 0; i < stores; i++)
        if (store[i]->rank != dims)
            return false;
    return dims > 0;
}

/* Whether the lanes of a tile are a whole panel of the layout, whose rows follow each other in memory. */
static bool is_panel(const struct klayout *layout, int64_t tile)
{
    const struct kdigit *lanes = &layout->digit[layout->count - 1];
    return lanes->mod && lanes->mod <= tile;
}

/* Whether what it updates in place is so much that it should be one stream, which goes from row to row. */
static bool updates_rows(const struct kernel *kernel, int64_t tile, const struct ktarget *target)
{
    double bytes = 0; /* of buffers that are each less than 2^63, all together perhaps not */
    for (size_t i = 0; i < kernel->buffers.count; i++) {
        const struct kbuffer *buffer = kernel->buffers.at[i];
        if (buffer->access == KA_INOUT && buffer->rank > 1 && !is_panel(&buffer->layout, tile))
            bytes += (double)buffer->layout.elements * sizeof(float);
    }
    return bytes > FAR_CACHES * (double)target->l2_bytes;
}

/* Whether what is fetched when a tile's sums begin has time to arrive before they end. */
static bool takes_long(const struct survey *s, int lane_dim, uint32_t lanes)
{
    int64_t products = s->heaviest;
    for (uint32_t d = 0; d < s->dims; d++)
        products *= (int)d == lane_dim ? (s->dim[d].tile + lanes - 1) / lanes : s->dim[d].tile;
    return products >= FETCH_SLOTS;
}

/* Whether every element is read once, behind a long sum, and has left the first cache: a tile would wait for it. */
static bool reads_behind(const struct survey *s, const struct kbuffer *buffer, const struct ktarget *target)
{
    uint32_t all = 0;
    for (uint32_t d = 0; d < s->dims; d++)
        all |= survey_is_index(s, d) ? 1u << d : 0;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        if (a->buffer == buffer && !a->store && !a->term && a->dims == all)
            return buffer->access == KA_IN && s->heaviest >= LONG_SUM &&
                   buffer->layout.elements * (int64_t)sizeof(float) > target->l1_bytes;
    }
    return false;
}

/* A kernel whose schedule lacks nothing but what the threads share. */
struct planned {
    struct survey *survey;
    uint32_t order[MAX_DIMS], count, lanes;
    bool to_split;
};

static void plan_kernel(struct arena *arena, struct kernel *kernel, const struct ktarget *target, struct planned *plan)
{
    const struct kstatement **store;
    uint32_t stores;
    bool independent;
    struct survey *s = survey_kernel(arena, kernel, &independent, &store, &stores);
    struct kschedule *out = &kernel->schedule;
    plan->survey = s;
    if (kernel->scheduled)
        return;
    kernel->scheduled = true;
    int lane_dim = target->lanes > 1 && !s->scalar ? choose_lanes(s, target->lanes) : -1;
    bool tree_lanes = s->tree && lane_dim == (int)s->tree_dim;
    if (lane_dim >= 0)
        out->lanes = tree_lanes ? s->tree : s->dim[lane_dim].name;
    struct ktarget narrow = *target;
    if (lane_dim >= 0 && !tree_lanes && survey_adds(s))
        narrow.lanes = schedule_narrow(s->dim[lane_dim].extent, target);
    if (lane_dim >= 0)
        narrow.lanes = inside_panels(s, (uint32_t)lane_dim, narrow.lanes);
    if (narrow.lanes < target->lanes)
        out->width = narrow.lanes;
    target = &narrow;
    if (survey_adds(s) && !s->scalar)
        schedule_tile(s, lane_dim, target);
    else
        schedule_elementwise_tile(s, lane_dim, target);
    schedule_limit_code(s, lane_dim, target);
    for (uint32_t i = 0; i < stores; i++)
        survey_unroll_windows(s, store[i]->value, out);
    bool blocks = tree_lanes && survey_adds(s) && stores_everywhere(s, store, stores);
    /* loops: examples of a data set outermost, so that each is read in one go; then the lanes' tiles, so that their
     * panel stays in the cache, or innermost, where rows are updated that come from far away; what is tiled for reuse
     * innermost */
    bool rows = lane_dim >= 0 && updates_rows(kernel, s->dim[lane_dim].tile, target);
    for (int place = 0; place < 5; place++)
        for (uint32_t d = 0; d < s->dims; d++) {
            bool lane = (int)d == lane_dim && !tree_lanes;
            int mine = s->gathered >> d & 1 ? 0 : lane ? (rows ? 4 : 1) : s->dim[d].tile == 1 ? 2 : 3;
            if (!blocks && survey_is_index(s, d) && mine == place)
                plan->order[plan->count++] = d;
        }
    schedule_slices(s, lane_dim, target, store, stores, plan->order, plan->count, out);
    for (uint32_t i = 0; i < plan->count; i++)
        vec_push(arena, &out->order, s->dim[plan->order[i]].name);
    if (blocks)
        schedule_blocks(s, target, independent, out);
    plan->to_split = independent && !blocks;
    plan->lanes = target->lanes;
    for (uint32_t d = 0; d < s->dims; d++)
        if (survey_is_index(s, d) && s->dim[d].tile > 1)
            vec_push(arena, &out->tile, (struct ktile){s->dim[d].name, s->dim[d].tile});
    if (survey_adds(s) && !blocks && takes_long(s, lane_dim, target->lanes))
        for (size_t i = 0; i < kernel->buffers.count; i++)
            if ((kernel->buffers.at[i]->access == KA_INOUT && kernel->buffers.at[i]->rank > 1) ||
                reads_behind(s, kernel->buffers.at[i], target))
                vec_push(arena, &out->prefetch, kernel->buffers.at[i]->name);
}

static void split_planned(struct kernel *kernel, const struct planned *plan, const struct ownership *ownership)
{
    kernel->schedule.parallel.count = 0;
    split_kernel(plan->survey, plan->order, plan->count, plan->lanes, ownership, &kernel->schedule);
}

static bool is_called(const struct kprogram *program, const struct kernel *kernel)
{
    for (size_t i = 0; i < program->calls.count; i++)
        if (program->calls.at[i].kernel == kernel)
            return true;
    return false;
}

/* Threads share in the order of the calls, so that each finds in its cache what it left there; a second time when it is
 * known what the calls behind leave for the next step. */
void kernel_schedule(struct kprogram *program, const struct ktarget *target)
{
    enum { ROUNDS = 2 };
    struct ownership ownership = {.arena = program->arena};
    struct planned *plan = ARENA_ARRAY(program->arena, struct planned, program->kernels.count + 1);
    schedule_cold(program, target);
    for (size_t k = 0; k < program->kernels.count; k++) {
        plan_kernel(program->arena, program->kernels.at[k], target, &plan[k]);
        if (plan[k].to_split && !is_called(program, program->kernels.at[k]))
            split_planned(program->kernels.at[k], &plan[k], &ownership);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < program->calls.count; i++)
            for (size_t k = 0; k < program->kernels.count; k++) {
                struct kernel *kernel = program->kernels.at[k];
                if (kernel != program->calls.at[i].kernel)
                    continue;
                ownership.call = &program->calls.at[i];
                if (plan[k].to_split)
                    split_planned(kernel, &plan[k], &ownership);
                split_note(&ownership, plan[k].survey, schedule_width(&kernel->schedule, target), &kernel->schedule);
            }
}
