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
    return fuzz_text(read_file, data, size, true);
}
