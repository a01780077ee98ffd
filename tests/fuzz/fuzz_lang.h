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

/* One input: any text. With `loses`, some inputs also lose an allocation on the way. */
static inline int fuzz_text(fuzz_reader read, const uint8_t *data, size_t size, bool loses)
{
    jmp_buf failed;
    struct arena arena;
    arena_init(&arena, &failed);
    if (setjmp(failed) == 0) {
        const char *text = arena_strndup(&arena, (const char *)data, size);
        if (loses && size % 4 == 1)
            arena.fail_after = 1 + (long)(size / 4);
        fuzz_round_trip(read, &arena, text, size);
    }
    arena_deinit(&arena);
    return 0;
}

#endif
