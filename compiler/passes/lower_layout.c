/* Layouts of memory. Extents have the batch last.
 *
 *   activations   (m/P, features…, m%P): what neighbouring lanes of the batch need is one line. Images have P = 16,
 *                 so that a row of pixels stays short, or 8 where a vector has no more: sums over positions read
 *                 one vector at each, and the other half of its line would be fetched for nothing. Panels of half a
 *                 line are an odd number of lines apart, for a tile that reads two of them. Channels whose pixels
 *                 are a multiple of 4 KiB have a line between them, or all would share one set of the cache; not
 *                 where the image is seen as a vector too. Vectors have panels of up to a tile's width. All views of
 *                 one memory have one P.
 *   weights       [out, in] row by row, the row's stride an odd number of 16-float lines: columns then spread over
 *                 all sets of the cache. Other tensors are dense.
 *   transposed    (k/Q, m, k%Q): panels as wide as a tile of the weight gradient.
 *   zeros         (n/w, k, n%w): weights of a layer that leaves out inputs, for whichever of them are left.
 *
 * That is with the batch in the lanes. With the features there (lower_plan.c):
 *
 *   activations   (m, features), images (m, y, x, c): what neighbouring lanes of a layer's outputs need is one line.
 *   weights       (n/P, k, n%P): a tile of P outputs reads one stream. Those of convolutions (o/P, c, i, j, o%P). */
#include "lowered.h"

#include <assert.h>

enum { LINE = 16, WIDEST_PANEL = 64, WHOLE_PANEL = 96, TILE_VECTORS = 3, SLACK_BYTES = 256, WAY = 1024 };

static int64_t round_up(int64_t value, int64_t to)
{
    return (value + to - 1) / to * to;
}

static struct klayout complete(struct klayout layout, uint32_t rank, const int64_t *extent)
{
    bool fits = klayout_complete(&layout, rank, extent);
    assert(fits); /* the shape rules bound every extent */
    (void)fits;
    return layout;
}

/* The widest panel that wastes fewest lanes. */
static int64_t panel_width(int64_t lanes)
{
    if (lanes <= WHOLE_PANEL)
        return lanes;
    int64_t best = WIDEST_PANEL;
    for (int64_t width = WIDEST_PANEL; width >= 2 * LINE; width -= LINE)
        if (round_up(lanes, width) < round_up(lanes, best))
            best = width;
    return best;
}

struct klayout lower_layout_batch(uint32_t rank, const int64_t *extent, bool image, bool viewed, int64_t images)
{
    uint32_t m = rank - 1;
    int64_t panel = image ? images : panel_width(extent[m]);
    if (rank < 2)
        return klayout_dense(rank, extent);
    bool whole = panel == extent[m];
    struct klayout layout = {.count = rank + !whole};
    struct kdigit *feature = &layout.digit[!whole];
    int64_t plane = panel;
    for (uint32_t d = 0; d < m; d++) {
        feature[d] = (struct kdigit){.dim = d, .div = 1};
        plane *= d ? extent[d] : 1;
    }
    feature[m] = (struct kdigit){.dim = m, .div = 1, .mod = whole ? 0 : (uint32_t)panel};
    bool apart = m > 1 && !viewed && plane % WAY == 0;
    if (apart)
        feature[0].stride = plane = plane + LINE;
    if (!whole)
        layout.digit[0] = (struct kdigit){.dim = m, .div = (uint32_t)panel};
    if (!whole && (apart || panel < LINE))
        layout.digit[0].stride = (round_up(extent[0] * plane, LINE) / LINE | 1) * LINE;
    return complete(layout, rank, extent);
}

struct klayout lower_layout_weight(uint32_t rank, const int64_t *extent)
{
    if (rank != 2)
        return klayout_dense(rank, extent);
    int64_t lines = round_up(extent[1], LINE) / LINE;
    struct klayout layout = klayout_dense(rank, extent);
    layout.digit[0].stride = (lines | 1) * LINE;
    return complete(layout, rank, extent);
}

struct klayout lower_layout_features(uint32_t rank, const int64_t *extent, uint32_t lanes)
{
    uint32_t m = rank - 1;
    int64_t panel = TILE_VECTORS * (int64_t)(lanes > 0 ? lanes : LINE);
    struct klayout layout = {0};
    if (rank == 2 && extent[0] > panel)
        layout.digit[layout.count++] = (struct kdigit){.dim = 0, .div = (uint32_t)panel};
    layout.digit[layout.count++] = (struct kdigit){.dim = m, .div = 1};
    if (rank == 2 && extent[0] > panel) {
        layout.digit[layout.count++] = (struct kdigit){.dim = 0, .div = 1, .mod = (uint32_t)panel};
        return complete(layout, rank, extent);
    }
    int64_t features = 1;
    for (uint32_t d = 0; d < m; d++) {
        layout.digit[layout.count++] = (struct kdigit){.dim = d, .div = 1};
        features *= extent[d];
    }
    layout.digit[0].stride = round_up(features, LINE);
    return complete(layout, rank, extent);
}

struct klayout lower_layout_example(uint32_t rank, const int64_t *extent, bool viewed)
{
    uint32_t m = rank - 1;
    struct klayout layout = {.digit[0] = {.dim = m, .div = 1}, .count = 1};
    bool channels_last = m > 1 && !viewed;
    int64_t features = 1;
    for (uint32_t d = channels_last; d < m; d++)
        layout.digit[layout.count++] = (struct kdigit){.dim = d, .div = 1};
    if (channels_last)
        layout.digit[layout.count++] = (struct kdigit){.dim = 0, .div = 1};
    for (uint32_t d = 0; d < m; d++)
        features *= extent[d];
    if (m > 0)
        layout.digit[0].stride = round_up(features, LINE);
    return complete(layout, rank, extent);
}

/* The dims outside in, the innermost one in panels where it is wider than one. */
static struct klayout panels(uint32_t rank, const int64_t *extent, const uint32_t *order, int64_t panel)
{
    uint32_t inner = order[rank - 1];
    int64_t width = extent[inner] > panel ? panel : round_up(extent[inner], LINE), next = width;
    struct klayout layout = {0};
    if (extent[inner] > panel)
        layout.digit[layout.count++] = (struct kdigit){.dim = inner, .div = (uint32_t)panel};
    for (uint32_t i = 0; i + 1 < rank; i++)
        layout.digit[layout.count++] = (struct kdigit){.dim = order[i], .div = 1};
    layout.digit[layout.count++] =
        (struct kdigit){.dim = inner, .div = 1, .mod = extent[inner] > panel ? (uint32_t)panel : 0, .stride = 1};
    for (uint32_t i = layout.count - 1; i-- > 0;) {
        layout.digit[i].stride = next;
        next *= layout.digit[i].div > 1 ? 1 : extent[layout.digit[i].dim];
    }
    return complete(layout, rank, extent);
}

/* Of a tile's widths, no less than half, the one that leaves the least of its last panel empty. */
struct klayout lower_layout_outputs(uint32_t rank, const int64_t *extent, const struct layout_plan *plan)
{
    if (rank < 2)
        return klayout_dense(rank, extent);
    uint32_t order[KERNEL_MAX_RANK];
    for (uint32_t d = 0; d < rank; d++)
        order[d] = (d + 1) % rank;
    int64_t panel = plan->vectors * plan->lanes;
    for (int64_t narrower = panel; 2 * narrower > plan->vectors * plan->lanes; narrower -= plan->lanes)
        if (round_up(extent[0], narrower) < round_up(extent[0], panel))
            panel = narrower;
    return panels(rank, extent, order, panel);
}

struct klayout lower_layout_inputs(uint32_t rank, const int64_t *extent)
{
    uint32_t order[KERNEL_MAX_RANK] = {0};
    for (uint32_t d = 1; d < rank; d++)
        order[d] = d + 1 < rank ? d + 1 : 1;
    return panels(rank, extent, order, INT64_MAX);
}

struct klayout lower_layout_zeros(uint32_t rank, const int64_t *extent, const struct layout_plan *plan)
{
    return rank == 2 ? panels(rank, extent, (uint32_t[]){1, 0}, plan->zeros_panel) : klayout_dense(rank, extent);
}

int64_t lower_bytes(const struct kvar *var)
{
    return round_up(kvar_bytes(var) + SLACK_BYTES, LOWER_ALIGN);
}
