/* What the targets for texts of the language share. */
#ifndef XENT_TESTS_FUZZ_LANG_H
#define XENT_TESTS_FUZZ_LANG_H

#include "fuzz_target.h"
#include "lang.h"

#include <stdlib.h>
#include <string.h>

/* Parses a file and prints what it is; false: it does not parse. */
typedef bool (*fuzz_reader)(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file,
                            struct text *out);

/* NULL: it does not parse, and there is a message. */
static inline const char *fuzz_printed(fuzz_reader read, struct arena *arena, const char *text, size_t length)
{
    struct source_map map;
    struct diag_list diags;
    struct interner names;
    struct text out;
    source_map_init(&map, arena);
    diag_init(&diags, arena, &map);
    interner_init(&names, arena);
    text_init(&out, arena);
    if (read(arena, &diags, &names, source_add(&map, "fuzz", text, length), &out))
        return text_string(&out);
    diag_render(&diags, &out);
    if (!diags.errors || !out.count)
        abort();
    return NULL;
}

/* What parses must print as a text that parses and prints the same again. */
static inline void fuzz_round_trip(fuzz_reader read, struct arena *arena, const char *text, size_t length)
{
    const char *once = fuzz_printed(read, arena, text, length);
    const char *twice = once ? fuzz_printed(read, arena, once, strlen(once)) : NULL;
    if (once && (!twice || strcmp(once, twice) != 0))
        abort();
}

#endif
