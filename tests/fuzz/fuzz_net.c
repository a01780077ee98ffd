/* Parses any text as `.net`. What parses must print as a text that parses and prints the same again; what does not must
 * have a message. Some inputs also lose an allocation on the way. */
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
    struct ast_file *ast = lang_parse(arena, &diags, &names, source_add(&map, "fuzz.net", text, length));
    if (!ast) {
        diag_render(&diags, &out);
        if (!diags.errors || !out.count)
            abort();
        return NULL;
    }
    ast_print(ast, &out);
    return text_string(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    jmp_buf failed;
    struct arena arena;
    arena_init(&arena, &failed);
    if (setjmp(failed) == 0) {
        char *text = arena_strndup(&arena, (const char *)data, size);
        if (size % 4 == 1)
            arena.fail_after = 1 + (long)(size / 4);
        const char *once = printed(&arena, text, size);
        if (once) {
            const char *twice = printed(&arena, once, strlen(once));
            if (!twice || strcmp(once, twice) != 0)
                abort();
        }
    }
    arena_deinit(&arena);
    return 0;
}
