/* Any bytes as a kernel program: it parses or it does not; what verifies prints to a text that parses to the same. */
#include "fuzz_target.h"
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

static struct kprogram *parse(struct arena *arena, struct diag_list *diags, struct source_map *map, const char *text,
                              size_t length)
{
    source_map_init(map, arena);
    diag_init(diags, arena, map);
    return kernel_parse(arena, diags, source_add(map, "fuzz.xkr", text, length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct source_map map;
    struct diag_list diags;
    arena_init(&arena, NULL);
    struct kprogram *program = parse(&arena, &diags, &map, arena_strndup(&arena, (const char *)data, size), size);
    bool fits = program && kernel_verify(program, &diags);
    struct text rendered, once, twice;
    text_init(&rendered, &arena);
    text_init(&once, &arena);
    text_init(&twice, &arena);
    diag_render(&diags, &rendered);
    if (program)
        kernel_print_program(program, &once);
    if (fits) {
        struct kprogram *again = parse(&arena, &diags, &map, text_string(&once), once.count);
        if (!again || !kernel_verify(again, &diags))
            abort();
        kernel_print_program(again, &twice);
        if (strcmp(text_string(&once), text_string(&twice)) != 0)
            abort();
    }
    arena_deinit(&arena);
    return 0;
}
