/* What lies in the lanes of vectors: the batch, or features where too few examples would fill them.
 *
 * With the batch in the lanes every kernel runs at full speed once a batch is a multiple of a vector, whatever the
 * layers' extents; a batch of one fills one lane of 16. With the features there a layer of 16 n outputs wastes nothing,
 * whatever the batch, but a tile loads more, and gradients over inputs transpose the weights. So each is charged for
 * the lanes that it computes, weighted by the layers' operations, and the features for the rest. One choice holds for
 * the whole model: from its own graph, so that all entries agree on where the state lies. */
#include "lowered.h"
#include "pass.h"
#include "schedule.h"

/* What features cost beyond the lanes that they leave empty, as measured over networks and batches of 6 to 20:
 * gradients of convolutions have their channels and the image's borders in small tiles. */
static double charge(const struct node *node, bool learns)
{
    return !learns ? 1.15 : op_is(node, "conv2d") ? 1.5 : 1.25;
}

enum { LINE = 16, NARROW = 8 };

/* And what a batch costs that fills no more than one vector: its tiles load as often as they multiply. */
static double charge_single(const struct node *node, int64_t lanes)
{
    return !op_is(node, "conv2d") ? 1.4 : lanes == LINE ? 1.15 : 1.6;
}

/* Nearly as good is no reason: tiles of features have fewer rows and need more registers. */
static const double CLEARLY = 0.95;

static double fill(int64_t extent, uint32_t lanes)
{
    return (double)extent / (double)((extent + lanes - 1) / lanes * lanes);
}

/* Most vectors side by side in a tile: as there are registers for their accumulators, a set for each example of the
 * tile, and their weights. A single example needs enough chains of additions to hide their latency, and no more. */
static int64_t tile_vectors(int64_t batch, const struct ktarget *target)
{
    enum { CHAINS = 8, WIDEST = 6, EXAMPLES = 8 };
    int64_t tiles = (batch + EXAMPLES - 1) / EXAMPLES, examples = (batch + tiles - 1) / tiles;
    int64_t registers = (int64_t)target->registers - (target->registers > 16 ? 3 : 2);
    if (batch == 1)
        return registers - 1 < CHAINS ? registers - 1 : CHAINS;
    int64_t vectors = registers / (examples + 1);
    return vectors < 1 ? 1 : vectors > WIDEST ? WIDEST : vectors;
}

static int64_t whole_panel(const struct ktarget *target)
{
    return target && target->lanes == NARROW ? NARROW : LINE;
}

/* A line of examples, or half of one where vectors have no more, or none but the batch's own would be in the rest. */
static int64_t panel_of(int64_t batch, const struct ktarget *target)
{
    bool half = target && target->lanes == LINE && schedule_narrow(batch, target) <= NARROW;
    return half ? NARROW : whole_panel(target);
}

static struct layout_plan choose_lanes(const struct pass_context *context)
{
    const struct graph *model = context->model ? context->model : context->graph;
    const struct ktarget *target = context->target;
    struct layout_plan plan = {0};
    if (!target || target->lanes < 2 || context->batch < 1)
        return plan;
    double flops = 0, slots = 0, charged = 0, single = 0;
    /* where a vector of half the lanes takes as long as a whole one, a batch that fits it wastes the other half */
    int64_t panel = panel_of(context->batch, target), unit = target->halves ? panel : whole_panel(target);
    for (size_t i = 0; i < model->nodes.count; i++) {
        const struct node *node = model->nodes.at[i];
        if (!op_is(node, "linear") && !op_is(node, "conv2d"))
            continue;
        double mine = (double)op_flops(node, 1);
        flops += mine;
        single += context->batch <= unit ? mine * charge_single(node, unit) : mine;
        mine /= fill(node->output[0]->type.dim[1], schedule_narrow(node->output[0]->type.dim[1], target));
        slots += mine;
        charged += mine * charge(node, context->learns);
    }
    if (flops == 0)
        return plan;
    double batch = fill(context->batch, (uint32_t)unit);
    plan.features = batch * flops / single < CLEARLY * flops / charged;
    plan.lanes = target->lanes;
    plan.vectors = tile_vectors(context->batch, target);
    plan.why = arena_printf(context->arena,
                            "%s in the lanes: the batch fills %.0f %% of them, as good as %.0f %%, features %.0f %%, "
                            "as good as %.0f %%",
                            plan.features ? "features" : "the batch", 100 * batch, 100 * batch * flops / single,
                            100 * flops / slots, 100 * flops / charged);
    return plan;
}

/* Whole lines of as many vectors as a tile has, of four examples that share a list. */
static int64_t zeros_panel(const struct ktarget *target)
{
    enum { LIST = 4, WIDEST = 64 };
    int64_t panel = target ? (target->registers - 2) / (LIST + 1) * (int64_t)target->lanes / LINE * LINE : WIDEST;
    return panel < LINE ? LINE : panel > WIDEST ? WIDEST : panel;
}

struct layout_plan lower_plan(const struct pass_context *context)
{
    struct layout_plan plan = choose_lanes(context);
    plan.zeros_panel = zeros_panel(context->target);
    plan.capacity = context->batch;
    plan.panel = panel_of(context->batch, context->target);
    if (!plan.features)
        plan.capacity = (context->batch + plan.panel - 1) / plan.panel * plan.panel;
    return plan;
}
