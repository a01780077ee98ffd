#include "golden_passes.h"

#include "ops.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

static enum entry_kind entry_named(const char *name)
{
    static const char *const names[ENTRY_COUNT] = {
        [ENTRY_FORWARD] = "forward", [ENTRY_EVAL] = "eval", [ENTRY_GRADIENT] = "gradient", [ENTRY_STEP] = "step"};
    for (int i = 0; name && i < ENTRY_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (enum entry_kind)i;
    return ENTRY_STEP;
}

struct pass_context golden_context(struct scratch *s, struct graph *graph, const char *entry, const char *optimizer)
{
    struct pass_context context = {.arena = &s->arena, .diags = &s->diags, .entry = entry_named(entry), .batch = 64};
    context.graph = graph;
    context.learns = context.entry == ENTRY_STEP || context.entry == ENTRY_GRADIENT;
    if (optimizer)
        context.optimizer = (struct optimizer_config){
            .momentum = strstr(optimizer, "momentum"), .dampening = strstr(optimizer, "dampening"),
            .weight_decay = strstr(optimizer, "weight_decay"), .nesterov = strstr(optimizer, "nesterov")};
    return context;
}

static size_t split(char *list, const struct pass **out, size_t most)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *name = strtok_r(list, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        CU_ASSERT_FATAL(count < most);
        out[count] = pass_named(name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(out[count]);
        count++;
    }
    return count;
}

const char *golden_passes(struct scratch *s, const char *path, struct pass_context *out_context)
{
    uint32_t file = golden_source(&s->map, &s->arena, path);
    const char *source = source_file(&s->map, file)->text, *batch = golden_note(&s->arena, source, "batch", 0);
    char *wanted = golden_note(&s->arena, source, "passes", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(wanted);
    struct graph *graph = graph_parse(&s->arena, &s->diags, op_set(), file);
    struct pass_context context = golden_context(s, graph, golden_note(&s->arena, source, "entry", 0),
                                                 golden_note(&s->arena, source, "optimizer", 0));
    if (batch)
        context.batch = atoi(batch);
    const struct pass *passes[32];
    size_t count = split(wanted, passes, sizeof passes / sizeof *passes);
    bool ok = graph && pass_run(&context, passes, count, NULL, NULL);
    CU_ASSERT_EQUAL(ok, s->diags.errors == 0);
    struct text printed;
    text_init(&printed, &s->arena);
    if (ok && context.program)
        kernel_print_program(context.program, &printed);
    else if (ok)
        graph_print(context.graph, &printed);
    const char *out = ok ? text_string(&printed) : scratch_messages(s);
    CU_ASSERT_TRUE(golden_same(&s->arena, golden_beside(&s->arena, path, ".out"), out));
    *out_context = context;
    return out;
}
