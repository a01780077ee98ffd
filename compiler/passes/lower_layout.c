/* Layouts of memory. Extents have the batch last.
 *
 *   activations   (m/P, features…, m%P): what neighbouring lanes of the batch need is one line. Images have P = 16,
 *                 so that a row of pixels stays short; vectors up to a tile's width. All views of one memory
 *                 have one P.
 *   weights       [out, in] row by row, the row's stride an odd number of 16-float lines: columns then spread over
 *                 all sets of the cache. Other tensors are dense.
 *   transposed    (k/Q, m, k%Q): panels as wide as a tile of the weight gradient. */
#include "lowered.h"

#include <assert.h>

enum { LINE = 16, WIDEST_PANEL = 64, WHOLE_PANEL = 96, TILE_VECTORS = 3, SLACK_BYTES = 256 };

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

struct klayout lower_layout_batch(uint32_t rank, const int64_t *extent, bool image)
{
    uint32_t m = rank - 1;
    int64_t panel = image ? LINE : panel_width(extent[m]);
    if (rank < 2 || panel == extent[m])
        return klayout_dense(rank, extent);
    struct klayout layout = {.count = rank + 1};
    layout.digit[0] = (struct kdigit){.dim = m, .div = (uint32_t)panel};
    for (uint32_t d = 0; d < m; d++)
        layout.digit[d + 1] = (struct kdigit){.dim = d, .div = 1};
    layout.digit[rank] = (struct kdigit){.dim = m, .div = 1, .mod = (uint32_t)panel};
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

int64_t lower_bytes(const struct kvar *var)
{
    return round_up(kvar_bytes(var) + SLACK_BYTES, LOWER_ALIGN);
}
