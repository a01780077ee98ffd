/* The same programs with the features in the lanes, as the compiler lays them out for small batches. */
#include "families.h"

static struct klayout innermost(const struct kvar *var, uint32_t outer, uint32_t inner)
{
    struct klayout layout = {.count = var->rank};
    uint32_t place = 0;
    if (outer != inner)
        layout.digit[place++] = (struct kdigit){.dim = outer, .div = 1};
    for (uint32_t d = 0; d < var->rank; d++)
        if (d != inner && (d != outer || outer == inner))
            layout.digit[place++] = (struct kdigit){.dim = d, .div = 1};
    layout.digit[place] = (struct kdigit){.dim = inner, .div = 1, .stride = 1};
    /* neighbours of the innermost vectors are whole lines apart, in every second buffer */
    int64_t extent = var->extent[inner], next = var->rank % 2 ? extent : (extent + 15) / 16 * 16;
    while (place-- > 0) {
        layout.digit[place].stride = next;
        next *= var->extent[layout.digit[place].dim];
    }
    klayout_complete(&layout, var->rank, var->extent);
    return layout;
}

/* Batches [..., N]: an example after the other, the first dimension innermost; weights: the first one innermost, or the
 * second, as gradients over inputs want them. */
void family_features(struct kprogram *program, int64_t capacity, bool inputs)
{
    for (size_t v = 0; v < program->vars.count; v++) {
        struct kvar *var = program->vars.at[v];
        bool batch = var->rank && var->extent[var->rank - 1] == capacity;
        if (var->rank < 2 || !kvar_in_arena(var))
            continue;
        uint32_t inner = inputs && !batch;
        var->layout = innermost(var, batch ? var->rank - 1 : inner, inner);
    }
    for (size_t c = 0; c < program->calls.count; c++) {
        const struct kcall *call = &program->calls.at[c];
        for (size_t i = 0; call->kernel && i < call->kernel->buffers.count; i++)
            call->kernel->buffers.at[i]->layout = call->argument[i]->layout;
    }
}
