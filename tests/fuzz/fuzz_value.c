/* Any text as the value of a --set. */
#include "fuzz_lang.h"

static bool read_value(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file,
                       struct text *out)
{
    struct ast_expr *value = lang_parse_value(arena, diags, names, file);
    if (value)
        ast_print_expr(value, out);
    return value != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_text(read_value, data, size, false);
}
