/* Any text as `.net`. Some inputs also lose an allocation on the way. */
#include "fuzz_lang.h"

static bool read_file(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file,
                      struct text *out)
{
    struct ast_file *ast = lang_parse(arena, diags, names, file);
    if (ast)
        ast_print(ast, out);
    return ast != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    jmp_buf failed;
    struct arena arena;
    arena_init(&arena, &failed);
    if (setjmp(failed) == 0) {
        const char *text = arena_strndup(&arena, (const char *)data, size);
        if (size % 4 == 1)
            arena.fail_after = 1 + (long)(size / 4);
        fuzz_round_trip(read_file, &arena, text, size);
    }
    arena_deinit(&arena);
    return 0;
}
