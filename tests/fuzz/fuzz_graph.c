/* Any bytes as a graph: it parses or it does not; what parses and verifies prints to a text that parses to the same. */
#include "fuzz_target.h"
#include "graph.h"
#include "ops.h"

#include <stdlib.h>
#include <string.h>

static struct graph *parse(struct arena *arena, struct diag_list *diags, struct source_map *map, const char *text,
                           size_t length)
{
    source_map_init(map, arena);
    diag_init(diags, arena, map);
    return graph_parse(arena, diags, op_set(), source_add(map, "fuzz.xir", text, length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct source_map map;
    struct diag_list diags;
    arena_init(&arena, NULL);
    struct graph *graph = parse(&arena, &diags, &map, arena_strndup(&arena, (const char *)data, size), size);
    struct text rendered, once, twice;
    text_init(&rendered, &arena);
    diag_render(&diags, &rendered);
    if (graph && graph_verify(graph, &diags)) {
        text_init(&once, &arena);
        text_init(&twice, &arena);
        graph_print(graph, &once);
        struct graph *again = parse(&arena, &diags, &map, text_string(&once), once.count);
        if (!again)
            abort();
        graph_print(again, &twice);
        if (strcmp(text_string(&once), text_string(&twice)) != 0)
            abort();
    }
    arena_deinit(&arena);
    return 0;
}
