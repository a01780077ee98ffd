/* Any graph through the passes that rewrite graphs, the entry chosen by its size: what is refused is refused with a
 * message about the text, and nothing that went in well comes out broken. */
#include "fuzz_target.h"
#include "pass.h"

#include <stdlib.h>
#include <string.h>

static void run(struct arena *arena, const char *text, size_t size)
{
    struct source_map map;
    struct diag_list diags;
    source_map_init(&map, arena);
    diag_init(&diags, arena, &map);
    struct graph *graph = graph_parse(arena, &diags, op_set(), source_add(&map, "fuzz.xir", text, size));
    if (!graph || graph->nodes.count > 200)
        return;
    struct pass_context context = {.arena = arena, .diags = &diags, .graph = graph, .batch = 64,
                                   .entry = (enum entry_kind)(size % ENTRY_COUNT),
                                   .optimizer = {.momentum = size & 4, .weight_decay = size & 8}};
    pass_run_all(&context, NULL, "dce", NULL);
    for (size_t i = 0; i < diags.items.count; i++)
        if (strncmp(diags.items.at[i].message, "internal error", 14) == 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    jmp_buf failed;
    arena_init(&arena, &failed);
    if (setjmp(failed) == 0)
        run(&arena, arena_strndup(&arena, (const char *)data, size), size);
    arena_deinit(&arena);
    return 0;
}
