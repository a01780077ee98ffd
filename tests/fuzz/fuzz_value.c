/* Parses any text as the value of a --set. What parses prints as a value that parses and prints the same again. */
#include "fuzz_target.h"
#include "lang.h"

#include <stdlib.h>
#include <string.h>

static const char *printed(struct arena *arena, const char *text, size_t length)
{
    struct source_map map;
    struct diag_list diags;
    struct interner names;
    struct text out;
    source_map_init(&map, arena);
    diag_init(&diags, arena, &map);
    interner_init(&names, arena);
    text_init(&out, arena);
    struct ast_expr *value = lang_parse_value(arena, &diags, &names, source_add(&map, "--set", text, length));
    if (!value) {
        diag_render(&diags, &out);
        if (!diags.errors || !out.count)
            abort();
        return NULL;
    }
    ast_print_expr(value, &out);
    return text_string(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    jmp_buf failed;
    struct arena arena;
    arena_init(&arena, &failed);
    if (setjmp(failed) == 0) {
        const char *once = printed(&arena, arena_strndup(&arena, (const char *)data, size), size);
        const char *twice = once ? printed(&arena, once, strlen(once)) : NULL;
        if (once && (!twice || strcmp(once, twice) != 0))
            abort();
    }
    arena_deinit(&arena);
    return 0;
}
