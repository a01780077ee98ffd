/* Where the results of entries lie in the arena: all that a run needs of the passes behind `lower`, beside code. It is
 * kept with the code, so that these passes need not run again. */
#include "compile.h"
#include "lowered.h"

size_t places_count(const struct xent_entry *entry)
{
    return 1 + entry->tensors;
}

void places_get(const struct xent_compilation *c, size_t entry, uint64_t *out)
{
    const struct xent_entry *its = &c->entry[entry];
    *out++ = (uint64_t)c->entries[entry].context.program->arena_bytes;
    for (uint32_t i = 0; i < its->tensors; i++)
        *out++ = its->tensor[i].offset;
}

void places_set(struct xent_compilation *c, size_t entry, const uint64_t *places)
{
    struct xent_entry *its = &c->entry[entry];
    struct xent_tensor *tensor = ARENA_ARRAY(&c->arena, struct xent_tensor, its->tensors);
    if (*places > c->model.arena_bytes)
        c->model.arena_bytes = *places;
    for (uint32_t i = 0; i < its->tensors; i++) {
        tensor[i] = its->tensor[i];
        tensor[i].offset = *++places;
    }
    its->tensor = tensor;
}

void places_explain(const struct compiled_entry *entry, struct text *out)
{
    const struct lowered *lowered = entry->context.lowered;
    text_printf(out, "%lld", (long long)lowered->state_bytes);
    for (size_t i = 0; i < lowered->results.count; i++)
        text_printf(out, " %s", lowered->results.at[i].var->name);
    for (size_t i = 0; i < lowered->views.count; i++)
        text_printf(out, " %s=%s", lowered->views.at[i].var->name, lowered->views.at[i].root->name);
    text_add(out, "\n");
}
