/* The model that the entries' programs make together: the tables of xent/model.h from what `lower` left behind. Feeds
 * and state are the same for each entry, at the same places; the entry with an optimizer has its state, too. */
#include "compile.h"
#include "lowered.h"

#include <assert.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static uint32_t dtype_of(enum ktype type)
{
    return type == KT_F32 ? XENT_F32 : type == KT_I32 ? XENT_I32 : XENT_U8;
}

static struct xent_tensor describe(const struct kvar *var, const char *name, enum xent_role role, uint32_t rank,
                                   const int64_t *shape, const struct klayout *layout)
{
    uint32_t dtype = dtype_of(var->type);
    struct xent_tensor tensor = {
        .name = name,
        .role = role,
        .dtype = dtype,
        .rank = rank,
        .digits = layout->count,
        .offset = (uint64_t)var->offset,
        .bytes = (uint64_t)layout->elements * (dtype == XENT_U8 ? 1 : 4),
    };
    memcpy(tensor.shape, shape, rank * sizeof *shape);
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct kdigit *digit = &layout->digit[i];
        tensor.digit[i] = (struct xent_digit){digit->dim, digit->div, digit->mod, 0, digit->stride};
    }
    return tensor;
}

static struct xent_feed describe_feed(const struct lowered_feed *feed)
{
    if (!feed->type)
        return (struct xent_feed){.name = feed->name, .kind = XENT_FEED_PICK, .dtype = XENT_I32};
    const struct tensor_type *type = feed->type;
    struct xent_feed out = {
        .name = feed->name,
        .kind = XENT_FEED_INPUT,
        .dtype = dtype_of(feed->var->type),
        .rank = type->rank - 1,
        .classes = (uint32_t)type->classes,
    };
    if (type->dtype == DT_CLASS) {
        out.kind = XENT_FEED_CLASS_TARGET;
        out.ignore_index = feed->ignore_index;
    } else if (type->dtype == DT_PROB) {
        out.kind = XENT_FEED_PROB_TARGET;
    }
    for (uint32_t d = 0; d < out.rank; d++)
        out.shape[d] = type->dim[d + 1];
    return out;
}

static void describe_feeds(struct xent_compilation *c, const struct lowered *lowered)
{
    struct xent_feed *feed = ARENA_ARRAY(&c->arena, struct xent_feed, lowered->feeds.count);
    for (size_t i = 0; i < lowered->feeds.count; i++)
        feed[i] = describe_feed(&lowered->feeds.at[i]);
    c->model.feed = feed;
    c->model.feeds = (uint32_t)lowered->feeds.count;
}

static void describe_states(struct xent_compilation *c, const struct lowered *lowered)
{
    struct xent_tensor *tensor = ARENA_ARRAY(&c->arena, struct xent_tensor, lowered->states.count);
    for (size_t i = 0; i < lowered->states.count; i++) {
        const struct lowered_state *state = &lowered->states.at[i];
        tensor[i] = describe(state->var, state->name, state->optimizer ? XENT_ROLE_OPTIMIZER : XENT_ROLE_PARAMETER,
                             state->var->rank, state->var->extent, &state->var->layout);
        tensor[i].init_bound = (float)state->bound;
        tensor[i].init_stream = state->stream;
    }
    c->model.state = tensor;
    c->model.states = (uint32_t)lowered->states.count;
}

/* Which results a caller sees, and as what; -1: they stay inside. */
static int shown_role(enum result_role role)
{
    switch (role) {
    case RESULT_OUTPUT: return XENT_ROLE_OUTPUT;
    case RESULT_LOGITS: return XENT_ROLE_LOGITS;
    case RESULT_LOSS: return XENT_ROLE_LOSS;
    case RESULT_EXAMPLE_LOSS: return XENT_ROLE_EXAMPLE_LOSS;
    case RESULT_EXAMPLE_WEIGHT: return XENT_ROLE_EXAMPLE_WEIGHT;
    case RESULT_METRIC: return XENT_ROLE_METRIC;
    case RESULT_INPUT_GRADIENT: return XENT_ROLE_INPUT_GRADIENT;
    default: return -1;
    }
}

static struct xent_entry describe_entry(struct xent_compilation *c, const struct compiled_entry *compiled)
{
    const struct kprogram *program = compiled->context.program;
    const struct lowered *lowered = compiled->context.lowered;
    struct xent_tensor *tensor = ARENA_ARRAY(&c->arena, struct xent_tensor, lowered->results.count);
    const char **names = ARENA_ARRAY(&c->arena, const char *, program->scalars.count);
    uint32_t tensors = 0;
    for (size_t i = 0; i < lowered->results.count; i++) {
        const struct lowered_result *result = &lowered->results.at[i];
        int role = shown_role(result->role);
        if (role >= 0)
            tensor[tensors++] = describe(result->var, result->name, (enum xent_role)role, result->rank, result->shape,
                                         &result->layout);
    }
    for (size_t i = 0; i < program->scalars.count; i++)
        names[i] = program->scalars.at[i]->name;
    return (struct xent_entry){
        .name = entry_names[compiled->kind],
        .capacity = (uint32_t)lowered->capacity,
        .batch = (uint32_t)lowered->batch,
        .scalars = (uint32_t)program->scalars.count,
        .tensors = tensors,
        .scalar_names = names,
        .tensor = tensor,
        .flops = (uint64_t)program->flops,
    };
}

/* The numbers of the optimizer that the entry `step` asks for. */
static void choose_scalars(struct xent_compilation *c, const struct xent_entry *step)
{
    const struct train_config *train = &c->ir->train;
    const struct xent_scalar_value known[] = {
        {"lr", (float)train->lr},
        {"momentum", (float)train->momentum},
        {"dampening", (float)train->dampening},
        {"weight_decay", (float)train->weight_decay},
    };
    for (uint32_t i = 0; i < step->scalars; i++)
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (!strcmp(step->scalar_names[i], known[k].name))
                c->scalars[c->scalar_count++] = known[k];
}

void compile_join(struct xent_compilation *c)
{
    const struct lowered *most = c->entries[0].context.lowered;
    int64_t bytes = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct pass_context *context = &c->entries[i].context;
        assert(context->lowered->state_bytes == most->state_bytes);
        if (context->lowered->states.count > most->states.count)
            most = context->lowered;
        if (context->program->arena_bytes > bytes)
            bytes = context->program->arena_bytes;
    }
    const struct result *loss = graph_result(c->ir->graph, RESULT_LOSS);
    c->model = (struct xent_model){
        .abi_version = XENT_ABI_VERSION,
        .size = sizeof c->model,
        .name = c->ir->graph->name,
        .arena_bytes = (uint64_t)bytes,
        .arena_align = ALIGNMENT,
        .reduction = loss ? (uint32_t)node_int(loss->value->node, "reduction") : UINT32_MAX,
    };
    describe_feeds(c, most);
    describe_states(c, most);
    c->scalar_count = 0;
    for (size_t i = 0; i < c->count; i++) {
        c->entry[i] = describe_entry(c, &c->entries[i]);
        if (c->entries[i].kind == ENTRY_STEP)
            choose_scalars(c, &c->entry[i]);
    }
    c->model.entry = c->entry;
    c->model.entries = (uint32_t)c->count;
}
