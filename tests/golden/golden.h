/* Golden files: what a case prints is compared with the file beside it. XENT_UPDATE_GOLDEN=1 writes them anew; read the
 * difference before committing it. */
#ifndef XENT_GOLDEN_H
#define XENT_GOLDEN_H

#include "arena.h"
#include "diag.h"
#include "source.h"
#include "text.h"

/* What a case works in. */
struct scratch {
    struct arena arena;
    struct source_map map;
    struct diag_list diags;
    struct interner names;
};
void scratch_init(struct scratch *scratch);
/* The messages so far. */
const char *scratch_messages(struct scratch *scratch);

/* Calls `run` for each file in `folder` that ends in `suffix`, sorted; they are at least `least`. */
void golden_each(const char *folder, const char *suffix, size_t least,
                 void (*run)(struct scratch *scratch, const char *path));
/* NULL: there is no such file. */
char *golden_read(struct arena *arena, const char *path, size_t *out_length);
/* Paths of the files in `folder` that end in `suffix`, sorted. */
char **golden_list(struct arena *arena, const char *folder, const char *suffix, size_t *out_count);
/* `path` with its suffix replaced. */
char *golden_beside(struct arena *arena, const char *path, const char *suffix);
/* False, with the lines that differ on stderr, when `path` does not hold `actual`. An empty text stands for no file. */
bool golden_same(struct arena *arena, const char *path, const char *actual);
/* The rest of the line of the comment "# KEY: rest" number `index` in the text, NULL when there are fewer. */
char *golden_note(struct arena *arena, const char *text, const char *key, size_t index);
/* Registers the file under its base name, as messages should show it. */
uint32_t golden_source(struct source_map *map, struct arena *arena, const char *path);

#endif
